#include "patina/nn/dropout.h"

#include "patina/nn/layers.h"
#include "patina/ops.h"

namespace patina::nn {

namespace {
thread_local Random* draws = nullptr;
}  // namespace

Dropping::Dropping(Random random) : random_(random), before_(std::exchange(draws, &random_)) {}

Dropping::~Dropping() {
  draws = before_;
}

Tensor dropout(const Tensor& x, double rate) {
  if (draws == nullptr || rate == 0 || !at::GradMode::is_enabled()) return x;
  Tensor drawn = at::empty(x.sizes(), x.options().dtype(at::kFloat));
  init_uniform(drawn, *draws, 0, 1);
  return x * ((drawn >= rate).to(x.scalar_type()) / (1 - rate));
}

}  // namespace patina::nn
