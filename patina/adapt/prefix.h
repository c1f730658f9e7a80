// Prefixes: learned keys and values that every query of a block may attend to (Li and Liang,
// "Prefix- Tuning", ACL 2021), in the form DualPrompt (Wang et al., ECCV 2022) and CODA-Prompt use.
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

  void bind(Fields& f);
};

/// `length` keys and as many values in each of the chosen blocks. Queries stay, so no row is added.
class Prefix : public nn::Adaptation {
 public:
  /// For a network of `depth` blocks. Throws Error(recipe) when it lacks a chosen block.
  Prefix(const PrefixOptions& options, const nn::BlockShape& shape, int64_t depth, Random& random);

  std::pair<Tensor, Tensor> prefix(int layer) override;
  bool acts(nn::Site) const override { return false; }
  void walk(nn::Walk& w) override;
  std::optional<std::string> text() const override { return "prefix"; }

 private:
  struct Part {
    Tensor keys, values;  // [P, Hk d]; undefined in blocks without a prefix
    void walk(nn::Walk& w);
  };
  std::vector<Part> parts_;  // one a block
};

}  // namespace patina::adapt
