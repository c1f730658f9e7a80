#include "patina/adapt/context.h"

#include "patina/nn/layers.h"
#include "patina/ops.h"

namespace patina::adapt {

namespace {
constexpr double kDeviation = 0.02;
}  // namespace

Context::Context(int64_t length, Tensor words, Random& random)
    : words_(std::move(words)), vectors_(at::empty({length, words_.size(1)})) {
  nn::init_normal(vectors_, random, 0, kDeviation);
  vectors_.requires_grad_(true);
}

// `out` is word + position, so the words are exchanged and the positions stay.
Tensor Context::after(nn::Site site, int, const Tensor& in, Tensor out) {
  if (site != nn::Site::embed) return out;
  const int64_t end = 1 + vectors_.size(0);
  const Tensor replaced = at::embedding(words_, in.slice(1, 1, end));
  return at::cat(
      {out.slice(1, 0, 1), out.slice(1, 1, end) - replaced + vectors_, out.slice(1, end)}, 1);
}

}  // namespace patina::adapt
