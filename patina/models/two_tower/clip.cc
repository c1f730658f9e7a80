#include "patina/models/two_tower/clip.h"

#include <fmt/format.h>

#include "patina/nn/heads.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

Clip::Clip(ClipShape shape)
    : shape_(shape),
      image_(shape_.image, "clip"),
      text_(shape_.text),
      image_projection_(shape_.image.width, shape_.embedding, /*with_bias=*/false),
      text_projection_(shape_.text.block.width, shape_.embedding, /*with_bias=*/false),
      logit_scale_(at::zeros({})) {}

Tensor Clip::tokens(const Input& input, const nn::Adaptations& adaptations) const {
  return input.is_text() ? text_({input.data}, adaptations.of(nn::Tower::text))
                         : image_.tokens(input, adaptations.of(nn::Tower::image));
}

// The end token has the highest id of the vocabulary, so its position is the argmax of the ids; the
// causal mask hides everything after it.
Tensor Clip::before_projection(const Input& input, const nn::Adaptations& adaptations) const {
  if (!input.is_text()) return image_.features(input, adaptations.of(nn::Tower::image));
  const Tensor end = input.data.argmax(1, /*keepdim=*/true);
  return text_({input.data}, adaptations.of(nn::Tower::text), {.read = end}).squeeze(1);
}

Tensor Clip::encode(const Input& input, const nn::Adaptations& adaptations) const {
  return (input.is_text() ? text_projection_
                          : image_projection_)(before_projection(input, adaptations));
}

Tensor Clip::similarity(const Tensor& images, const Tensor& texts) const {
  return logit_scale_.exp() * cosine_scores(images, texts);
}

std::string Clip::about() const {
  return fmt::format("CLIP: {}; text {}x{}, {} heads, {} words; {} common dimensions",
                     image_.about(), shape_.text.depth, shape_.text.block.width,
                     shape_.text.block.heads, shape_.text.vocabulary, shape_.embedding);
}

std::vector<TowerShape> Clip::towers() const {
  auto all = image_.towers();
  const int64_t depth = shape_.text.depth;
  all.push_back({.tower = nn::Tower::text,
                 .block = shape_.text.block,
                 .layers = depth,
                 .prompt_layers = depth});
  return all;
}

std::optional<TextInput> Clip::text_input() const {
  return TextInput{shape_.text.vocabulary, shape_.text.longest};
}

void Clip::walk(nn::Walk& w) {
  w("image", image_);
  w("text", text_);
  w("image_projection", image_projection_);
  w("text_projection", text_projection_);
  w("logit_scale", logit_scale_);
}

Tensor contrastive_loss(const Tensor& scores) {
  const Tensor matching = at::arange(scores.size(0), scores.options().dtype(at::kLong));
  return (nn::cross_entropy(scores, matching) + nn::cross_entropy(scores.t(), matching)) / 2;
}

}  // namespace patina
