// LoRA (Hu et al., ICLR 2022): low-rank updates of a block's linear layers: the query, key and
// value projections, attention's output projection, and the MLP's layers. With rsLoRA's scale on
// request (Kalajdzievski, 2023).
#pragma once

#include <functional>
#include <string_view>

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
  bool output = false;
  bool mlp = false;
  bool learned_scale = false;   // multiplies each update by a learned factor, initially 1
  std::vector<int64_t> layers;  // the blocks to change; empty: all
  bool joint = false;           // one product for what stands side by side: queries, keys and
                                // values; gate and up
  bool rank_stabilized = false;

  void bind(Fields& f);
};

/// A linear layer of a block, or the part of its rows that a change is added to: the queries, keys
/// or values or all of `qkv`; attention's output `o`; the gate, the up projection or all of `fc1`;
/// and `fc2`.
enum class Part { q, k, v, qkv, o, gate, up, fc1, fc2 };

/// Adds s B A x to the output of each selected layer in every block, with x the layer's input and s
/// = alpha / rank, or alpha / √rank if rank-stabilized. A is initialised like the weight of a
/// linear layer (as in the authors' code; the paper says Gaussian without a variance) and B is
/// zero, so a new LoRA is the identity. Joint: one A [r,D] and one B [3D,r] change queries, keys
/// and values together, and likewise a gated MLP's gate and up projection.
class Lora : public nn::Adaptation {
 public:
  /// The change of one layer: `scale` B A, with A [r,in] and B [out,r].
  struct Update {
    int64_t layer = 0;
    Part part = Part::q;
    Tensor a, b;
    double scale = 1;
  };

  Lora(const LoraOptions& options, const nn::BlockShape& shape, int64_t depth, Random& random);
  /// Of updates made elsewhere, frozen. Their shapes must be those of the layers; at most one for a
  /// layer's part.
  Lora(const std::vector<Update>& updates, const nn::BlockShape& shape, int64_t depth);

  Tensor after(nn::Site site, int layer, const Tensor& in, Tensor out) override;
  bool acts(nn::Site site) const override { return sites_ >> int(site) & 1; }
  /// Initialises A with `rows` [r,D] in the product at `site` of a block: fc1, fc2, or a joint qkv.
  /// Does nothing if there is no such product.
  void begin_at(int64_t layer, nn::Site site, const Tensor& rows);
  /// The change of a layer's part: the tensors that learn, and the scale without a learned factor.
  /// Undefined tensors where nothing changes.
  Update factors(int64_t layer, Part part) const;
  const nn::BlockShape& shape() const { return shape_; }
  /// All updates, block by block; a learned factor is part of their scale.
  std::vector<Update> updates() const;
  void walk(nn::Walk& w) override;
  std::optional<std::string> text() const override;

 private:
  struct Product {
    Tensor a, b;    // [r,in], [out,r]; undefined for layers that do not change
    Tensor factor;  // [1], if the scale is learned
    double scale = 1;
    void walk(nn::Walk& w);
  };
  struct Change {
    Product q, k, v, qkv, fc1, fc2, o, gate, up;
    void walk(nn::Walk& w);
  };
  struct Row;
  static const std::vector<Row>& rows();
  const Product& product(int64_t layer, Part part) const;

  nn::BlockShape shape_;
  std::vector<Change> changes_;  // one per block
  uint32_t sites_ = 0;           // bit i: acts at site i
};

/// The rows of its layer's weight that a part is, and the numbers it reads: for qkv and fc1 all.
struct PartShape {
  int64_t from = 0, rows = 0, in = 0;
};
PartShape part_shape(Part part, const nn::BlockShape& shape);
std::string_view name(Part part);

/// The output [B,T,rows] of the layer at a site with what `added` returns for each of its parts;
/// undefined: nothing.
Tensor with_added(nn::Site site, const nn::BlockShape& shape, Tensor out,
                  const std::function<Tensor(Part)>& added);

}  // namespace patina::adapt
