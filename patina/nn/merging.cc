#include "patina/nn/merging.h"

#include <cmath>

#include "patina/base/error.h"
#include "patina/nn/layers.h"
#include "patina/ops.h"

namespace patina {

namespace {

// Returns body(i-th tensor of each list) for all i.
template <class Body, class... Rest>
Weights each(const Body& body, const Weights& first, const Rest&... rest) {
  NoGrad no_grad;
  PATINA_REQUIRE(((rest.size() == first.size()) && ...), "lists of different networks are merged");
  Weights result;
  for (size_t i = 0; i < first.size(); ++i) result.push_back(body(first[i], rest[i]...));
  return result;
}

// Returns body(i-th tensors of all lists, stacked to [N,...]) for all i.
template <class Body>
Weights each_stack(const std::vector<Weights>& all, const Body& body) {
  NoGrad no_grad;
  PATINA_REQUIRE(!all.empty(), "nothing to merge");
  Weights result;
  for (size_t i = 0; i < all[0].size(); ++i) {
    std::vector<Tensor> same;
    for (const auto& weights : all) same.push_back(weights.at(i));
    result.push_back(body(at::stack(same)));
  }
  return result;
}

}  // namespace

Weights weights_of(const std::vector<nn::NamedTensor>& tensors) {
  Weights weights;
  for (const auto& item : tensors) weights.push_back(item.tensor.detach());
  return weights;
}

void assign(const std::vector<nn::NamedTensor>& to, const Weights& from) {
  NoGrad no_grad;
  PATINA_REQUIRE(to.size() == from.size(), "{} tensors for {}", from.size(), to.size());
  for (size_t i = 0; i < to.size(); ++i) to[i].tensor.detach().copy_(from[i]);
}

void follow(const std::vector<nn::NamedTensor>& average, const Weights& now, double keep) {
  NoGrad no_grad;
  PATINA_REQUIRE(average.size() == now.size(), "{} tensors follow {}", average.size(), now.size());
  for (size_t i = 0; i < average.size(); ++i) average[i].tensor.detach().lerp_(now[i], 1 - keep);
}

Weights mixed(const Weights& a, const Weights& b, double part) {
  return each([&](const Tensor& a, const Tensor& b) { return at::lerp(a, b, part); }, a, b);
}

Weights added(const Weights& a, const Weights& b, double factor) {
  return each([&](const Tensor& a, const Tensor& b) { return a.add(b, factor); }, a, b);
}

Weights summed(const std::vector<Weights>& all) {
  return each_stack(all, [](const Tensor& stack) { return stack.sum(0); });
}

Weights trimmed(const Weights& weights, double keep) {
  NoGrad no_grad;
  PATINA_REQUIRE(keep > 0 && keep <= 1, "a part of {} is kept", keep);
  std::vector<Tensor> sizes;
  for (const auto& tensor : weights) sizes.push_back(tensor.abs().flatten());
  if (sizes.empty()) return {};
  const Tensor all = at::cat(sizes);
  const auto kept = int64_t(std::ceil(keep * double(all.numel())));
  const Tensor limit = std::get<0>(all.kthvalue(all.numel() - kept + 1));
  return each([&](const Tensor& t) { return at::where(t.abs() >= limit, t, at::zeros_like(t)); },
              weights);
}

Weights of_one_sign(const std::vector<Weights>& all) {
  return each_stack(all, [](const Tensor& stack) {
    const Tensor same = (stack.sign() * stack.sum(0).sign() > 0).to(stack.dtype());
    return (stack * same).sum(0) / same.sum(0).clamp_min(1);
  });
}

Weights dropped(const Weights& weights, double drop, Random random) {
  PATINA_REQUIRE(drop >= 0 && drop < 1, "a probability of {}", drop);
  return each(
      [&](const Tensor& t) {
        Tensor drawn = at::empty(t.sizes());
        nn::init_uniform(drawn, random, 0, 1);
        return t * on(t.device(), drawn >= drop) / (1 - drop);
      },
      weights);
}

Weights soup(const std::vector<Weights>& all) {
  return each_stack(all, [](const Tensor& stack) { return stack.mean(0); });
}

Weights fisher_mixed(const Weights& a, const Weights& fisher_a, const Weights& b,
                     const Weights& fisher_b, double part) {
  return each(
      [&](const Tensor& a, const Tensor& fa, const Tensor& b, const Tensor& fb) {
        const Tensor wa = (1 - part) * fa, wb = part * fb, sum = wa + wb;
        return at::where(sum > 0, (wa * a + wb * b) / sum, at::lerp(a, b, part));
      },
      a, fisher_a, b, fisher_b);
}

Weights elected(const std::vector<Weights>& all) {
  return each_stack(all, [](const Tensor& stack) {
    const Tensor sign = at::where(stack.sum(0) > 0, 1.0f, -1.0f);
    return sign * (stack * sign).clamp_min(0).amax(0);
  });
}

}  // namespace patina
