#include "patina/models/vision/vit.h"

#include <cmath>

#include "patina/base/error.h"
#include "patina/image/image.h"
#include "patina/ops.h"

namespace patina {

nn::BlockShape ViTShape::block() const {
  return {.width = width,
          .heads = heads,
          .hidden = hidden,
          .qkv_bias = qkv_bias,
          .layer_scale = layer_scale,
          .activation = activation,
          .eps = eps};
}

std::string ViTShape::text() const {
  return fmt::format("ViT {}x{}, {} heads, patch {} at {} px", depth, width, heads, patch_size,
                     image_size);
}

ViT::ViT(ViTShape shape, std::string normalize) : shape_(shape), normalize_(std::move(normalize)) {
  patch_.weight = at::empty({shape.width, 3, shape.patch_size, shape.patch_size});
  if (shape.patch_bias) patch_.bias = at::zeros({shape.width});
  if (shape.class_token) cls_token_ = at::zeros({1, 1, shape.width});
  pos_embed_ = at::zeros({1, shape.tokens(), shape.width});
  for (int64_t i = 0; i < shape.depth; ++i) blocks_.emplace_back(shape.block());
  if (shape.pre_norm) norm_pre_ = nn::Norm(shape.width, shape.eps);
  if (shape.final_norm) norm_ = nn::Norm(shape.width, shape.eps);
  if (shape.pooled_norm) fc_norm_ = nn::Norm(shape.width, shape.eps);
  if (shape.classes > 0) head_ = nn::Linear(shape.width, shape.classes);
}

bool ViT::initialize(Random& random) {
  nn::init_uniform(patch_.weight, random,
                   1 / std::sqrt(3.0 * shape_.patch_size * shape_.patch_size));
  if (cls_token_.defined()) nn::init_normal(cls_token_, random, 0, 1e-6);
  nn::init_truncated_normal(pos_embed_, random);
  for (auto& block : blocks_)
    for (auto* linear : {&block.attn.qkv, &block.attn.proj, &block.mlp.fc1, &block.mlp.fc2})
      nn::init_truncated_normal(linear->weight, random);
  if (head_.weight.defined()) head_.weight.zero_();
  return true;
}

Tensor ViT::tokens(const Input& images, const nn::Adaptations& adaptations) const {
  return run(images, adaptations, {});
}

Tensor ViT::run(const Input& images, const nn::Adaptations& adaptations, const Tensor& read) const {
  const Tensor input = images.pixels();
  const int64_t side = shape_.image_size;
  PATINA_REQUIRE(
      input.dim() == 4 && input.size(1) == 3 && input.size(2) == side && input.size(3) == side,
      "input {} for a network of {} px", shape_text(input.sizes()), side);
  Tensor x = adaptations.after(nn::Site::patches, 0, input,
                               engine().embed_patches(patch_, input));  // [B,g*g,D]
  if (cls_token_.defined()) x = at::cat({cls_token_.expand({x.size(0), 1, shape_.width}), x}, 1);
  x = x + pos_embed_;
  if (shape_.pre_norm) x = norm_pre_(x);
  x = adaptations.after(nn::Site::embed, 0, input, x);
  nn::Pass pass(adaptations, engine(), read, int(blocks_.size()) - 1);
  for (size_t i = 0; i < blocks_.size(); ++i) x = blocks_[i](x, int(i), pass);
  return pass.read_out(
      adaptations.after(nn::Site::norm, int(blocks_.size()), x, shape_.final_norm ? norm_(x) : x));
}

Tensor ViT::pool(const Tensor& tokens) const {
  if (!shape_.pooled_norm) return tokens.select(1, 0);
  return fc_norm_(tokens.slice(1, shape_.class_token).mean(1));
}

Tensor ViT::encode(const Input& input, const nn::Adaptations& adaptations) const {
  if (shape_.pooled_norm) return pool(tokens(input, adaptations));
  return pool(
      run(input, adaptations, at::zeros({input.size(), 1}, pos_embed_.options().dtype(at::kLong))));
}

Tensor ViT::logits(const Tensor& features) const {
  return head_.weight.defined() ? head_(features) : Tensor();
}

void ViT::walk(nn::Walk& w) {
  w("cls_token", cls_token_);
  w("pos_embed", pos_embed_);
  w("patch_embed.proj", patch_);
  w("norm_pre", norm_pre_);
  w("blocks", blocks_);
  w("norm", norm_);
  w("fc_norm", fc_norm_);
  w("head", head_);
}

std::unique_ptr<Backbone> ViT::clone() const {
  return nn::copy_of(*this);
}

bool ViT::resize_input(int64_t image_size) {
  if (image_size == shape_.image_size) return true;
  if (image_size <= 0 || image_size % shape_.patch_size != 0)
    fail(ErrorKind::model, "an input of {} px is not a multiple of the patch size {}", image_size,
         shape_.patch_size);
  if (image_size > kLargestSide)
    fail(ErrorKind::model, "an input of {} px is above the limit of {}", image_size, kLargestSide);
  shape_.image_size = image_size;
  const bool trains = pos_embed_.requires_grad();
  NoGrad no_grad;
  pos_embed_ = resize_pos_embed(pos_embed_.detach(), shape_.grid(), shape_.class_token);
  pos_embed_.requires_grad_(trains);
  return true;
}

Tensor resize_pos_embed(const Tensor& pos_embed, int64_t grid, bool class_token) {
  const int64_t kept = class_token, width = pos_embed.size(2);
  const int64_t from = std::llround(std::sqrt(double(pos_embed.size(1) - kept)));
  Tensor image = pos_embed.slice(1, kept).reshape({1, from, from, width}).permute({0, 3, 1, 2});
  image = at::upsample_bicubic2d(image.contiguous(), {grid, grid}, /*align_corners=*/false);
  return at::cat({pos_embed.slice(1, 0, kept),
                  image.permute({0, 2, 3, 1}).reshape({1, grid * grid, width})},
                 1)
      .contiguous();
}

}  // namespace patina
