// Loads stored tensors into modules; one error message lists all missing, unexpected and mis-shaped
// ones.
#pragma once

#include <string>
#include <vector>

#include "patina/checkpoint/name_table.h"
#include "patina/checkpoint/safetensors.h"
#include "patina/nn/module.h"

namespace patina {

/// A copy of a stored tensor, with its type; blocks become floats.
Tensor to_tensor(const StoredTensor& stored);
/// A view of a tensor in the format's types: fp32, fp64, bf16, fp16, int64, uint8. It must be
/// contiguous and on the CPU.
StoredTensor to_stored(const Tensor& tensor);

/// Copies the file's tensors into `targets`, under the names a table gives them; floating types
/// convert, and leading dimensions of one may be absent. Throws Error(model) listing all that are
/// missing, of another shape or type, or in the file under a part of the network that is read
/// without being known, or all that hold NaN or infinite values; nothing is loaded then. Heads the
/// network does not have stay unread.
void load_tensors(const std::vector<nn::NamedTensor>& targets, const SafetensorsFile& file,
                  const std::string& origin, const NameTable& names = {});

/// How a network holds the weights of its layers and its token embedding: as floats; rounded to
/// bf16; or as the file stores them, in 16 bits or quantised blocks.
enum class Held { fp32, bf16, stored };
/// Their names, in that order, and the one of a name.
std::vector<std::string> held_names();
Held held_of(std::string_view name);

/// Makes the weight of a layer hold what the file has for it. Without effect where the file does
/// not have it in such a form, or not in this shape: then it stays floats, for `load_tensors`.
void hold(const std::string& name, Tensor& weight, kernels::WeightForm& form, Held how,
          const SafetensorsFile& file, const NameTable& names);

/// load_tensors for all of a module, whose layers hold their weights as `held` says.
template <class Module>
void load_network(Module& module, Held held, const SafetensorsFile& file, const std::string& origin,
                  const NameTable& names) {
  if (held != Held::fp32) {
    nn::Walk walk([&](const std::string& name, Tensor& tensor) {
      if (walk.form()) hold(name, tensor, *walk.form(), held, file, names);
    });
    module.walk(walk);
  }
  load_tensors(nn::tensors(module), file, origin, names);
}

/// What `@` stands for in a file: the table's prefix if any name begins with it.
std::string prefix_in(const SafetensorsFile& file, const NameTable& names);

/// A hash of names, shapes and values.
std::string content_hash(const std::vector<nn::NamedTensor>& tensors);

}  // namespace patina
