// The Vision Transformer (Dosovitskiy et al., ICLR 2021) with timm's parameter names.
#pragma once

#include "patina/models/backbone.h"
#include "patina/nn/block.h"

namespace patina {

struct ViTShape {
  int64_t image_size = 224;
  int64_t patch_size = 16;  // divides image_size
  int64_t width = 192;
  int64_t depth = 12;
  int64_t heads = 3;
  int64_t hidden = 768;
  int64_t classes = 0;  // 0: no head
  bool qkv_bias = true;
  bool class_token = true;
  bool layer_scale = false;
  bool patch_bias = true;
  bool pre_norm = false;     // a norm before the first block (CLIP)
  bool final_norm = true;    // false if timm pools before `fc_norm`
  bool pooled_norm = false;  // timm's global_pool="avg": mean of the patches, then fc_norm
  nn::Activation activation = nn::Activation::gelu;
  double eps = 1e-6;

  int64_t grid() const { return image_size / patch_size; }
  int64_t tokens() const { return grid() * grid() + class_token; }
  nn::BlockShape block() const;
  std::string text() const;  // "ViT 12x192, 3 heads, patch 16 at 224 px"
};

class ViT : public Backbone {
 public:
  explicit ViT(ViTShape shape, std::string normalize = "imagenet");
  /// Initialises the weights as timm does.
  bool initialize(Random& random) override;

  Tensor tokens(const Input& input, const nn::Adaptations& adaptations = {}) const override;
  Tensor logits(const Tensor& features) const override;
  /// Features from tokens after the final norm: [B,T,D] -> [B,D].
  Tensor pool(const Tensor& tokens) const;

  int64_t width() const override { return shape_.width; }
  std::vector<TowerShape> towers() const override {
    return {{nn::Tower::image, shape_.block(), shape_.depth, shape_.depth, shape_.patch_size}};
  }
  std::optional<ImageInput> image_input() const override {
    return ImageInput{shape_.image_size, shape_.patch_size, normalize_};
  }
  std::string about() const override { return shape_.text(); }
  void walk(nn::Walk& w) override;
  std::unique_ptr<Backbone> clone() const override;

  const ViTShape& shape() const { return shape_; }
  /// Changes the input size: position embeddings are interpolated as in timm.
  bool resize_input(int64_t image_size) override;

 private:
  Tensor encode(const Input& input, const nn::Adaptations& adaptations) const override;
  /// Tokens after the final norm; only those in `read` [B,R] if it is defined.
  Tensor run(const Input& input, const nn::Adaptations& adaptations, const Tensor& read) const;

  ViTShape shape_;
  std::string normalize_;
  nn::Linear patch_;  // patch_embed.proj, stored as a convolution [D,3,p,p]
  Tensor cls_token_;  // [1,1,D]
  Tensor pos_embed_;  // [1,T,D]
  std::vector<nn::Block> blocks_;
  nn::Norm norm_pre_, norm_, fc_norm_;
  nn::Linear head_;
};

/// timm's `resize_pos_embed`: the class token's row is kept, the grid is resized bicubically.
/// [1,T,D] -> [1,T',D].
Tensor resize_pos_embed(const Tensor& pos_embed, int64_t grid, bool class_token);

}  // namespace patina
