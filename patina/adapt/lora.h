// LoRA (Hu et al., ICLR 2022): a low-rank change to the query, key or value projections, and to the
// MLP's layers.
#pragma once

#include <fmt/format.h>

#include "patina/base/random.h"
#include "patina/config/fields.h"
#include "patina/nn/adaptation.h"
#include "patina/nn/block_shape.h"

namespace patina::adapt {

/// Defaults: the paper's RoBERTa-base setting (appendix D), queries and values.
struct LoraOptions {
  int64_t rank = 8;
  double alpha = 8;
  std::string parts = "qv";
  bool mlp = false;
  bool learned_scale = false;   // each change is times a factor that is learned, at first 1
  std::vector<int64_t> layers;  // the blocks that change; empty: all

  void bind(Fields& f);
};

/// In every block, each chosen part of qkv gains (alpha / rank) B A x, with x what attention reads,
/// and so do the MLP's two layers where they are chosen, with what they read.
/// A is drawn as a fresh linear layer's weight (the authors' code; the paper says Gaussian without
/// a variance) and B is zero, so fresh LoRA is the identity.
class Lora : public nn::Adaptation {
 public:
  Lora(const LoraOptions& options, const nn::BlockShape& shape, int64_t depth, Random& random);

  Tensor after(nn::Site site, int layer, const Tensor& in, Tensor out) override;
  bool acts(nn::Site site) const override {
    return site == nn::Site::qkv || (mlp_ && (site == nn::Site::fc1 || site == nn::Site::fc2));
  }
  void walk(nn::Walk& w) override;
  std::optional<std::string> text() const override { return fmt::format("lora scale={}", scale_); }

 private:
  struct Product {
    Tensor a, b;    // [r,D], [out,r]; undefined where a part is left alone
    Tensor factor;  // [1], where the scale is learned
    void walk(nn::Walk& w);
  };
  struct Change {
    Product q, k, v, fc1, fc2;
    void walk(nn::Walk& w);
  };
  nn::BlockShape shape_;
  double scale_;
  bool mlp_;
  std::vector<Change> changes_;  // one a block
};

}  // namespace patina::adapt
