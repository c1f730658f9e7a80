#include "patina/adapt/routed_lora.h"

#include <algorithm>

#include "patina/base/error.h"
#include "patina/nn/layers.h"
#include "patina/ops.h"

namespace patina::adapt {

RoutedLora::RoutedLora(std::vector<const Lora*> loras) : loras_(std::move(loras)) {
  PATINA_REQUIRE(!loras_.empty(), "no LoRA to route to");
  if (const auto tower = loras_.front()->tower()) set_tower(*tower);
}

Tensor RoutedLora::after(nn::Site site, int layer, const Tensor& in, Tensor out) {
  if (!acts(site)) return out;
  return with_added(site, loras_.front()->shape(), std::move(out), [&](Part part) {
    std::vector<Tensor> a, b;
    double scale = 1;
    for (const Lora* lora : loras_) {
      const Lora::Update change = lora->factors(layer, part);
      if (!change.a.defined()) return Tensor();
      a.push_back(change.a);
      b.push_back(change.b);
      scale = change.scale;
    }
    const Tensor z = nn::linear(in, at::cat(a));
    return nn::linear(weighted(z), at::cat(b, 1)) * scale;
  });
}

Tensor MixedLora::weighted(const Tensor& z) const {
  return z * weights_.repeat_interleave(z.size(-1) / loras(), -1);
}

Tensor Atoms::weighted(const Tensor& z) const {
  constexpr double kLeast = 1e-12;
  const Tensor exact = z.to(at::kFloat);
  const Tensor norm =
      at::linalg_vector_norm(exact, 2, at::IntArrayRef{-1}, /*keepdim=*/true).clamp_min(kLeast);
  const auto [near, atom] = at::topk(exact / norm, std::min(routing_.k, z.size(-1)));
  Tensor weights = at::softmax(near / routing_.temperature, -1);
  weights = weights * (near >= routing_.threshold).to(at::kFloat);
  return at::zeros_like(exact).scatter(-1, atom, weights) * exact;
}

void AtomOptions::bind(Fields& f) {
  f("k", k, "Atoms that a token chooses; if there are fewer, all.", at_least(1));
  f("temperature", temperature, "Divides the cosines before the softmax over these.", above(0));
  f("threshold", threshold,
    "In predictions, an atom whose part of a token's products is smaller adds nothing.",
    {.low = -1, .high = 1});
}

nn::Adaptations AtomOptions::of(const std::vector<const Lora*>& loras, bool learning) const {
  nn::Adaptations all;
  if (loras.empty()) return all;
  Atoms::Routing routing{.k = k, .temperature = temperature};
  if (!learning) routing.threshold = threshold;
  all.keep(std::make_shared<Atoms>(loras, routing));
  return all;
}

}  // namespace patina::adapt
