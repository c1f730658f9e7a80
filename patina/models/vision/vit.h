// The Vision Transformer (Dosovitskiy et al., ICLR 2021) with timm's parameter names.
#pragma once

#include "patina/models/backbone.h"
#include "patina/models/vision/attention_pool.h"
#include "patina/nn/block.h"

namespace patina {

/// Rotary positions of patches on their grid: the first half of a head's pairs of channels turns by
/// the row, the second by the column. Tokens before the patches do not turn.
struct GridRotary {
  double theta = 0;          // base of the frequencies theta^(-4i/d); 0: nothing turns
  bool interleaved = false;  // channels turn with their neighbours
  /// EVA-02: a position counts patches, as if the grid had this many; 0 (DINOv3): it is the patch's
  /// middle, from -1 to 1, in full turns.
  int64_t grid = 0;
  bool operator==(const GridRotary&) const = default;
};

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
  bool distilled = false;      // a second token, taught by another network (DeiT)
  int64_t registers = 0;       // tokens that nothing reads (Darcet et al., ICLR 2024)
  bool positions = true;       // learned positions
  int64_t placed_tokens = -1;  // how many tokens before the patches have one; -1: class and
                               // distillation token
  GridRotary rotary;
  bool layer_scale = false;
  bool patch_bias = true;
  bool pre_norm = false;        // a norm before the first block (CLIP)
  bool final_norm = true;       // false if timm pools before `fc_norm`
  bool pooled_norm = false;     // timm's global_pool="avg": mean of the patches, then fc_norm
  bool patch_mean = false;      // the mean of the patches without that norm
  bool attention_pool = false;  // a learned query reads all tokens (SigLIP)
  bool class_only = false;      // distilled: features are the class token's alone
  bool head_norm = false, attention_norm = false, mlp_norm = false;  // as in nn::BlockShape
  bool gated = false;                                                // the MLP has a gate
  bool antialias = false;  // positions are resized with antialiasing (DINOv2 with registers)
  nn::Activation activation = nn::Activation::gelu;
  double eps = 1e-6;

  int64_t grid() const { return image_size / patch_size; }
  int64_t prefix() const { return class_token + distilled + registers; }  // tokens before patches
  int64_t placed() const { return placed_tokens < 0 ? class_token + distilled : placed_tokens; }
  int64_t tokens() const { return grid() * grid() + prefix(); }
  nn::BlockShape block() const;
  std::string text() const;  // "ViT 12x192, 3 heads, patch 16 at 224 px"
};

class ViT : public Backbone {
 public:
  explicit ViT(ViTShape shape, std::string normalize = "imagenet",
               std::string interpolation = "bicubic");
  /// Initialises the weights as timm does.
  bool initialize(Random& random) override;

  Tensor tokens(const Input& input, const nn::Adaptations& adaptations = {}) const override;
  Tensor logits(const Tensor& features) const override;
  /// All tokens behind the first `blocks` blocks, before any final norm: [B,T,D].
  Tensor tokens_behind(int64_t blocks, const Input& input,
                       const nn::Adaptations& adaptations = {}) const;
  /// Features from tokens after the final norm: [B,T,D] -> [B,D].
  Tensor pool(const Tensor& tokens) const;

  int64_t width() const override { return shape_.width; }
  std::vector<TowerShape> towers() const override {
    return {{nn::Tower::image, shape_.block(), shape_.depth, shape_.depth, shape_.patch_size}};
  }
  std::optional<ImageInput> image_input() const override {
    return ImageInput{shape_.image_size, shape_.patch_size, normalize_, interpolation_};
  }
  std::string about() const override { return shape_.text(); }
  void walk(nn::Walk& w) override;
  std::unique_ptr<Backbone> clone() const override;

  const ViTShape& shape() const { return shape_; }
  /// Changes the input size: position embeddings are interpolated as in timm.
  bool resize_input(int64_t image_size) override;

 private:
  Tensor encode(const Input& input, const nn::Adaptations& adaptations) const override;
  /// The tokens that features are pooled from; undefined: all.
  Tensor read(int64_t batch) const;
  /// What enters the first block: [B,T,D].
  Tensor embed(const Input& input, const nn::Adaptations& adaptations) const;
  /// The angles of all tokens on the grid; undefined: nothing turns.
  Tensor angles() const;
  /// Tokens after the final norm; only those in `read` [B,R] if it is defined.
  Tensor run(const Input& input, const nn::Adaptations& adaptations, const Tensor& read) const;

  ViTShape shape_;
  std::string normalize_, interpolation_;
  nn::Linear patch_;   // patch_embed.proj, stored as a convolution [D,3,p,p]
  Tensor cls_token_;   // [1,1,D]
  Tensor dist_token_;  // [1,1,D]
  Tensor reg_token_;   // [1,R,D]
  Tensor pos_embed_;   // [1,T,D], of the patches and the tokens before them that have one
  std::vector<nn::Block> blocks_;
  nn::Norm norm_pre_, norm_, fc_norm_;
  AttentionPool attn_pool_;
  nn::Linear head_;
};

/// timm's `resize_pos_embed`: the first `kept` rows stay, the grid is resized bicubically.
/// [1,T,D] -> [1,T',D].
Tensor resize_pos_embed(const Tensor& pos_embed, int64_t grid, int64_t kept,
                        bool antialias = false);

/// The angles by which a patch's pairs of channels turn: [grid², d/2].
Tensor grid_angles(const GridRotary& rotary, int64_t grid, int64_t head_size);

}  // namespace patina
