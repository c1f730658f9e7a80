// A multi-layer perceptron on pixels: the small network used to compare classical methods.
#pragma once

#include "patina/models/backbone.h"
#include "patina/nn/layers.h"

namespace patina {

struct MlpShape {
  int64_t image_size = 28;
  std::vector<int64_t> hidden = {100, 100};  // units per layer
  int64_t channels = 1;                      // 1: the mean over channels; 3: all
  double dropout = 0, input_dropout = 0;     // of hidden units, of the pixel values, in training
};

/// Linear layers and ReLU on the pixel values; the features are the last hidden layer's units. It
/// has no transformer blocks.
class Mlp : public Backbone {
 public:
  explicit Mlp(MlpShape shape, std::string normalize);
  /// Initialises as PyTorch does: weights and biases from U(-1/sqrt(in), 1/sqrt(in)).
  bool initialize(Random& random) override;

  Tensor tokens(const Input& input, const nn::Adaptations& adaptations = {}) const override;
  Tensor logits(const Tensor&) const override { return {}; }
  int64_t width() const override { return shape_.hidden.back(); }
  bool masks_units() const override { return true; }
  std::optional<ImageInput> image_input() const override {
    return ImageInput{shape_.image_size, shape_.image_size, normalize_};
  }
  std::string about() const override;
  void walk(nn::Walk& w) override { w("layers", layers_); }
  std::unique_ptr<Backbone> clone() const override { return nn::copy_of(*this); }

 private:
  Tensor encode(const Input& input, const nn::Adaptations& adaptations) const override;

  MlpShape shape_;
  std::string normalize_;
  std::vector<nn::Linear> layers_;
};

}  // namespace patina
