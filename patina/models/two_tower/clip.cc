#include "patina/models/two_tower/clip.h"

#include <fmt/format.h>

#include "patina/nn/heads.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

Clip::Clip(ClipShape shape)
    : shape_(shape),
      image_(shape_.image, shape_.normalize, shape_.interpolation),
      text_(shape_.text),
      text_projection_(shape_.text.block.width, shape_.embedding, shape_.projection_bias) {
  if (shape_.image_projection)
    image_projection_ = nn::Linear(shape_.image.width, shape_.embedding, shape_.image_bias);
  const Shape scalar = shape_.scale_row ? Shape{1} : Shape{};
  logit_scale_ = at::zeros(scalar);
  if (shape_.score_bias) logit_bias_ = at::zeros(scalar);
}

// SigLIP saw texts padded to the full length, and attended to the padding.
Input Clip::read(const Input& input) const {
  if (!shape_.last_token) return {input.data};
  Tensor ids = input.data;
  if (input.mask.defined()) ids = ids.masked_fill(input.mask.eq(0), shape_.pad);
  const int64_t missing = shape_.text.longest - ids.size(1);
  if (missing > 0) ids = at::constant_pad_nd(ids, {0, missing}, shape_.pad);
  return {ids};
}

Tensor Clip::tokens(const Input& input, const nn::Adaptations& adaptations) const {
  return input.is_text() ? text_(read(input), adaptations.of(nn::Tower::text))
                         : image_.tokens(input, adaptations.of(nn::Tower::image));
}

// The end token has the highest id of the vocabulary, so its position is the argmax of the ids; the
// causal mask hides everything after it.
Tensor Clip::before_projection(const Input& input, const nn::Adaptations& adaptations) const {
  if (!input.is_text()) return image_.features(input, adaptations.of(nn::Tower::image));
  const Input text = read(input);
  const Tensor end = shape_.last_token
                         ? at::full({text.size(), 1}, text.data.size(1) - 1, text.data.options())
                         : text.data.argmax(1, /*keepdim=*/true);
  return text_(text, adaptations.of(nn::Tower::text), {.read = end}).squeeze(1);
}

Tensor Clip::encode(const Input& input, const nn::Adaptations& adaptations) const {
  const Tensor features = before_projection(input, adaptations);
  if (input.is_text()) return text_projection_(features);
  return shape_.image_projection ? image_projection_(features) : features;
}

Tensor Clip::similarity(const Tensor& images, const Tensor& texts) const {
  const Tensor scores = logit_scale_.exp() * cosine_scores(images, texts);
  return logit_bias_.defined() ? scores + logit_bias_ : scores;
}

std::string Clip::about() const {
  return fmt::format("{}: {}; text {}x{}, {} heads, {} words; {} common dimensions",
                     shape_.score_bias ? "SigLIP" : "CLIP", image_.about(), shape_.text.depth,
                     shape_.text.block.width, shape_.text.block.heads, shape_.text.vocabulary,
                     shape_.embedding);
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
  w("logit_bias", logit_bias_);
}

Tensor sigmoid_loss(const Tensor& scores) {
  const Tensor pairs =
      at::eye(scores.size(0), scores.options().requires_grad(false)) * 2 - 1;  // 1, elsewhere -1
  const Tensor right = scores * pairs;
  return ((-right).clamp_min(0) + (-right.abs()).exp().log1p()).sum(1).mean();
}

Tensor contrastive_loss(const Tensor& scores) {
  const Tensor matching = at::arange(scores.size(0), scores.options().dtype(at::kLong));
  return (nn::cross_entropy(scores, matching) + nn::cross_entropy(scores.t(), matching)) / 2;
}

Tensor contrastive_loss(const Tensor& scores, const Tensor& classes) {
  const Tensor same = classes.unsqueeze(0).eq(classes.unsqueeze(1)).to(scores.scalar_type());
  const Tensor wanted = same / same.sum(1, /*keepdim=*/true);  // rows, and columns, sum to one
  return (nn::soft_cross_entropy(scores, wanted) + nn::soft_cross_entropy(scores.t(), wanted)) / 2;
}

}  // namespace patina
