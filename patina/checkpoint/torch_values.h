// What the values of torch.save's pickles mean: which classes and functions they may name,
// dictionaries, tensors, storages.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "patina/base/error.h"
#include "patina/checkpoint/pickle.h"
#include "patina/checkpoint/safetensors.h"

namespace patina {

/// Whether a state dict, a training checkpoint or a scripted module may name this class or function
/// ("collections.OrderedDict"). None of them is ever called.
bool is_torch_name(std::string_view name);

bool is_torch_call(const PickleValue& value, std::string_view function);
/// Of TorchScript: its state is a dictionary of what is in it.
bool is_torch_module(const PickleValue& value);
/// A dictionary, an OrderedDict, a module.
bool is_torch_dict(const PickleValue& value);
bool is_torch_tensor(const PickleValue& value);

struct TorchEntry {
  const PickleValue *key, *value;
};
std::vector<TorchEntry> torch_entries(const PickleValue& dict);
/// The value of a key; null if there is none.
const PickleValue* torch_entry(const PickleValue& dict, std::string_view key);

struct TorchStorage {
  std::string key;
  DType dtype;
  int64_t elements;
};
/// The storage that a persistent value refers to. Throws Error(format) naming `origin` for another
/// value, and for a type of numbers that safetensors does not have.
TorchStorage torch_storage(const PickleValue& value, const std::string& origin);
/// The key of a storage, which is a text or a number.
std::string torch_key(const PickleValue& key, const std::string& origin);

/// Fails with what is wrong with the file.
template <class... Args>
[[noreturn]] void refuse_torch_file(const std::string& origin, fmt::format_string<Args...> text,
                                    Args&&... args) {
  fail(ErrorKind::format, "{}: not a PyTorch file that patina reads: {}", origin,
       fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace patina
