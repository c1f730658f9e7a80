#include "patina/adapt/experts.h"

#include "patina/config/sizes.h"
#include "patina/nn/dropout.h"
#include "patina/ops.h"

namespace patina::adapt {

void ExpertOptions::bind(Fields& f) {
  f("experts", experts, "Experts of a block.", sized(1));
  f("chosen", chosen, "Experts that a sample takes in a block.", sized(1));
  f("bottleneck", bottleneck, "Width between an expert's two projections.", sized(1));
  f("scale", scale, "Factor on what an expert adds.", above(0));
  f("dropout", dropout, "Part of the hidden units that a training step drops.",
    {.low = 0, .high = 1, .high_open = true});
  f.require(chosen <= experts, "chosen", "must not be above experts");
}

ExpertAdapters::ExpertAdapters(const ExpertOptions& with, int64_t width, int64_t depth,
                               Random& random)
    : options(with) {
  for (int64_t layer = 0; layer < depth; ++layer) {
    Block block;
    for (int64_t e = 0; e < options.experts; ++e) {
      Expert fresh{{width, options.bottleneck}, {options.bottleneck, width}};
      nn::init_kaiming(fresh.down.weight, random);
      fresh.up.weight.zero_();
      block.experts.push_back(std::move(fresh));
    }
    block.gate = at::zeros({width, options.experts});
    block.noise = at::zeros({width, options.experts});
    blocks.push_back(std::move(block));
  }
  nn::freeze(*this, false);
}

void ExpertAdapters::Expert::walk(nn::Walk& w) {
  w("down", down);
  w("up", up);
}

void ExpertAdapters::Block::walk(nn::Walk& w) {
  w("experts", experts);
  w("gate", gate);
  w("noise", noise);
}

RoutedExperts::RoutedExperts(const ExpertAdapters& experts, Random* noise)
    : experts_(experts),
      noise_(noise),
      counts_(at::zeros({int64_t(experts.blocks.size()), experts.options.experts}, at::kLong)) {}

void RoutedExperts::walk(nn::Walk& w) {
  const_cast<ExpertAdapters&>(experts_).walk(w);  // visits, and changes nothing
}

Tensor RoutedExperts::weights(const Tensor& in, int layer) {
  const auto& block = experts_.blocks[size_t(layer)];
  // Where only the token that is read is computed, it is the only one.
  Tensor x = in.select(1, 0);
  if (end_.defined() && in.size(1) > 1) {
    const Tensor at_end = end_.reshape({-1, 1, 1}).expand({-1, 1, in.size(2)});
    x = in.gather(1, at_end).squeeze(1);
  }
  x = x.to(at::kFloat);
  Tensor h = at::matmul(x, block.gate);
  if (noise_) {
    Tensor drawn = at::empty(h.sizes());
    nn::init_normal(drawn, *noise_, 0, 1);
    const Tensor raw = at::matmul(x, block.noise);
    // log(1 + e^x), whose gradient at 0, where routers begin, must be that of the whole.
    const Tensor softplus = at::logsumexp(at::stack({raw, at::zeros_like(raw)}, -1), -1);
    h = h + on(h.device(), drawn) * (softplus + 0.01);
  }
  const auto [largest, expert] = at::topk(h, experts_.options.chosen, 1);
  counts_[layer].add_(at::bincount(on_host(expert).flatten(), {}, experts_.options.experts));
  return at::zeros_like(h).scatter(1, expert, at::softmax(largest, 1));
}

Tensor RoutedExperts::after(nn::Site site, int layer, const Tensor& in, Tensor out) {
  if (site == nn::Site::embed && in.dim() == 2) end_ = in.argmax(1);
  if (site != nn::Site::mlp) return out;
  const auto& [experts, chosen, bottleneck, scale, dropout] = experts_.options;
  const Tensor of_sample = weights(in, layer);
  for (int64_t e = 0; e < experts; ++e) {
    const Tensor own = of_sample.select(1, e);
    const Tensor rows = own.nonzero().squeeze(1);
    if (rows.numel() == 0) continue;
    const auto& [down, up] = experts_.blocks[size_t(layer)].experts[size_t(e)];
    const Tensor hidden = nn::dropout(nn::linear(in.index_select(0, rows), down.weight, down.bias,
                                                 {.activation = nn::Activation::relu}),
                                      noise_ && up.weight.requires_grad() ? dropout : 0);
    const Tensor added = nn::linear(hidden, up.weight, up.bias).to(out.scalar_type());
    const Tensor factor = (own.index_select(0, rows) * scale).reshape({-1, 1, 1});
    out = out.index_add(0, rows, added * factor.to(out.scalar_type()));
  }
  return out;
}

}  // namespace patina::adapt
