// CLIP (Radford et al., ICML 2021) and SigLIP (Zhai et al., ICCV 2023): an image tower and a text
// tower with a common embedding space.
#pragma once

#include "patina/models/text/text_tower.h"
#include "patina/models/vision/vit.h"

namespace patina {

struct ClipShape {
  ViTShape image;
  TextShape text;
  int64_t embedding = 512;  // width of the common space
  std::string normalize = "clip", interpolation = "bicubic";
  // SigLIP's: images are pooled into the common space; a text is read at its last token, after
  // padding to the longest text; scores have a bias.
  bool image_projection = true;
  bool image_bias = false;       // of images' projection (a tower of timm's with its own head)
  bool projection_bias = false;  // of texts
  bool last_token = false;
  int64_t pad = 1;          // the token that texts are padded with
  bool score_bias = false;  // added to scaled cosines
  bool scale_row = false;   // scale and bias are stored as [1], not []
};

/// Features are embeddings in the common space, not normalised: [B,E], for images and texts.
/// Adaptations act on the tower that the input passes through.
class Clip : public Backbone {
 public:
  explicit Clip(ClipShape shape);

  Tensor tokens(const Input& input, const nn::Adaptations& adaptations = {}) const override;
  Tensor logits(const Tensor&) const override { return {}; }

  /// exp(logit_scale) times the cosine of every image with every text, plus SigLIP's bias: [B,E],
  /// [N,E] -> [B,N].
  Tensor similarity(const Tensor& images, const Tensor& texts) const override;
  /// The towers' features before the projections: the normalised class token of an image, or the
  /// normalised end token of a text.
  Tensor before_projection(const Input& input, const nn::Adaptations& adaptations = {}) const;

  int64_t width() const override { return shape_.embedding; }
  std::vector<TowerShape> towers() const override;
  bool compares() const override { return true; }
  std::string about() const override;
  std::optional<ImageInput> image_input() const override { return image_.image_input(); }
  std::optional<TextInput> text_input() const override;
  void set_engine(std::shared_ptr<const nn::Engine> engine) override {
    image_.set_engine(engine);
    text_.set_engine(engine);
    Backbone::set_engine(std::move(engine));
  }
  void walk(nn::Walk& w) override;
  std::unique_ptr<Backbone> clone() const override { return nn::copy_of(*this); }

  const ClipShape& shape() const { return shape_; }
  ViT& image() { return image_; }
  const TextTower& text() const { return text_; }

 private:
  Tensor encode(const Input& input, const nn::Adaptations& adaptations) const override;

  ClipShape shape_;
  ViT image_;
  TextTower text_;
  nn::Linear image_projection_, text_projection_;
  /// A text as its tower reads it.
  Input read(const Input& input) const;
  Tensor logit_scale_;  // [] or [1], a natural logarithm
  Tensor logit_bias_;   // the same shape, or undefined
};

/// SigLIP's loss, the mean over images of -log σ(s) for the matching text and -log σ(-s) for each
/// other: scores [B,B] of images against texts.
Tensor sigmoid_loss(const Tensor& scores);
/// The symmetric cross-entropy of matching pairs: scores [B,B] of images against texts.
Tensor contrastive_loss(const Tensor& scores);
/// The same where an image matches the texts of all images of its class (UniCL, Yang et al., CVPR
/// 2022): the target of a row or column is spread over them. classes [B].
Tensor contrastive_loss(const Tensor& scores, const Tensor& classes);

}  // namespace patina
