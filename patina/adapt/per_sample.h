// What belongs to the samples of one pass: prompts and prefixes chosen or made for each, tokens on
// their way. They say no text(), so what they do is never kept.
#pragma once

#include <map>

#include "patina/nn/adaptation.h"

namespace patina::adapt {

/// Rows behind the first token of the first block's input, of each sample its own. They stand there
/// after the final norm too, as rows 1 to P of what Backbone::tokens gives.
class SamplePrompt : public nn::Adaptation {
 public:
  explicit SamplePrompt(Tensor rows) : rows_(std::move(rows)) {}  // [B,P,D]

  Tensor tokens(int layer, Tensor x) override;
  bool acts(nn::Site) const override { return false; }

 private:
  Tensor rows_;
};

/// Keeps the tokens that enter a block.
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

/// Begins a pass at a block, with tokens that were kept before it: for networks that are alike up
/// to there.
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

/// Keys and values that the queries of chosen blocks may attend to, of each sample its own.
class SamplePrefix : public nn::Adaptation {
 public:
  /// keys and values [B,P,Hk d] of block `layer`.
  void set(int64_t layer, const Tensor& keys, const Tensor& values);
  /// The same of L blocks: pairs [B,L,2,P,Hk d], keys first.
  void set(const std::vector<int64_t>& layers, const Tensor& pairs);

  std::pair<Tensor, Tensor> prefix(int layer) override;
  bool acts(nn::Site) const override { return false; }

 private:
  std::map<int64_t, std::pair<Tensor, Tensor>> parts_;
};

}  // namespace patina::adapt
