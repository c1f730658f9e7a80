#include "patina/learners/online/bias_adaptor.h"

#include "patina/nn/heads.h"
#include "patina/ops.h"

namespace patina {

void BiasAdaptor::grow(int64_t fresh, int64_t hidden, Random random, const Place& place) {
  Tensor rows = at::empty({fresh, hidden}, place.options());
  nn::init_kaiming(rows, random);
  in_ = nn::grown(in_, rows);
  out_ = nn::grown(out_, at::zeros({fresh, hidden}, place.options()));
  out_bias_ = nn::grown(out_bias_, at::zeros({fresh}, place.options()));
  if (!hidden_bias_.defined())
    hidden_bias_ = at::zeros({hidden}, place.options()).requires_grad_(true);
}

Tensor BiasAdaptor::hidden(const Tensor& scores) const {
  return at::addmm(hidden_bias_, scores, in_);
}

Tensor BiasAdaptor::operator()(const Tensor& scores) const {
  return scores + at::addmm(out_bias_, at::relu(hidden(scores)), out_.t());
}

Tensor BiasAdaptor::pulled_back(const Tensor& scores, const Tensor& gradient) const {
  const Tensor open = hidden(scores).detach().gt(0);
  return gradient + (gradient.mm(out_) * open).mm(in_.t());
}

void BiasAdaptor::state(Archive& a) {
  a("in", in_);
  a("hidden_bias", hidden_bias_);
  a("out", out_);
  a("out_bias", out_bias_);
}

}  // namespace patina
