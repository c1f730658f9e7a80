#include "patina/checkpoint/load.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "patina/base/error.h"
#include "patina/ops.h"

namespace patina {

namespace {

constexpr std::pair<DType, at::ScalarType> kTypes[] = {
    {DType::f64, at::kDouble},    {DType::f32, at::kFloat}, {DType::f16, at::kHalf},
    {DType::bf16, at::kBFloat16}, {DType::i64, at::kLong},  {DType::i32, at::kInt},
    {DType::i16, at::kShort},     {DType::i8, at::kChar},   {DType::u8, at::kByte},
    {DType::boolean, at::kBool}};

}  // namespace

Tensor to_tensor(const StoredTensor& stored) {
  const auto* type = std::find_if(std::begin(kTypes), std::end(kTypes),
                                  [&](const auto& pair) { return pair.first == stored.dtype; });
  PATINA_CHECK(type != std::end(kTypes), "dtype {}", name(stored.dtype));
  // The map may be aligned to a byte only, so the bytes are copied.
  Tensor raw = at::empty(stored.shape, type->second);
  if (!stored.data.empty()) std::memcpy(raw.data_ptr(), stored.data.data(), stored.data.size());
  // Any byte but 0 is true; LibTorch expects 0 and 1.
  if (stored.dtype == DType::boolean)
    for (auto& byte : std::span(static_cast<uint8_t*>(raw.data_ptr()), raw.nbytes()))
      byte = byte != 0;
  return raw;
}

StoredTensor to_stored(const Tensor& tensor) {
  const auto* type = std::find_if(std::begin(kTypes), std::end(kTypes), [&](const auto& pair) {
    return pair.second == tensor.scalar_type();
  });
  PATINA_CHECK(type != std::end(kTypes) && tensor.is_contiguous() && tensor.device().is_cpu(),
               "cannot store a tensor of type {}", at::toString(tensor.scalar_type()));
  return {type->first,
          tensor.sizes().vec(),
          {static_cast<const uint8_t*>(tensor.data_ptr()), tensor.nbytes()}};
}

void load_tensors(const std::vector<nn::NamedTensor>& targets, const SafetensorsFile& file,
                  const std::string& origin, const std::vector<std::string>& ignore) {
  std::vector<std::string> problems;
  std::set<std::string> wanted;
  std::vector<std::string> unread;
  for (const auto& target : targets) wanted.insert(target.name);
  for (const auto& [stored_name, stored] : file.tensors()) {
    const bool ignored = std::any_of(ignore.begin(), ignore.end(), [&](const std::string& prefix) {
      return stored_name.starts_with(prefix);
    });
    if (!wanted.count(stored_name) && !ignored) unread.push_back(stored_name);
  }
  for (const auto& target : targets) {
    if (!file.has(target.name)) {
      problems.push_back(fmt::format("missing: {} {}{}", target.name,
                                     shape_text(target.tensor.sizes()),
                                     did_you_mean(target.name, unread)));
    } else if (const auto& stored = file.at(target.name);
               target.tensor.sizes() != at::IntArrayRef(stored.shape)) {
      problems.push_back(fmt::format("wrong shape: {} is {}, the network needs {}", target.name,
                                     shape_text(stored.shape), shape_text(target.tensor.sizes())));
    }
  }
  for (const auto& stored_name : unread)
    problems.push_back(
        fmt::format("unexpected: {} {}", stored_name, shape_text(file.at(stored_name).shape)));
  if (!problems.empty()) {
    std::string text;
    for (const auto& problem : problems) text += "\n  " + problem;
    fail(ErrorKind::model, "{}: the weights do not fit the network:{}", origin, text);
  }
  NoGrad no_grad;
  for (const auto& target : targets) {
    Tensor destination = target.tensor;
    destination.copy_(to_tensor(file.at(target.name)));
  }
}

std::string content_hash(const std::vector<nn::NamedTensor>& tensors) {
  ContentHash hash;
  for (const auto& item : tensors) {
    const Tensor t = item.tensor.detach().contiguous();
    hash.add(item.name);
    hash.add(shape_text(t.sizes()));
    hash.add(t.data_ptr(), t.nbytes());
  }
  return hash.hex();
}

}  // namespace patina
