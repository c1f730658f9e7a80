// Small tensors with known contents, and the distance between two.
#pragma once

#include <limits>
#include <memory>

#include "patina/models/vision/vit.h"
#include "patina/nn/layers.h"
#include "patina/ops.h"

namespace patina {

/// Draws from N(0, deviation²) that depend on `seed` alone.
inline Tensor random_tensor(const Shape& shape, uint64_t seed, double deviation = 1) {
  Tensor t = at::empty(shape);
  Random random = Seeds(seed)("tensor");
  nn::init_normal(t, random, 0, deviation);
  return t;
}

inline Tensor float_tensor(std::initializer_list<float> items) {
  Tensor t = at::empty({int64_t(items.size())});
  std::copy(items.begin(), items.end(), t.data_ptr<float>());
  return t;
}

/// The same in rows of `width`.
inline Tensor rows_of(std::initializer_list<float> items, int64_t width) {
  return float_tensor(items).reshape({-1, width});
}

/// max |x|.
inline double largest(const Tensor& x) {
  return x.abs().max().item<double>();
}

/// max |a - b| / max(1, max |b|), where equal infinities are no error; infinite when the shapes
/// differ.
inline double relative_error(const Tensor& a, const Tensor& b) {
  if (a.sizes() != b.sizes()) return std::numeric_limits<double>::infinity();
  if (a.numel() == 0) return 0;
  const Tensor same = a.to(at::kDouble) == b.to(at::kDouble);
  const Tensor off = (a.to(at::kDouble) - b.to(at::kDouble)).abs().masked_fill(same, 0);
  const Tensor size = b.to(at::kDouble).abs();
  const double largest = size.masked_fill(size.isinf(), 0).max().item<double>();
  return off.max().item<double>() / std::max(1.0, largest);
}

/// Two blocks of width 24 for images of 16 px: four patches and a class token.
inline constexpr ViTShape kTinyViT{.image_size = 16,
                                   .patch_size = 8,
                                   .width = 24,
                                   .depth = 2,
                                   .heads = 3,
                                   .hidden = 40,
                                   .classes = 0};

/// A frozen ViT without weights of special values, so that no mistake is hidden by a zero.
inline std::unique_ptr<ViT> random_vit(const ViTShape& shape = kTinyViT, uint64_t seed = 1) {
  auto vit = std::make_unique<ViT>(shape);
  Random random = Seeds(seed)("vit");
  for (auto& item : nn::tensors(*vit))
    nn::init_normal(item.tensor, random, item.name.find("norm") != std::string::npos ? 0.5 : 0,
                    0.2);
  nn::freeze(*vit);
  return vit;
}

}  // namespace patina
