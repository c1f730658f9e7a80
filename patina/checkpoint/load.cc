#include "patina/checkpoint/load.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>

#include "patina/base/error.h"
#include "patina/kernels/weight_tiles.h"
#include "patina/ops.h"
#include "patina/place.h"

namespace patina {

namespace {

constexpr std::pair<DType, at::ScalarType> kTypes[] = {
    {DType::f64, at::kDouble},    {DType::f32, at::kFloat}, {DType::f16, at::kHalf},
    {DType::bf16, at::kBFloat16}, {DType::i64, at::kLong},  {DType::i32, at::kInt},
    {DType::i16, at::kShort},     {DType::i8, at::kChar},   {DType::u8, at::kByte},
    {DType::boolean, at::kBool}};

}  // namespace

Tensor to_tensor(const StoredTensor& stored) {
  if (stored.dtype == DType::blocks) {
    Tensor numbers = at::empty(stored.shape, at::kFloat);
    kernels::dequantize(stored.block, stored.data, host_values(numbers));
    return numbers;
  }
  const auto* type = std::find_if(std::begin(kTypes), std::end(kTypes),
                                  [&](const auto& pair) { return pair.first == stored.dtype; });
  PATINA_REQUIRE(type != std::end(kTypes), "dtype {}", name(stored.dtype));
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
  PATINA_REQUIRE(type != std::end(kTypes) && tensor.is_contiguous() && tensor.device().is_cpu(),
                 "cannot store a tensor of type {}", at::toString(tensor.scalar_type()));
  return {type->first,
          tensor.sizes().vec(),
          {static_cast<const uint8_t*>(tensor.data_ptr()), tensor.nbytes()}};
}

namespace {

// Without leading dimensions of one: [1,T,D] and [T,D] hold the same.
at::IntArrayRef core(at::IntArrayRef shape) {
  while (shape.size() > 1 && shape.front() == 1) shape = shape.slice(1);
  return shape;
}

// Reads a file's tensors for a network, and keeps what is wrong with them.
class Fitting {
 public:
  Fitting(const SafetensorsFile& file, const NameTable& names)
      : file_(file), names_(names), prefix_(prefix_in(file, names)) {}

  // The value of one of our tensors; undefined when something is wrong.
  Tensor read(const nn::NamedTensor& target) {
    const auto found = names_.find(target.name, prefix_);
    if (target.form.stored()) {
      note_held(target, found);
      return {};
    }
    std::vector<Tensor> parts;
    for (const auto& name : found.theirs)
      if (const Tensor part = stored(name, target, found); part.defined()) parts.push_back(part);
    if (parts.size() < found.theirs.size()) return {};
    Tensor value = parts.size() == 1 ? parts[0] : at::cat(parts);
    if (found.transposed && value.dim() == 2) value = value.t();
    if (core(value.sizes()) == core(target.tensor.sizes())) return value.view_as(target.tensor);
    std::string spelled;
    for (const auto& name : found.theirs) spelled += (spelled.empty() ? "" : " + ") + name;
    problems_.push_back(fmt::format("wrong shape: {} is {}, the network needs {}", spelled,
                                    shape_text(value.sizes()),
                                    shape_text(expected(target, found))));
    return {};
  }

  // Notes that a target that holds a stored form was asked for.
  void note_held(const nn::NamedTensor& target, const NameTable::Found& found) {
    constexpr int64_t kRows = 1024;
    for (const auto& name : found.theirs) note_wanted(name);
    const kernels::StoredWeight weight{target.tensor, target.form};
    int64_t bad = 0;
    for (int64_t from = 0; from < target.form.rows(); from += kRows) {
      const Tensor part = weight.part(from, std::min(from + kRows, target.form.rows())).floats();
      bad += part.numel() - part.isfinite().sum().item<int64_t>();
    }
    if (bad > 0) note_not_finite(found.theirs.front(), bad, target.numbers());
  }

  // What is in the file beside the network's parts and was never asked for.
  void note_unread() {
    for (const auto& [name, tensor] : file_.tensors())
      if (!wanted_.count(name) && expected_here(name))
        problems_.push_back(fmt::format("unexpected: {} {}", name, shape_text(tensor.shape)));
  }

  void finish(const std::string& origin) {
    // A missing tensor may be one of the unread under another name.
    std::vector<std::string> unread;
    for (const auto& [name, tensor] : file_.tensors())
      if (!wanted_.count(name)) unread.push_back(name);
    for (auto& [at, name] : missing_) problems_[at] += did_you_mean(name, unread);
    note_unread();
    if (!problems_.empty())
      fail(ErrorKind::model, "{}: the weights do not fit the network:{}", origin, lines(problems_));
    if (!not_finite_.empty())
      fail(ErrorKind::model,
           "{}: weights are not finite; the file is damaged, or its training diverged:{}", origin,
           lines(not_finite_));
  }

 private:
  Tensor stored(const std::string& name, const nn::NamedTensor& target,
                const NameTable::Found& found) {
    note_wanted(name);
    for (const std::string& spelling : {name, old_spelling(name)}) {
      if (!file_.has(spelling)) continue;
      wanted_.insert(spelling);
      const Tensor value = to_tensor(file_.at(spelling));
      if (at::isFloatingType(value.scalar_type()))
        return finite(spelling, value.to(target.tensor.scalar_type()));
      problems_.push_back(fmt::format("wrong type: {} is {}, the network needs floating point",
                                      name, patina::name(file_.at(spelling).dtype)));
      return {};
    }
    if (const auto shard = file_.absent().find(name); shard != file_.absent().end()) {
      problems_.push_back(
          fmt::format("missing: {}, in the shard {} that is not here", name, shard->second));
    } else {
      missing_.emplace_back(problems_.size(), name);
      problems_.push_back(
          found.theirs.size() > 1
              ? fmt::format("missing: {}", name)
              : fmt::format("missing: {} {}", name, shape_text(expected(target, found))));
    }
    return {};
  }

  // Notes a tensor with NaN or infinite values: with it every score is NaN, and a table of
  // accuracies would not show it.
  Tensor finite(const std::string& name, const Tensor& value) {
    const int64_t bad = value.numel() - value.isfinite().sum().item<int64_t>();
    if (bad > 0) note_not_finite(name, bad, value.numel());
    return value;
  }

  void note_not_finite(const std::string& name, int64_t bad, int64_t all) {
    not_finite_.push_back(fmt::format("{}: {} of {} values are nan or inf", name, bad, all));
  }

  void note_wanted(const std::string& name) {
    wanted_.insert(name);
    parts_.insert(name.substr(0, name.find('.')));
  }

  static std::string lines(const std::vector<std::string>& items) {
    std::string text;
    for (const auto& item : items) text += "\n  " + item;
    return text;
  }

  // TensorFlow's names of a norm's tensors, in BERT's older files.
  static std::string old_spelling(const std::string& name) {
    if (name.ends_with(".weight")) return name.substr(0, name.size() - 6) + "gamma";
    if (name.ends_with(".bias")) return name.substr(0, name.size() - 4) + "beta";
    return name;
  }

  static Shape expected(const nn::NamedTensor& target, const NameTable::Found& found) {
    Shape shape = target.tensor.sizes().vec();
    if (found.transposed && shape.size() == 2) std::swap(shape[0], shape[1]);
    return shape;
  }

  // True of names that begin like those the network reads; of all, where names are patina's own.
  bool expected_here(const std::string& name) const {
    return (names_.rules.empty() || names_.complete ||
            parts_.count(name.substr(0, name.find('.')))) &&
           !names_.is_unneeded(name, prefix_);
  }

  const SafetensorsFile& file_;
  const NameTable& names_;
  std::string prefix_;
  std::set<std::string> wanted_, parts_;  // names asked for, and their first words
  std::vector<std::string> problems_, not_finite_;
  std::vector<std::pair<size_t, std::string>> missing_;  // which problem, which name
};

}  // namespace

std::string prefix_in(const SafetensorsFile& file, const NameTable& names) {
  const auto prefixed = [&](const auto& item) { return item.first.starts_with(names.prefix); };
  return std::ranges::any_of(file.tensors(), prefixed) ||
                 std::ranges::any_of(file.absent(), prefixed)
             ? names.prefix
             : "";
}

void load_tensors(const std::vector<nn::NamedTensor>& targets, const SafetensorsFile& file,
                  const std::string& origin, const NameTable& names) {
  Fitting fitting(file, names);
  std::vector<Tensor> values;
  for (const auto& target : targets) values.push_back(fitting.read(target));
  fitting.finish(origin);
  NoGrad no_grad;
  for (size_t i = 0; i < targets.size(); ++i) {
    if (targets[i].form.stored()) continue;
    Tensor destination = targets[i].tensor;
    destination.copy_(values[i]);
  }
}

namespace {

// The type of a tensor's rows where they can stay as they are.
std::optional<kernels::BlockType> type_of_rows(const StoredTensor& stored) {
  switch (stored.dtype) {
    case DType::f16:
      return kernels::BlockType::f16;
    case DType::bf16:
      return kernels::BlockType::bf16;
    case DType::blocks:
      return stored.block;
    default:
      return std::nullopt;
  }
}

bool is_floating(DType dtype) {
  return dtype == DType::f64 || dtype == DType::f32 || dtype == DType::f16 ||
         dtype == DType::bf16 || dtype == DType::blocks;
}

}  // namespace

std::vector<std::string> held_names() {
  return {"fp32", "bf16", "stored"};
}

Held held_of(std::string_view name) {
  const auto names = held_names();
  const auto found = std::ranges::find(names, name);
  PATINA_REQUIRE(found != names.end(), "no form of the name {}", name);
  return Held(found - names.begin());
}

void hold(const std::string& name, Tensor& weight, kernels::WeightForm& form, Held how,
          const SafetensorsFile& file, const NameTable& names) {
  if (weight.dim() != 2) return;
  const auto found = names.find(name, prefix_in(file, names));
  kernels::WeightForm held{.pieces = {}, .width = weight.size(1)};
  for (const auto& theirs : found.theirs) {
    if (!file.has(theirs)) return;
    const StoredTensor& stored = file.at(theirs);
    if (stored.shape.size() != 2 || !is_floating(stored.dtype)) return;
    if (stored.shape[found.transposed ? 0 : 1] != held.width) return;
    const auto type = how == Held::bf16 ? kernels::BlockType::bf16 : type_of_rows(stored);
    if (!type || (how == Held::stored && found.transposed)) return;
    held.pieces.push_back({*type, stored.shape[found.transposed ? 1 : 0]});
  }
  if (held.rows() != weight.size(0)) return;
  NoGrad no_grad;
  Tensor bytes = at::empty({held.bytes_before(held.rows())}, at::kByte);
  auto* to = static_cast<uint8_t*>(bytes.data_ptr());
  for (const auto& theirs : found.theirs) {
    const StoredTensor& stored = file.at(theirs);
    Tensor rounded;
    std::span<const uint8_t> from = stored.data;
    if (how == Held::bf16 && stored.dtype != DType::bf16) {
      rounded = to_tensor(stored).to(at::kBFloat16);
    } else if (found.transposed) {
      rounded = to_tensor(stored);
    }
    if (rounded.defined()) {
      rounded = (found.transposed ? rounded.t() : rounded).contiguous();
      from = {static_cast<const uint8_t*>(rounded.data_ptr()), rounded.nbytes()};
    }
    to = std::ranges::copy(from, to).out;
  }
  const auto kept = kernels::in_tiles({bytes, std::move(held)});
  weight = kept.bytes;
  form = kept.form;
}

std::string content_hash(const std::vector<nn::NamedTensor>& tensors) {
  ContentHash hash;
  for (const auto& item : tensors) {
    const Tensor t = on_host(item.tensor.detach()).contiguous();
    hash.add(item.name);
    hash.add(shape_text(t.sizes()));
    hash.add(t.data_ptr(), t.nbytes());
  }
  return hash.hex();
}

}  // namespace patina
