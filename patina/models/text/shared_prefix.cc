#include "patina/models/text/shared_prefix.h"

#include <algorithm>
#include <typeinfo>

#include <fmt/format.h>

#include "patina/adapt/lora.h"
#include "patina/checkpoint/load.h"
#include "patina/ops.h"
#include "patina/place.h"

namespace patina {

namespace {

// The number of first tokens that all rows have in common, one less than the shortest row has at
// most.
int64_t common_tokens(const Input& input) {
  const Tensor ids = on_host(input.data), first = ids.slice(0, 0, 1);
  Tensor same = ids.eq(first);
  int64_t most = ids.size(1) - 1;
  if (input.mask.defined()) {
    const Tensor real = on_host(input.mask).ne(0);
    same = same & real;
    most = real.to(at::kLong).sum(1).min().item<int64_t>() - 1;
  }
  const int64_t common = same.all(0).to(at::kLong).cumprod(0).sum().item<int64_t>();
  return std::clamp<int64_t>(most, 0, common);
}

// Whether a token's keys and values depend on it and on those before it alone.
bool reads_forward(const TextShape& shape) {
  return shape.causal && !shape.block.rotary.by_length() && !shape.local_rotary.by_length();
}

// A name for what the adaptations do to a text; nothing where it may differ among texts.
std::optional<std::string> same_for_all(const nn::Adaptations& adaptations) {
  std::string all;
  for (auto* adaptation : adaptations.list()) {
    const nn::Adaptation& one = *adaptation;
    if (typeid(one) != typeid(adapt::Lora)) return std::nullopt;
    const auto tensors = nn::tensors(*adaptation);
    all += *adaptation->text() +
           adaptation->tensors_hash()(tensors, [&] { return content_hash(tensors); });
  }
  return all;
}

// The first `count` tokens of one row, for `rows`.
nn::KeyValues first_of(const nn::KeyValues& cache, int64_t count, int64_t rows) {
  nn::KeyValues part;
  for (const auto& layer : cache.layers) {
    const auto taken = [&](const Tensor& t) {
      return t.slice(2, 0, count).expand({rows, -1, -1, -1});
    };
    part.layers.push_back({.key = taken(layer.key),
                           .value = taken(layer.value),
                           .encoded_key = {},
                           .encoded_value = {}});
  }
  part.mask = cache.mask.slice(1, 0, count).expand({rows, -1});
  part.positions = cache.positions.slice(1, 0, count).expand({rows, -1});
  return part;
}

}  // namespace

SharedPrefix& SharedPrefix::operator=(const SharedPrefix&) {
  const std::lock_guard lock(mutex_);
  made_by_.clear();
  ids_.clear();
  cache_ = {};
  tokens_ = Tensor();
  return *this;
}

std::optional<SharedPrefix::Known> SharedPrefix::operator()(
    const TextTower& tower, const nn::Engine& engine, const std::vector<nn::NamedTensor>& weights,
    const Input& input, const nn::Adaptations& adaptations) {
  if (at::GradMode::is_enabled() || input.positions.defined() || !reads_forward(tower.shape()))
    return std::nullopt;
  const int64_t rows = input.size();
  if (rows == 1) return std::nullopt;  // a text alone has no beginning in common with another
  const int64_t common = input.data.numel() > 0 ? common_tokens(input) : 0;
  if (common < kLeast) return std::nullopt;
  const auto adapted = same_for_all(adaptations);
  if (!adapted) return std::nullopt;
  const std::lock_guard lock(mutex_);
  const std::string state = weights_(weights, [&] { return std::to_string(++changes_); });
  const std::string made_by = fmt::format("{} {} {}", state, engine.text(), *adapted);
  if (made_by != made_by_) {
    made_by_ = made_by;
    ids_.clear();
    cache_ = {};
    tokens_ = Tensor();
  }
  const std::vector<int64_t> ids = items_of(input.data[0].slice(0, 0, common).contiguous());
  // Only the very same beginning serves: one that was read in parts has other last digits, and what
  // is computed of a batch must not depend on the batches before.
  if (ids != ids_) {
    nn::KeyValues cache;
    tokens_ = tower(
        {input.data.slice(0, 0, 1).slice(1, 0, common)}, adaptations,
        {.positions = at::arange(common, input.data.options()).unsqueeze(0), .cache = &cache});
    tokens_read_ += common;
    cache_ = std::move(cache);
    ids_ = ids;
  }
  return Known{common, first_of(cache_, common, rows), tokens_};
}

}  // namespace patina
