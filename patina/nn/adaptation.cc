#include "patina/nn/adaptation.h"

#include <algorithm>

#include "patina/ops.h"

namespace patina::nn {

Tensor Adaptation::tokens(int, Tensor x) {
  return x;
}
Tensor Adaptation::leave(Tensor x) {
  return x;
}
std::pair<Tensor, Tensor> Adaptation::prefix(int) {
  return {};
}
std::pair<Tensor, Tensor> Adaptation::aside(int) {
  return {};
}
Tensor Adaptation::after(Site, int, const Tensor&, Tensor out) {
  return out;
}

Adaptations Adaptations::of(Tower tower) const {
  Adaptations own;
  own.kept_ = kept_;
  for (auto* adaptation : list_)
    if (adaptation->tower().value_or(tower) == tower) own.add(adaptation);
  return own;
}

Tensor Adaptations::tokens(int layer, Tensor x) const {
  for (auto* adaptation : list_) x = adaptation->tokens(layer, std::move(x));
  return x;
}

Tensor Adaptations::leave(Tensor x) const {
  for (auto* adaptation : list_) x = adaptation->leave(std::move(x));
  return x;
}

int Adaptations::first_layer() const {
  int first = 0;
  for (const auto* adaptation : list_) first = std::max(first, adaptation->first_layer());
  return first;
}

std::pair<Tensor, Tensor> Adaptations::prefix(int layer, int64_t batch) const {
  return joined(&Adaptation::prefix, layer, batch);
}

std::pair<Tensor, Tensor> Adaptations::aside(int layer, int64_t batch) const {
  return joined(&Adaptation::aside, layer, batch);
}

std::pair<Tensor, Tensor> Adaptations::joined(KeysAndValues part, int layer, int64_t batch) const {
  std::vector<Tensor> keys, values;
  const auto expanded = [batch](const Tensor& t) {
    return t.dim() == 2 ? t.unsqueeze(0).expand({batch, t.size(0), t.size(1)}) : t;
  };
  for (auto* adaptation : list_) {
    auto [key, value] = (adaptation->*part)(layer);
    if (!key.defined()) continue;
    keys.push_back(expanded(key));
    values.push_back(expanded(value));
  }
  if (keys.empty()) return {};
  return {at::cat(keys, 1), at::cat(values, 1)};
}

Tensor Adaptations::after(Site site, int layer, const Tensor& in, Tensor out) const {
  for (auto* adaptation : list_) out = adaptation->after(site, layer, in, std::move(out));
  return out;
}

bool Adaptations::act(Site site) const {
  return std::ranges::any_of(list_,
                             [site](const auto* adaptation) { return adaptation->acts(site); });
}

}  // namespace patina::nn
