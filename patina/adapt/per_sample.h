// Prompts and prefixes that were chosen or made for each sample of one pass. They say no text(), so
// what they do is never kept.
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

/// Keys and values that the queries of chosen blocks may attend to, of each sample its own.
class SamplePrefix : public nn::Adaptation {
 public:
  /// keys and values [B,P,Hk d] of block `layer`.
  void set(int64_t layer, const Tensor& keys, const Tensor& values);

  std::pair<Tensor, Tensor> prefix(int layer) override;
  bool acts(nn::Site) const override { return false; }

 private:
  std::map<int64_t, std::pair<Tensor, Tensor>> parts_;
};

}  // namespace patina::adapt
