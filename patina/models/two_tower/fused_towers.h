// Questions about images: the two towers of a CLIP as one network, whose features are of an image
// and a question together.
#pragma once

#include "patina/models/two_tower/kept_rows.h"

namespace patina {

/// Of an image's feature and a question's, each scaled to the length √E, so that their numbers are
/// of size one: v, q, their product and |v - q|, side by side [B,4E] (the combination of Conneau et
/// al., EMNLP 2017; the product is that of Antol et al., ICCV 2015). A sample is a text with its
/// image: Input::images; of one alone, the other's numbers are zero. Adaptations act in the tower
/// that they are for. Without any, an image is computed once for all questions about it, if there
/// is a cache.
class FusedTowers : public Backbone {
 public:
  /// `towers` compares images with texts; its tokenizer reads the questions.
  explicit FusedTowers(std::unique_ptr<Backbone> towers);
  FusedTowers(const FusedTowers& other) : Backbone(other), towers_(other.towers_->clone()) {}

  /// Those of the images.
  Tensor tokens(const Input& input, const nn::Adaptations& adaptations = {}) const override;
  Tensor logits(const Tensor&) const override { return {}; }

  int64_t width() const override { return 4 * towers_->width(); }
  std::vector<TowerShape> towers() const override { return towers_->towers(); }
  std::string about() const override;
  std::optional<ImageInput> image_input() const override { return towers_->image_input(); }
  std::optional<TextInput> text_input() const override { return towers_->text_input(); }
  bool resize_input(int64_t image_size) override { return towers_->resize_input(image_size); }
  void set_engine(std::shared_ptr<const nn::Engine> engine) override {
    towers_->set_engine(engine);
    Backbone::set_engine(std::move(engine));
  }
  void walk(nn::Walk& w) override { towers_->walk(w); }
  std::unique_ptr<Backbone> clone() const override { return std::make_unique<FusedTowers>(*this); }
  /// The network that compares images with texts.
  Backbone& compared() { return *towers_; }

 private:
  Tensor encode(const Input& input, const nn::Adaptations& adaptations) const override;

  std::unique_ptr<Backbone> towers_;
  KeptRows kept_;  // of images
};

/// Whether a network's samples are questions about images.
bool reads_questions(const Backbone& network);

/// Throws Error(recipe) if it does not compare images with texts.
std::unique_ptr<Backbone> fused_towers(std::unique_ptr<Backbone> towers);

/// The features of an image and of a question that fused features [B,4E] begin with: [B,E] each.
struct FusedParts {
  Tensor image, question;
};
FusedParts parts_of_fused(const Tensor& features);

}  // namespace patina
