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
          .head_norm = head_norm,
          .gated = gated,
          .activation = activation,
          .rotary = {.theta = rotary.theta, .interleaved = rotary.interleaved},
          .attention_norm = attention_norm,
          .mlp_norm = mlp_norm,
          .eps = eps};
}

std::string ViTShape::text() const {
  return fmt::format("ViT {}x{}, {} heads, patch {} at {} px", depth, width, heads, patch_size,
                     image_size);
}

ViT::ViT(ViTShape shape, std::string normalize, std::string interpolation)
    : shape_(shape), normalize_(std::move(normalize)), interpolation_(std::move(interpolation)) {
  patch_.weight = at::empty({shape.width, 3, shape.patch_size, shape.patch_size});
  if (shape.patch_bias) patch_.bias = at::zeros({shape.width});
  if (shape.class_token) cls_token_ = at::zeros({1, 1, shape.width});
  if (shape.distilled) dist_token_ = at::zeros({1, 1, shape.width});
  if (shape.registers > 0) reg_token_ = at::zeros({1, shape.registers, shape.width});
  if (shape.positions)
    pos_embed_ = at::zeros({1, shape.grid() * shape.grid() + shape.placed(), shape.width});
  for (int64_t i = 0; i < shape.depth; ++i) blocks_.emplace_back(shape.block());
  if (shape.pre_norm) norm_pre_ = nn::Norm(shape.width, shape.eps);
  if (shape.final_norm) norm_ = nn::Norm(shape.width, shape.eps);
  if (shape.pooled_norm) fc_norm_ = nn::Norm(shape.width, shape.eps);
  if (shape.attention_pool) attn_pool_ = AttentionPool(shape.block());
  if (shape.classes > 0) head_ = nn::Linear(shape.width, shape.classes);
}

bool ViT::initialize(Random& random) {
  nn::init_uniform(patch_.weight, random,
                   1 / std::sqrt(3.0 * shape_.patch_size * shape_.patch_size));
  if (cls_token_.defined()) nn::init_normal(cls_token_, random, 0, 1e-6);
  for (Tensor* table : {&dist_token_, &reg_token_, &pos_embed_, &attn_pool_.latent})
    if (table->defined()) nn::init_truncated_normal(*table, random);
  for (auto* linear : {&attn_pool_.qkv, &attn_pool_.proj, &attn_pool_.fc1, &attn_pool_.fc2}) {
    if (!linear->weight.defined()) continue;
    nn::init_truncated_normal(linear->weight, random);
    linear->bias.zero_();
  }
  for (auto& block : blocks_)
    for (auto* linear : {&block.attn.qkv, &block.attn.proj, &block.mlp.fc1, &block.mlp.fc2})
      nn::init_truncated_normal(linear->weight, random);
  if (head_.weight.defined()) head_.weight.zero_();
  return true;
}

Tensor ViT::tokens(const Input& images, const nn::Adaptations& adaptations) const {
  return run(images, adaptations, {});
}

Tensor ViT::embed(const Input& images, const nn::Adaptations& adaptations) const {
  const Tensor input = images.pixels();
  const int64_t side = shape_.image_size;
  PATINA_REQUIRE(
      input.dim() == 4 && input.size(1) == 3 && input.size(2) == side && input.size(3) == side,
      "input {} for a network of {} px", shape_text(input.sizes()), side);
  Tensor x = adaptations.after(nn::Site::patches, 0, input,
                               engine().embed_patches(patch_, input));  // [B,g*g,D]
  std::vector<Tensor> stream;
  for (const Tensor& token : {cls_token_, dist_token_, reg_token_})
    if (token.defined()) stream.push_back(token.expand({x.size(0), -1, -1}));
  stream.push_back(x);
  if (stream.size() > 1) x = at::cat(stream, 1);
  if (shape_.positions) {
    const int64_t without = shape_.prefix() - shape_.placed();  // tokens between, without positions
    if (without > 0)
      x = x + at::cat({pos_embed_.slice(1, 0, shape_.placed()),
                       at::zeros({1, without, shape_.width}, pos_embed_.options()),
                       pos_embed_.slice(1, shape_.placed())},
                      1);
    else
      x = x + pos_embed_;
  }
  if (shape_.pre_norm) x = norm_pre_(x);
  return adaptations.after(nn::Site::embed, 0, input, x);
}

Tensor ViT::angles() const {
  if (shape_.rotary.theta == 0) return {};
  const Tensor patches = grid_angles(shape_.rotary, shape_.grid(), shape_.block().size());
  return at::cat({at::zeros({shape_.prefix(), patches.size(1)}), patches})
      .to(patch_.weight.device());
}

Tensor ViT::tokens_behind(int64_t blocks, const Input& input,
                          const nn::Adaptations& adaptations) const {
  PATINA_REQUIRE(blocks >= 0 && blocks <= shape_.depth, "{} of {} blocks", blocks, shape_.depth);
  Tensor x = embed(input, adaptations);
  nn::Pass pass(adaptations, engine(), {}, int(blocks) - 1, angles());
  for (size_t i = 0; i < size_t(blocks); ++i) x = blocks_[i](x, int(i), pass);
  return pass.read_out(x);
}

Tensor ViT::run(const Input& images, const nn::Adaptations& adaptations, const Tensor& read) const {
  Tensor x = embed(images, adaptations);
  nn::Pass pass(adaptations, engine(), read, int(blocks_.size()) - 1, angles());
  for (size_t i = 0; i < blocks_.size(); ++i) x = blocks_[i](x, int(i), pass);
  return pass.read_out(
      adaptations.after(nn::Site::norm, int(blocks_.size()), x, shape_.final_norm ? norm_(x) : x));
}

Tensor ViT::pool(const Tensor& tokens) const {
  if (shape_.attention_pool) return attn_pool_(tokens.slice(1, shape_.prefix()), engine());
  if (shape_.distilled && !shape_.class_only)
    return (tokens.select(1, 0) + tokens.select(1, 1)) / 2;
  if (!shape_.pooled_norm && !shape_.patch_mean) return tokens.select(1, 0);
  // Prompts stand after the first token and count as patches, as they did when they were learned.
  const Tensor mean = tokens.slice(1, shape_.prefix()).mean(1);
  return shape_.pooled_norm ? fc_norm_(mean) : mean;
}

Tensor ViT::read(int64_t batch) const {
  if (shape_.attention_pool || shape_.pooled_norm || shape_.patch_mean) return {};
  const int64_t read = shape_.distilled && !shape_.class_only ? 2 : 1;
  const auto options = patch_.weight.options().dtype(at::kLong);
  return at::arange(read, options).unsqueeze(0).expand({batch, read});
}

Tensor ViT::encode(const Input& input, const nn::Adaptations& adaptations) const {
  return pool(run(input, adaptations, read(input.size())));
}

Tensor ViT::logits(const Tensor& features) const {
  return head_.weight.defined() ? head_(features) : Tensor();
}

void ViT::walk(nn::Walk& w) {
  w("cls_token", cls_token_);
  w("dist_token", dist_token_);
  w("reg_token", reg_token_);
  w("pos_embed", pos_embed_);
  w("patch_embed.proj", patch_);
  w("norm_pre", norm_pre_);
  w("blocks", blocks_);
  w("norm", norm_);
  w("fc_norm", fc_norm_);
  w("attn_pool", attn_pool_);
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
  if (!shape_.positions) return true;
  const bool trains = pos_embed_.requires_grad();
  NoGrad no_grad;
  pos_embed_ =
      resize_pos_embed(pos_embed_.detach(), shape_.grid(), shape_.placed(), shape_.antialias);
  pos_embed_.requires_grad_(trains);
  return true;
}

Tensor resize_pos_embed(const Tensor& pos_embed, int64_t grid, int64_t kept, bool antialias) {
  const int64_t width = pos_embed.size(2);
  const int64_t from = std::llround(std::sqrt(double(pos_embed.size(1) - kept)));
  Tensor image = pos_embed.slice(1, kept).reshape({1, from, from, width}).permute({0, 3, 1, 2});
  image = antialias ? at::_upsample_bicubic2d_aa(image.contiguous(), {grid, grid}, false)
                    : at::upsample_bicubic2d(image.contiguous(), {grid, grid}, false);
  return at::cat({pos_embed.slice(1, 0, kept),
                  image.permute({0, 2, 3, 1}).reshape({1, grid * grid, width})},
                 1)
      .contiguous();
}

Tensor grid_angles(const GridRotary& rotary, int64_t grid, int64_t head_size) {
  const int64_t steps = head_size / 4;  // pairs that turn by the row, and as many by the column
  const Tensor frequencies =
      (at::arange(steps, at::kFloat) * (-std::log(rotary.theta) / double(steps))).exp();
  const Tensor place = at::arange(grid, at::kFloat);
  constexpr double kFullTurn = 6.283185307179586;
  const Tensor position = rotary.grid > 0 ? place * (double(rotary.grid) / double(grid))
                                          : ((place + 0.5) * (2 / double(grid)) - 1) * kFullTurn;
  const Tensor angles = position.unsqueeze(1) * frequencies;  // [grid, d/4]
  const Tensor rows = angles.unsqueeze(1).expand({grid, grid, steps});
  const Tensor columns = angles.unsqueeze(0).expand({grid, grid, steps});
  return at::cat({rows, columns}, -1).reshape({grid * grid, 2 * steps});
}

}  // namespace patina
