// The residual network for small images (He et al., CVPR 2016), with torchvision's parameter names:
// ResNet-18 without the first pooling; narrow as in GEM's experiments, or in full width.
#pragma once

#include "patina/models/backbone.h"
#include "patina/nn/batch_norm.h"

namespace patina {

struct ResNetShape {
  int64_t image_size = 32;
  int64_t channels = 20;  // of the first stage; doubled at each of the other three
};

/// Four stages of two blocks of two 3x3 convolutions; features are the last stage's mean over
/// positions, [B, 8 channels]. It has no transformer blocks.
class ResNet : public Backbone {
 public:
  ResNet(ResNetShape shape, std::string normalize);
  /// Initialises convolutions from N(0, 2 / (9 out)) (He et al., ICCV 2015).
  bool initialize(Random& random) override;

  Tensor tokens(const Input& input, const nn::Adaptations& adaptations = {}) const override;
  Tensor logits(const Tensor&) const override { return {}; }
  int64_t width() const override { return 8 * shape_.channels; }
  std::optional<ImageInput> image_input() const override {
    return ImageInput{shape_.image_size, shape_.image_size, normalize_};
  }
  std::string about() const override;
  void walk(nn::Walk& w) override;
  std::unique_ptr<Backbone> clone() const override { return nn::copy_of(*this); }

 private:
  struct Block {
    Tensor conv1, conv2, shortcut;  // [out,in,3,3], [out,out,3,3], [out,in,1,1] or undefined
    nn::BatchNorm bn1, bn2, shortcut_norm;
    int64_t stride = 1;

    Tensor operator()(const Tensor& x) const;
    void walk(nn::Walk& w);
  };
  Tensor maps(const Input& input) const;  // [B,8C,H/8,W/8]
  Tensor encode(const Input& input, const nn::Adaptations& adaptations) const override;

  ResNetShape shape_;
  std::string normalize_;
  Tensor conv1_;
  nn::BatchNorm bn1_;
  std::vector<std::vector<Block>> stages_;
};

}  // namespace patina
