// Pooling by attention (Lee et al., ICML 2019; Zhai et al., "Sigmoid Loss for Language Image
// Pre-Training", ICCV 2023): a learned query reads all tokens.
#pragma once

#include "patina/nn/engine.h"

namespace patina {

/// a + mlp(norm(a)) of a = proj(attention of the learned query over the tokens): [B,T,D] -> [B,D].
struct AttentionPool {
  Tensor latent;    // [1,1,D], the query
  nn::Linear qkv;   // [3D,D]: rows of the query, the keys, the values
  nn::Linear proj;  // [D,D]
  nn::Norm norm;
  nn::Linear fc1, fc2;
  nn::Activation activation = nn::Activation::gelu;
  int64_t heads = 1;

  AttentionPool() = default;
  explicit AttentionPool(const nn::BlockShape& shape);
  Tensor operator()(const Tensor& tokens, const nn::Engine& engine) const;
  void walk(nn::Walk& w);
};

}  // namespace patina
