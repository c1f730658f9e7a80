// Adaptations for the samples of a single pass: prompts and prefixes chosen or generated per
// sample, and stored tokens. They return no text(), so their results are never cached.
#pragma once

#include <map>

#include "patina/nn/adaptation.h"

namespace patina::adapt {

/// Inserts rows, different for each sample, after the first token of the first block's input. They
/// are still there after the final norm, as rows 1 to P of the result of Backbone::tokens.
class SamplePrompt : public nn::Adaptation {
 public:
  explicit SamplePrompt(Tensor rows) : rows_(std::move(rows)) {}  // [B,P,D]

  Tensor tokens(int layer, Tensor x) override;
  bool acts(nn::Site) const override { return false; }

 private:
  Tensor rows_;
};

/// Stores the tokens that enter a block.
class KeptTokens : public nn::Adaptation {
 public:
  explicit KeptTokens(int layer) : layer_(layer) {}

  Tensor tokens(int layer, Tensor x) override;
  bool acts(nn::Site) const override { return false; }
  const Tensor& kept() const { return kept_; }  // [B,T,D]

 private:
  int layer_;
  Tensor kept_;
};

/// Starts a pass at a block, with tokens that KeptTokens stored: for networks that are equal up to
/// there.
class FromTokens : public nn::Adaptation {
 public:
  FromTokens(int layer, Tensor tokens) : layer_(layer), tokens_(std::move(tokens)) {}

  int first_layer() const override { return layer_; }
  Tensor tokens(int layer, Tensor x) override { return layer == layer_ ? tokens_ : x; }
  bool acts(nn::Site) const override { return false; }

 private:
  int layer_;
  Tensor tokens_;  // [B,T,D]
};

/// Keys and values, different for each sample, that the queries of chosen blocks may attend to.
class SamplePrefix : public nn::Adaptation {
 public:
  /// Sets the keys and values [B,P,Hk d] of block `layer`.
  void set(int64_t layer, const Tensor& keys, const Tensor& values);
  /// Sets the keys and values of L blocks: pairs [B,L,2,P,Hk d], keys first.
  void set(const std::vector<int64_t>& layers, const Tensor& pairs);

  std::pair<Tensor, Tensor> prefix(int layer) override;
  bool acts(nn::Site) const override { return false; }

 private:
  std::map<int64_t, std::pair<Tensor, Tensor>> parts_;
};

}  // namespace patina::adapt
