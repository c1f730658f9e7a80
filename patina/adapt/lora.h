// LoRA (Hu et al., ICLR 2022): low-rank updates of the query, key or value projections and of the
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
  bool learned_scale = false;   // multiplies each update by a learned factor, initially 1
  std::vector<int64_t> layers;  // the blocks to change; empty: all
  bool joint = false;           // one product for queries, keys and values side by side

  void bind(Fields& f);
};

/// Adds (alpha / rank) B A x to the output of each selected layer in every block: parts of qkv,
/// with x what attention reads, and the MLP's two layers, with x their input. A is initialised like
/// the weight of a linear layer (as in the authors' code; the paper says Gaussian without a
/// variance) and B is zero, so a new LoRA is the identity. Joint: one A [r,D] and one B [3D,r]
/// change queries, keys and values together.
class Lora : public nn::Adaptation {
 public:
  Lora(const LoraOptions& options, const nn::BlockShape& shape, int64_t depth, Random& random);

  Tensor after(nn::Site site, int layer, const Tensor& in, Tensor out) override;
  bool acts(nn::Site site) const override {
    return site == nn::Site::qkv || (mlp_ && (site == nn::Site::fc1 || site == nn::Site::fc2));
  }
  /// Initialises A with `rows` [r,D] in the product at `site` of a block: fc1, fc2, or a joint qkv.
  /// Does nothing if there is no such product.
  void begin_at(int64_t layer, nn::Site site, const Tensor& rows);
  void walk(nn::Walk& w) override;
  std::optional<std::string> text() const override { return fmt::format("lora scale={}", scale_); }

 private:
  struct Product {
    Tensor a, b;    // [r,D], [out,r]; undefined for layers that do not change
    Tensor factor;  // [1], if the scale is learned
    void walk(nn::Walk& w);
  };
  struct Change {
    Product q, k, v, qkv, fc1, fc2;
    void walk(nn::Walk& w);
  };
  nn::BlockShape shape_;
  double scale_;
  bool mlp_;
  std::vector<Change> changes_;  // one per block
};

}  // namespace patina::adapt
