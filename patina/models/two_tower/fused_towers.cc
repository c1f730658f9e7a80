#include "patina/models/two_tower/fused_towers.h"

#include <cmath>

#include "patina/algebra/cosine.h"
#include "patina/base/error.h"
#include "patina/ops.h"

namespace patina {

namespace {

Tensor of_size_one(const Tensor& features) {
  return normalized(features) * std::sqrt(double(features.size(1)));
}

}  // namespace

// Its tokenizer and engine are those of the towers.
FusedTowers::FusedTowers(std::unique_ptr<Backbone> towers)
    : Backbone(*towers), towers_(std::move(towers)) {
  PATINA_REQUIRE(towers_->compares(), "nothing to fuse in {}", towers_->about());
}

std::string FusedTowers::about() const {
  return towers_->about() + ", fused for questions about images";
}

Tensor FusedTowers::tokens(const Input& input, const nn::Adaptations& adaptations) const {
  return towers_->tokens(input.images, adaptations.of(nn::Tower::image));
}

Tensor FusedTowers::encode(const Input& input, const nn::Adaptations& adaptations) const {
  const Input images = input.is_text() ? Input(input.images) : input,
              questions(input.is_text() ? input.data : Tensor(), input.mask, input.types);
  const auto features_of = [&](const Input& part, nn::Tower tower) {
    const nn::Adaptations acting = adaptations.of(tower);
    const auto compute = [&](const Input& some) { return towers_->features(some, acting); };
    if (tower == nn::Tower::text || !acting.empty() || !cache()) return compute(part);
    return kept_(*this, nn::tensors(*towers_), "images", {towers_->width()}, part.pixels(),
                 [&](const Tensor& pixels) { return compute(pixels); });
  };
  Tensor v, q;
  if (!input.is_text() || input.images.defined())
    v = of_size_one(features_of(images, nn::Tower::image));
  if (input.is_text()) q = of_size_one(features_of(questions, nn::Tower::text));
  if (!v.defined()) v = at::zeros_like(q);
  if (!q.defined()) q = at::zeros_like(v);
  return at::cat({v, q, v * q, (v - q).abs()}, 1);
}

bool reads_questions(const Backbone& network) {
  return dynamic_cast<const FusedTowers*>(&network) != nullptr;
}

std::unique_ptr<Backbone> fused_towers(std::unique_ptr<Backbone> towers) {
  if (!towers->compares())
    fail(ErrorKind::recipe,
         "model.fused is for a network with a tower for images and one for texts, such as a CLIP; "
         "this is {}",
         towers->about());
  return std::make_unique<FusedTowers>(std::move(towers));
}

FusedParts parts_of_fused(const Tensor& features) {
  const int64_t width = features.size(1) / 4;
  return {features.slice(1, 0, width), features.slice(1, width, 2 * width)};
}

}  // namespace patina
