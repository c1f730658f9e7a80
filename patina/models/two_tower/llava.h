// LLaVA (Liu et al., NeurIPS 2023): the parts of an image, projected by two layers, stand among the
// words that a decoder reads.
#pragma once

#include "patina/models/text/language_model.h"
#include "patina/models/two_tower/kept_rows.h"
#include "patina/models/vision/vit.h"

namespace patina {

struct LlavaShape {
  ViTShape image;
  std::string normalize = "clip", interpolation = "bicubic";
  LanguageShape text;
  int64_t image_token = 32000;  // the word in whose places an image's tokens stand
  int64_t image_blocks = 0;     // the image is read behind so many blocks of its tower
  bool patches_only = true;     // without the tokens before the patches
  bool projector_bias = true;
  nn::Activation activation = nn::Activation::gelu;  // between the projector's layers

  int64_t tokens() const { return image.tokens() - (patches_only ? image.prefix() : 0); }
};

/// A decoder whose texts may have an image each: Input::images, and in the text as many image
/// tokens as an image has. Features, words and continuations are the decoder's, and adaptations
/// that are for no certain tower act in it alone. Throws Error(data) for a text with another number
/// of image tokens.
class Llava : public Backbone {
 public:
  explicit Llava(LlavaShape shape);

  Tensor tokens(const Input& input, const nn::Adaptations& adaptations = {}) const override;
  Tensor logits(const Tensor&) const override { return {}; }
  Tensor word_scores(const Tensor& tokens) const override { return language_.word_scores(tokens); }

  /// What the projector reads of images [B,3,H,W]: [B,N,Di]. While nothing in their tower learns,
  /// the cache has it: an image is computed once, however many texts name it.
  Tensor image_features(const Tensor& images, const nn::Adaptations& adaptations = {}) const;
  /// What stands among the words: [B,N,D].
  Tensor image_tokens_of(const Tensor& images, const nn::Adaptations& adaptations = {}) const;

  int64_t width() const override { return language_.width(); }
  /// The decoder's blocks first.
  std::vector<TowerShape> towers() const override;
  std::string about() const override;
  std::optional<TextInput> text_input() const override { return language_.text_input(); }
  std::optional<ImageTokens> image_tokens() const override {
    return ImageTokens{*image_.image_input(), shape_.image_token, shape_.tokens()};
  }
  bool generates() const override { return true; }
  std::optional<Continuation> begin(const Input& prompt, const nn::Adaptations& adaptations,
                                    bool cached) const override;
  void set_engine(std::shared_ptr<const nn::Engine> engine) override {
    image_.set_engine(engine);
    language_.set_engine(engine);
    Backbone::set_engine(std::move(engine));
  }
  void walk(nn::Walk& w) override;
  std::unique_ptr<Backbone> clone() const override { return nn::copy_of(*this); }

 private:
  Tensor encode(const Input& input, const nn::Adaptations& adaptations) const override;
  std::string long_texts() const override { return language_.long_texts(); }
  /// With the images of a batch of texts.
  TextContext context(const Input& input, const nn::Adaptations& adaptations) const;

  LlavaShape shape_;
  ViT image_;
  KeptRows kept_;  // of the image tower
  nn::Linear projector_in_, projector_out_;
  LanguageModel language_;
};

/// What the image tower of a LLaVA makes of the image of each text, without a graph: [B,Di], the
/// mean over the image's tokens. Undefined: the network has no such tower, or the texts no images.
Tensor image_means(const Backbone& network, const Input& texts);

}  // namespace patina
