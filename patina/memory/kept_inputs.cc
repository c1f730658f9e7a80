#include "patina/memory/kept_inputs.h"

#include <algorithm>
#include <numeric>

#include "patina/base/error.h"
#include "patina/ops.h"
#include "patina/place.h"

namespace patina {

namespace {

// The rows as one input; texts are padded on the right with zeros that the mask hides.
Input stacked(const std::vector<const Input*>& rows) {
  if (!rows.front()->is_text()) {
    std::vector<Tensor> pixels;
    for (const auto* row : rows) pixels.push_back(row->data);
    return at::cat(pixels);
  }
  int64_t longest = 0;
  for (const auto* row : rows) longest = std::max(longest, row->data.size(1));
  const auto column = [&](Tensor Input::*part) {
    std::vector<Tensor> cells;
    for (const auto* row : rows)
      cells.push_back(at::constant_pad_nd(row->*part, {0, longest - (row->*part).size(1)}));
    return at::cat(cells);
  };
  return {column(&Input::data), column(&Input::mask), column(&Input::types)};
}

// One sample, without padding.
Input row_of(const Input& input, int64_t row) {
  const Input one = input.slice(row, row + 1);
  if (!one.is_text()) return on_host(one.pixels()).clone();
  const Tensor data = on_host(one.data);
  const Tensor mask = one.mask.defined() ? on_host(one.mask) : at::ones_like(data);
  const Tensor types = one.types.defined() ? on_host(one.types) : at::zeros_like(data);
  const int64_t length = mask.sum().item<int64_t>();
  const auto cut = [&](const Tensor& t) { return t.slice(1, 0, length).clone(); };
  return {cut(data), cut(mask), cut(types)};
}

}  // namespace

void KeptInputs::set(size_t slot, const Input& input, int64_t row) {
  PATINA_REQUIRE(slot <= rows_.size(), "slot {} of {}", slot, rows_.size());
  if (slot == rows_.size()) rows_.emplace_back();
  rows_[slot] = row_of(input, row);
}

Input KeptInputs::at(const std::vector<size_t>& slots) const {
  std::vector<const Input*> rows;
  for (const size_t slot : slots) rows.push_back(&rows_.at(slot));
  return stacked(rows);
}

void KeptInputs::state(Archive& a) {
  std::vector<size_t> all(rows_.size());
  std::iota(all.begin(), all.end(), size_t{0});
  Input input = all.empty() || a.loading() ? Input() : at(all);
  a("data", input.data);
  a("mask", input.mask);
  a("types", input.types);
  if (!a.loading()) return;
  rows_.clear();
  const int64_t count = input.data.defined() ? input.data.size(0) : 0;
  for (int64_t i = 0; i < count; ++i) rows_.push_back(row_of(input, i));
}

}  // namespace patina
