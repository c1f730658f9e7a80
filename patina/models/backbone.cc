// What all networks share: features are looked up in the cache before they are computed.
#include "patina/models/backbone.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "patina/base/error.h"
#include "patina/checkpoint/load.h"
#include "patina/ops.h"
#include "patina/version.h"

namespace patina {

namespace {

bool takes_gradient(const std::vector<nn::NamedTensor>& tensors) {
  return std::ranges::any_of(tensors, [](const auto& t) { return t.tensor.requires_grad(); });
}

// The number of parts into which a batch is split: parts of about `at_once` tokens, and the same
// number of parts for each thread.
int64_t parts_of(int64_t batch, int64_t tokens, int64_t at_once) {
  const int64_t threads = tensor_threads();
  const int64_t parts = std::max<int64_t>(1, batch * tokens / at_once);
  return std::clamp<int64_t>((parts + threads - 1) / threads * threads, 1,
                             std::max<int64_t>(1, batch));
}

}  // namespace

TowerShape Backbone::tower() const {
  const auto all = towers();
  TowerShape first = all.empty() ? TowerShape{} : all.front();
  first.place = place();
  return first;
}

void Backbone::to(const Place& place) {
  if (!place.on_host())
    for (const auto& item : nn::tensors(*this))
      if (item.form.stored())
        fail(ErrorKind::recipe,
             "{} is stored as {}, which is multiplied on the CPU alone: set model.form = \"fp32\", "
             "or engine.device = \"cpu\"",
             item.name, item.form.text());
  nn::bring(*this, place);
}

Place Backbone::place() const {
  const auto weights = nn::tensors(const_cast<Backbone&>(*this));  // a walk that changes nothing
  return weights.empty() ? Place{} : place_of(weights.front().tensor);
}

std::optional<Continuation> Backbone::begin(const Input&, const nn::Adaptations&, bool) const {
  return std::nullopt;
}

Tensor Backbone::features(const Input& input, const nn::Adaptations& adaptations) const {
  const auto space = input.keys.defined() ? this->space(adaptations) : std::nullopt;
  if (!space) {
    if (cache_) cache_->passed_by(input.size());
    return compute(input, adaptations);
  }
  NoGrad no_grad;
  const auto device = place().device;
  Tensor features = at::empty({input.size(), width()});  // on the host, like the cache
  const Tensor missing = tensor_of(cache_->find(*space, input.keys, features));
  if (missing.numel() == 0) return on(device, features);
  const bool all = missing.size(0) == input.size();
  const Input unknown = all ? input : input.at(missing);
  const Tensor fresh = compute(unknown, adaptations).to(at::kFloat).contiguous();
  const Tensor kept = on_host(fresh);
  cache_->add(*space, unknown.keys, kept);
  return all ? fresh : on(device, features.index_copy_(0, missing, kept));
}

int64_t Backbone::tokens_of(const Input& input) const {
  if (input.is_text()) return input.data.size(1);
  const auto images = image_input();
  const int64_t side = images->size / images->patch;
  return side * side + 1;
}

Tensor Backbone::compute(const Input& input, const nn::Adaptations& adaptations) const {
  const auto list = adaptations.list();
  const bool pure = std::ranges::all_of(list, [](auto* a) { return a->text().has_value(); });
  const bool graph =
      at::GradMode::is_enabled() &&
      ((input.data.defined() && input.data.requires_grad()) ||
       takes_gradient(nn::tensors(const_cast<Backbone&>(*this))) ||
       std::ranges::any_of(list, [](auto* a) { return takes_gradient(nn::tensors(*a)); }));
  if (graph || !pure) return encode(input, adaptations);
  NoGrad no_grad;
  if (!engine_->frugal()) return encode(input, adaptations);
  Input made = input;
  if (!input.is_text()) made.data = input.pixels();
  const int64_t batch = input.size(),
                n = parts_of(batch, tokens_of(input), engine_->tokens_at_once());
  std::vector<Tensor> parts(static_cast<size_t>(n));
  in_parallel(n, 1, [&](int64_t from, int64_t end) {
    NoGrad no_grad;
    for (int64_t i = from; i < end; ++i)
      parts[size_t(i)] = encode(made.slice(batch * i / n, batch * (i + 1) / n), adaptations);
  });
  return n == 1 ? parts[0] : at::cat(parts);
}

std::vector<int64_t> Backbone::recall(const Tensor& keys, Tensor& features,
                                      const nn::Adaptations& adaptations) const {
  if (const auto space = this->space(adaptations)) return cache_->find(*space, keys, features);
  std::vector<int64_t> all(size_t(keys.size(0)));
  std::iota(all.begin(), all.end(), int64_t{0});
  return all;
}

std::optional<std::string> Backbone::space(const nn::Adaptations& adaptations) const {
  if (!cache_) return std::nullopt;
  const auto weights = nn::tensors(const_cast<Backbone&>(*this));  // a walk that changes nothing
  if (takes_gradient(weights)) return std::nullopt;
  ContentHash hash;
  hash.add(weights_hash_(weights, [&] { return content_hash(weights) + behaviour(); }));
  // Sums are split among threads, so their last bits depend on the number of threads.
  hash.add(fmt::format("{} {} {} {} {}", kVersion, libtorch_version(), tensor_threads(), width(),
                       engine_->text()));
  if (const Place here = place(); !here.on_host()) hash.add(here.text());
  for (auto* adaptation : adaptations.list()) {
    const auto text = adaptation->text();
    const auto tensors = nn::tensors(*adaptation);
    if (!text || takes_gradient(tensors)) return std::nullopt;
    hash.add(*text);
    hash.add(adaptation->tensors_hash()(tensors, [&] { return content_hash(tensors); }));
  }
  return hash.hex();
}

// Networks with equal weights may use them differently (heads, activations, norms); this is
// detected by the features of one sample of each kind, as far as they are short.
std::string Backbone::behaviour() const {
  NoGrad no_grad;
  ContentHash hash;
  const auto add = [&](const Input& sample) {
    const Tensor features = on_host(encode(sample, {})).contiguous();
    hash.add(features.data_ptr(), features.nbytes());
  };
  hash.add(about());
  hash.add(long_texts());
  const auto here = place().options();
  if (const auto images = image_input()) add(at::zeros({1, 3, images->size, images->size}, here));
  if (text_input()) {
    const Tensor tokens = at::zeros({1, 2}, here.dtype(at::kLong));
    add({tokens, at::ones_like(tokens)});
  }
  if (const auto images = image_tokens()) {
    Input text = at::full({1, images->count}, images->id, here.dtype(at::kLong));
    text.images = at::zeros({1, 3, images->image.size, images->image.size}, here);
    add(text);
  }
  return hash.hex();
}

}  // namespace patina
