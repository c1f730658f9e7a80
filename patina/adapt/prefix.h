// Prefixes: learned keys and values that every query of a block may attend to (Li and Liang,
// "Prefix-Tuning", ACL 2021), in the form of DualPrompt (Wang et al., ECCV 2022) and CODA-Prompt,
// and optionally compensated as in LAE (Gao et al., ICCV 2023).
#pragma once

#include "patina/base/random.h"
#include "patina/config/fields.h"
#include "patina/nn/adaptation.h"
#include "patina/nn/block_shape.h"

namespace patina::adapt {

/// Defaults: DualPrompt's general prompt.
struct PrefixOptions {
  int64_t length = 5;
  std::vector<int64_t> layers = {0, 1};
  double low = -1, high = 1;   // initial keys and values are uniform between these
  bool learned_scale = false;  // learned factors per block for keys and for values, initially 1
  bool compensated = false;

  void bind(Fields& f);
};

/// `length` keys and as many values in each of the chosen blocks. There are no additional queries,
/// so no row is added.
/// | Compensated: after the softmax, the prefix's weights are divided by their sum λ, so that the
/// prefix always has weight 1 and the other keys 1 - λ, however small λ is. Weights divided by
/// their sum equal a softmax over the prefix alone, which needs no other keys; and the others' part
/// is attention with the prefix's values set to zero. So
/// Σ_others a_i v_i + Σ_prefix (a_p / λ) v_p = attend(q, [P; K], [0; V]) + attend(q, P, P_v).
class Prefix : public nn::Adaptation {
 public:
  /// For a network of `depth` blocks. Throws Error(recipe) if a chosen block does not exist.
  Prefix(const PrefixOptions& options, const nn::BlockShape& shape, int64_t depth, Random& random);

  std::pair<Tensor, Tensor> prefix(int layer) override;
  std::pair<Tensor, Tensor> aside(int layer) override;
  bool acts(nn::Site) const override { return false; }
  void walk(nn::Walk& w) override;
  std::optional<std::string> text() const override {
    return compensated_ ? "compensated prefix" : "prefix";
  }

 private:
  struct Part {
    Tensor keys, values;              // [P, Hk d]; undefined in blocks without a prefix
    Tensor key_factor, value_factor;  // [1], if the scale is learned
    std::pair<Tensor, Tensor> scaled() const;
    void walk(nn::Walk& w);
  };
  bool compensated_;
  std::vector<Part> parts_;  // one per block
};

}  // namespace patina::adapt
