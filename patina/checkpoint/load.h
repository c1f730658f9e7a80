// Stored tensors into modules: every missing, unexpected and mis-shaped one in a single message.
#pragma once

#include <string>
#include <vector>

#include "patina/checkpoint/name_table.h"
#include "patina/checkpoint/safetensors.h"
#include "patina/nn/module.h"

namespace patina {

/// A copy of a stored tensor, of its own type.
Tensor to_tensor(const StoredTensor& stored);
/// A tensor as the format stores it, sharing memory: fp32, fp64, bf16, fp16, int64, uint8.
/// Contiguous, on the CPU.
StoredTensor to_stored(const Tensor& tensor);

/// Copies the file's tensors into `targets`, under the names a table gives them; floating types
/// convert, and leading dimensions of one may be absent. Throws Error(model) listing all that are
/// missing, of another shape or type, or in the file under a part of the network that is read
/// without being known; nothing is loaded then. Heads the network does not have stay unread.
void load_tensors(const std::vector<nn::NamedTensor>& targets, const SafetensorsFile& file,
                  const std::string& origin, const NameTable& names = {});

/// One hash over names, shapes and values.
std::string content_hash(const std::vector<nn::NamedTensor>& tensors);

}  // namespace patina
