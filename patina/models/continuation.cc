#include "patina/models/continuation.h"

#include <algorithm>

#include "patina/ops.h"
#include "patina/place.h"

namespace patina {

Continuation::Continuation(const TextTower& tower, Words words, const Input& begun,
                           const nn::Adaptations& adaptations, const TextContext& context,
                           bool cached, nn::KeyValues known)
    : tower_(&tower),
      words_(std::move(words)),
      adaptations_(adaptations),
      context_(context),
      cached_(cached),
      cache_(std::move(known)),
      ids_(begun.data),
      mask_(begun.mask.defined() ? begun.mask : at::ones_like(begun.data)) {
  read_all();
}

std::vector<std::vector<int64_t>> Continuation::ids() const {
  std::vector<std::vector<int64_t>> rows;
  for (int64_t row = 0; row < ids_.size(0); ++row)
    rows.push_back(items_of(ids_[row].masked_select(mask_[row].ne(0))));
  return rows;
}

void Continuation::append(const Tensor& ids) {
  const Tensor column = on(ids_.device(), ids).unsqueeze(1), here = at::ones_like(column);
  const Tensor position = mask_.sum(1, /*keepdim=*/true);
  ids_ = at::cat({ids_, column}, 1);
  mask_ = at::cat({mask_, here}, 1);
  if (!cached_ || changes_at(position + 1)) {
    cache_ = {};
    return read_all();
  }
  // Images are in the prompt, which is read.
  TextContext later = context_;
  later.images = Tensor();
  read({column, here}, position, later);
}

// Whether a token more changes the keys of those before it: then the cached ones are of no use.
bool Continuation::changes_at(const Tensor& lengths) const {
  const TextShape& shape = tower_->shape();
  if (!shape.block.rotary.by_length() && !shape.local_rotary.by_length()) return false;
  return std::ranges::any_of(items_of(lengths.flatten() + cache_.added), [&](int64_t n) {
    return shape.block.rotary.changes_at(n) || shape.local_rotary.changes_at(n);
  });
}

// A token's position is the number of tokens before it in its row.
void Continuation::read_all() {
  const int64_t known = cache_.mask.defined() ? cache_.mask.size(1) : 0;
  read({ids_.slice(1, known), mask_.slice(1, known)},
       (mask_.cumsum(1) - 1).clamp_min(0).slice(1, known), context_);
}

void Continuation::read(const Input& input, const Tensor& positions, const TextContext& context) {
  NoGrad no_grad;
  TextContext now = context;
  now.positions = positions;
  now.cache = cached_ ? &cache_ : nullptr;
  now.read = pooled_token(Pooling::last, input);
  scores_ = words_((*tower_)(input, adaptations_, now)).squeeze(1);
}

}  // namespace patina
