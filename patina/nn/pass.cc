#include "patina/nn/pass.h"

#include <algorithm>
#include <cmath>

#include "patina/base/error.h"
#include "patina/kernels/attention_steps.h"
#include "patina/ops.h"

namespace patina::nn {

namespace {

// Mask [B|1,1,T|1,S] -> 0 where it is set, kHidden elsewhere. kHidden is far below any score but
// finite, so a row that attends to nothing stays finite (its result is not read).
Tensor hide_others(const Tensor& seen) {
  return (seen.logical_not()).to(at::kFloat) * double(kernels::kHidden);
}

// Gathers, from t [B|1,..,T,..] with T along `dim`, the entries at `rows` [B,R]: [B,..,R,..].
Tensor picked(const Tensor& t, const Tensor& rows, int64_t dim) {
  auto shape = t.sizes().vec(), index = std::vector<int64_t>(shape.size(), 1);
  shape[0] = index[0] = rows.size(0);
  const Tensor all = t.expand(shape);
  shape[size_t(dim)] = index[size_t(dim)] = rows.size(1);
  return all.gather(dim, rows.view(index).expand(shape));
}

Tensor joined(const Tensor& before, const Tensor& now, int64_t dim) {
  return before.defined() ? at::cat({before, now}, dim) : now;
}

// Angle of each pair of channels a position: [c/2], or [B|1,1,c/2] where it depends on the rows'
// lengths [B|1,1].
Tensor frequencies(const Rotary& rotary, int64_t channels, const at::TensorOptions& where,
                   const Tensor& lengths) {
  const int64_t half = channels / 2;
  const auto listed = [&](const std::vector<double>& list) {
    Tensor all = at::empty({half}, at::kFloat);
    std::ranges::transform(list, host_values(all).begin(), [](double x) { return float(x); });
    return all.to(where.device());
  };
  if (!rotary.by_length() && !rotary.frequencies.empty()) return listed(rotary.frequencies);
  if (!rotary.by_length())
    return (at::arange(half, where.dtype(at::kFloat)) * (-std::log(rotary.theta) / double(half)))
        .exp();
  const Tensor longer = lengths.gt(rotary.trained).unsqueeze(-1);  // [B|1,1,1]
  if (!rotary.beyond.empty())
    return at::where(longer, listed(rotary.beyond), listed(rotary.frequencies));
  // Dynamic NTK: the slowest pair turns as if positions were interpolated, the fastest as before.
  const Tensor stretch =
      lengths.clamp_min(rotary.trained).to(at::kDouble) * (rotary.growth / double(rotary.trained)) -
      (rotary.growth - 1);
  const Tensor base =
      stretch.log() * (double(channels) / double(channels - 2)) + std::log(rotary.theta);
  const Tensor pairs = at::arange(half, where.dtype(at::kDouble)) * (-1 / double(half));
  return (base.unsqueeze(-1) * pairs).exp().to(at::kFloat);
}

}  // namespace

Tensor RelativeBias::operator()(const Tensor& queries, const Tensor& keys) const {
  const Tensor distance = keys.unsqueeze(1) - queries.unsqueeze(2);  // [B,T,S], negative: key
                                                                     // before query
  int64_t buckets = weight.size(0);
  Tensor bucket = at::zeros_like(distance), steps;
  if (both_ways) {
    buckets /= 2;
    bucket = (distance > 0).to(at::kLong) * buckets;
    steps = distance.abs();
  } else {
    steps = (-distance).clamp_min(0);
  }
  // Half of the buckets are single steps, the rest grow logarithmically up to `furthest`.
  const int64_t exact = buckets / 2;
  const Tensor grown =
      exact + ((steps.to(at::kFloat) / double(exact)).log() /
               std::log(double(furthest) / double(exact)) * double(buckets - exact))
                  .to(at::kLong);
  bucket = bucket + at::where(steps < exact, steps, grown.clamp_max(buckets - 1));
  const Tensor rows = weight.index_select(0, bucket.flatten());
  return rows.reshape({distance.size(0), distance.size(1), distance.size(2), weight.size(1)})
      .permute({0, 3, 1, 2});
}

Tensor Distances::places(const Tensor& queries, const Tensor& keys) const {
  const Tensor distance = queries.unsqueeze(2) - keys.unsqueeze(1);  // positive: key before query
  const int64_t span = weight.size(0) / 2;
  Tensor bucket = distance;
  if (buckets > 0) {
    const int64_t half = buckets / 2;
    const Tensor steps = distance.abs();
    const Tensor grown = half + ((steps.clamp_min(half).to(at::kFloat) / double(half)).log() /
                                 std::log(double(furthest - 1) / double(half)) * double(half - 1))
                                    .ceil()
                                    .to(at::kLong);
    bucket = at::where(steps <= half, distance, grown * distance.sign());
  }
  return (bucket + span).clamp(0, 2 * span - 1);
}

void Distances::walk(Walk& w) {
  w("weight", weight);
  w("norm", norm);
}

Pass::Pass(const Adaptations& adaptations, const Engine& engine, Tensor read, int last_layer,
           Tensor angles)
    : adaptations_(adaptations), engine_(engine), grid_angles_(std::move(angles)) {
  options_.read = read_ = std::move(read);
  options_.last_layer = last_layer;
}

Pass::Pass(const Adaptations& adaptations, const Engine& engine, Tensor mask, Tensor positions,
           const Options& options)
    : adaptations_(adaptations),
      engine_(engine),
      options_(options),
      mask_(std::move(mask)),
      positions_(std::move(positions)) {
  read_ = options_.read;
  if (options_.cache && options_.cache->added != 0) positions_ = positions_ + options_.cache->added;
}

Tensor Pass::enter(int layer, Tensor x) {
  layer_ = layer;
  // The prompts were read together with the first tokens; the cache holds their keys.
  if (adaptations_.empty() || (options_.cache && options_.cache->mask.defined())) return x;
  const int64_t before = x.size(1);
  x = adaptations_.tokens(options_.first_layer + layer, std::move(x));
  const int64_t added = x.size(1) - before;
  added_ += added;
  PATINA_REQUIRE(added == 0 || !options_.packed, "prompts in rows of packed texts");
  if (added != 0 && read_.defined()) read_ = read_ + read_.gt(0).to(at::kLong) * added;
  if (added != 0 && grid_angles_.defined()) {
    const Tensor none =
        at::zeros({std::max<int64_t>(added, 0), grid_angles_.size(1)}, grid_angles_.options());
    grid_angles_ = at::cat({grid_angles_.slice(0, 0, 1), none,
                            grid_angles_.slice(0, 1 + std::max<int64_t>(-added, 0))});
    angles_.clear();
  }
  if (added != 0 && positions_.defined()) {
    // Prompts come right after the first token, which is never padding and has position 0.
    const Tensor places =
        at::arange(1 + std::max<int64_t>(added, 0), positions_.options()).unsqueeze(0);
    positions_ = at::cat({places.expand({positions_.size(0), -1}),
                          positions_.slice(1, 1 + std::max<int64_t>(-added, 0)) + added},
                         1);
    if (options_.cache) options_.cache->added += added;
    if (mask_.defined())
      mask_ = added > 0 ? at::cat({at::ones({mask_.size(0), added}, mask_.options()), mask_}, 1)
                        : mask_.slice(1, -added);
    angles_.clear();
    biases_.clear();
    distances_.reset();
  }
  return x;
}

Tensor Pass::read_on(const Tensor& t, int64_t dim) const {
  if (!read_.defined() || layer_ != options_.last_layer || !engine_.frugal()) return t;
  return picked(t, read_, dim);
}

Tensor Pass::read_out(const Tensor& tokens) const {
  if (!read_.defined()) return added_ != 0 ? adaptations_.leave(tokens) : tokens;
  return engine_.frugal() ? tokens : picked(tokens, read_, 1);
}

bool Pass::as_made() const {
  const bool picks = read_.defined() && layer_ == options_.last_layer && engine_.frugal();
  return !picks && !options_.cache;
}

Tensor Pass::turned(const Tensor& t, const Rotary& rotary) {
  if (!rotary.turns() || !(grid_angles_.defined() || positions_.defined())) return t;
  const int64_t channels = rotary.channels > 0 ? rotary.channels : t.size(-1), half = channels / 2;
  // The two channels of each pair, [..,c/2], in one tensor.
  const auto paired = [&](const Tensor& first, const Tensor& second) {
    return rotary.interleaved ? at::stack({first, second}, -1).flatten(-2)
                              : at::cat({first, second}, -1);
  };
  auto found = std::ranges::find(angles_, rotary, &Angles::rotary);
  if (found == angles_.end()) {
    Tensor angles = grid_angles_.defined() ? grid_angles_.unsqueeze(0) : Tensor();  // [B|1,T,c/2]
    if (!angles.defined()) {
      Tensor lengths;  // [B|1,1], of each row's text up to its last token here
      if (rotary.by_length())
        lengths = (mask_.defined() ? positions_ * mask_ : positions_).amax(1, /*keepdim=*/true) + 1;
      const Tensor steps = frequencies(rotary, channels, positions_.options(), lengths);
      angles = positions_.to(at::kFloat).unsqueeze(-1) * steps;
    }
    const auto of_both = [&](Tensor wave) {
      if (rotary.magnitude != 1) wave = wave * rotary.magnitude;
      return paired(wave, wave).unsqueeze(1);
    };
    angles_.push_back({rotary, of_both(angles.cos()), of_both(angles.sin())});
    found = angles_.end() - 1;
  }
  const Tensor part = channels < t.size(-1) ? t.slice(-1, 0, channels) : t;
  const Tensor first =
      rotary.interleaved ? part.slice(-1, 0, channels, 2) : part.slice(-1, 0, half);
  const Tensor second = rotary.interleaved ? part.slice(-1, 1, channels, 2) : part.slice(-1, half);
  const Tensor across = paired(-second, first);
  const Tensor there = (part * found->cos + across * found->sin).to(t.dtype());
  return channels < t.size(-1) ? at::cat({there, t.slice(-1, channels)}, -1) : there;
}

KeyValues::Layer* Pass::cached(int layer) {
  if (!options_.cache) return nullptr;
  auto& layers = options_.cache->layers;
  if (layers.size() <= size_t(layer)) layers.resize(size_t(layer) + 1);
  return &layers[size_t(layer)];
}

void Pass::extend(int layer, Tensor& key, Tensor& value) {
  KeyValues::Layer* kept = cached(layer);
  if (!kept) return;
  key = kept->key = joined(kept->key, key, 2);
  value = kept->value = joined(kept->value, value, 2);
}

Tensor Pass::key_mask() const {
  const bool earlier = options_.cache && options_.cache->mask.defined();
  if (!earlier) return mask_;
  const Tensor now = mask_.defined() ? mask_
                                     : at::ones({options_.cache->mask.size(0), positions_.size(1)},
                                                options_.cache->mask.options());
  return at::cat({options_.cache->mask, now}, 1);
}

Tensor Pass::key_positions() const {
  const bool earlier = options_.cache && options_.cache->positions.defined();
  if (!earlier) return positions_;
  const Tensor& before = options_.cache->positions;
  return at::cat({before, positions_.expand({before.size(0), -1})}, 1);
}

Tensor Pass::bias(int64_t prefix, int64_t window) {
  const auto rows = [this](const Tensor& t) {
    return t.defined() && t.size(2) > 1 ? read_on(t, 2) : t;
  };
  for (const Bias& made : biases_)
    if (made.prefix == prefix && made.window == window) return rows(made.bias);
  Tensor bias;
  if (const Tensor mask = key_mask(); mask.defined() && !mask.all().item<bool>())
    bias = hide_others(mask.ne(0).unsqueeze(1).unsqueeze(1));
  const auto add = [&](const Tensor& more) { bias = bias.defined() ? bias + more : more; };
  // A window that holds as many tokens as there are keys hides none.
  const bool narrow = window > 0 && key_positions().size(1) > window;
  if ((options_.causal && positions_.size(1) > 1) || narrow) {
    const Tensor ahead = key_positions().unsqueeze(1) - positions_.unsqueeze(2);  // [B|1,T,S]
    Tensor seen = options_.causal ? ahead <= 0 : ahead < window;
    if (narrow) seen = seen & (ahead > -window);
    add(hide_others(seen.unsqueeze(1)));
  }
  if (options_.packed) {
    const Tensor text_of = positions_.eq(0).cumsum(1);
    add(hide_others(text_of.unsqueeze(1).eq(text_of.unsqueeze(2)).unsqueeze(1)));
  }
  if (options_.relative) add((*options_.relative)(positions_, key_positions()));
  if (bias.defined() && prefix > 0) {
    auto shape = bias.sizes().vec();
    shape.back() = prefix;
    bias = at::cat({at::zeros(shape, bias.options()), bias}, -1);
  }
  biases_.push_back({prefix, window, bias});
  return rows(bias);
}

Pass::Occurring Pass::distances() {
  if (!distances_) {
    const Tensor places = options_.distances->places(positions_, key_positions());
    const int64_t first = places.min().item<int64_t>(), last = places.max().item<int64_t>();
    distances_ = {options_.distances->rows().slice(0, first, last + 1).unsqueeze(0),
                  places - first};
  }
  return {distances_->rows, read_on(distances_->index, 1)};
}

Tensor Pass::encoded_bias() const {
  if (!options_.encoded_mask.defined() || options_.encoded_mask.all().item<bool>()) return {};
  return hide_others(options_.encoded_mask.ne(0).unsqueeze(1).unsqueeze(1));
}

void Pass::finish() {
  KeyValues* cache = options_.cache;
  if (!cache || cache->layers.empty()) return;
  const int64_t batch = cache->layers[0].key.size(0);
  const Tensor positions = positions_.expand({batch, -1});
  const Tensor mask = mask_.defined() ? mask_ : at::ones(positions.sizes(), positions.options());
  cache->positions = joined(cache->positions, positions, 1);
  cache->mask = joined(cache->mask, mask, 1);
}

}  // namespace patina::nn
