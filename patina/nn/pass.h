// A pass through a stack of blocks: what they share, and which tokens may see which.
#pragma once

#include <vector>

#include "patina/nn/adaptation.h"
#include "patina/nn/engine.h"
#include "patina/nn/input.h"

namespace patina::nn {

/// Keys and values of the tokens already read, so that a decoder reads each once.
struct KeyValues {
  struct Layer {
    Tensor key, value;                  // [B,Hk,S,d], keys rotated
    Tensor encoded_key, encoded_value;  // of the encoder's output
  };
  std::vector<Layer> layers;
  Tensor mask;        // [B,S] int64: 0 where a row has padding
  Tensor positions;   // [B,S]
  int64_t added = 0;  // tokens that adaptations put in, which move all later positions
};

/// T5's learned bias on scores by the distance from query to key (Raffel et al., JMLR 2020).
struct RelativeBias {
  Tensor weight;           // [buckets,H]
  bool both_ways = true;   // an encoder tells keys before from keys behind
  int64_t furthest = 128;  // distances from here on share the last bucket
  /// positions of queries [B,T] and keys [B,S] -> [B,H,T,S].
  Tensor operator()(const Tensor& queries, const Tensor& keys) const;
  void walk(Walk& w) { w("weight", weight); }
};

/// Lives for one pass. A plain one (a ViT's) hides nothing: every token sees every token.
class Pass {
 public:
  struct Options {
    bool causal = false;
    double rope_theta = 0;                   // 0: no rotary positions
    const RelativeBias* relative = nullptr;  // lent
    KeyValues* cache = nullptr;              // lent; read and extended
    Tensor encoded;                          // [B,S,D] for cross-attention
    Tensor encoded_mask;                     // [B,S]
    int first_layer = 0;  // adaptations count a decoder's blocks after its encoder's
    Tensor read;          // [B,R]: the tokens that are read after the last block; undefined: all
    int last_layer = -1;  // which is this one: it computes those queries only
  };

  explicit Pass(const Adaptations& adaptations, const Engine& engine = *plain_engine())
      : adaptations_(adaptations), engine_(engine) {}
  /// For tokens with `mask` [B,T] (undefined: all are there) at `positions` [B,T] or [1,T] of
  /// their text.
  Pass(const Adaptations& adaptations, const Engine& engine, Tensor mask, Tensor positions,
       const Options& options);
  /// A plain one of whose tokens only `read` [B,R] are read after block `last_layer`.
  Pass(const Adaptations& adaptations, const Engine& engine, Tensor read, int last_layer);

  const Adaptations& adaptations() const { return adaptations_; }
  const Engine& engine() const { return engine_; }
  int first_layer() const { return options_.first_layer; }
  const Tensor& encoded() const { return options_.encoded; }

  /// Entering block `layer`: lets adaptations add tokens.
  Tensor enter(int layer, Tensor x);
  /// Of tokens along `dim` those that are read on: in a frugal engine's last block, those that are
  /// read after it; otherwise all.
  Tensor read_on(const Tensor& t, int64_t dim) const;
  /// Of the tokens [B,T,D] that come out at the end, those that are read.
  Tensor read_out(const Tensor& tokens) const;
  /// Rotates queries or keys [B,h,T,d] by their positions.
  Tensor rotate(const Tensor& t);
  /// Whether this block's queries, keys and values stay as one product makes them: all are read,
  /// none is rotated or kept.
  bool as_made() const;
  /// Joins the cached keys and values of block `layer` with these, and remembers them.
  void extend(int layer, Tensor& key, Tensor& value);
  /// Where block `layer` keeps its keys and values, the encoder's made once for each block when
  /// there is a cache.
  KeyValues::Layer* cached(int layer);
  /// What is added to the scores of T queries over P prefix and S other keys: [B|1,H|1,T,P+S];
  /// undefined where nothing is hidden or biased.
  Tensor bias(int64_t prefix);
  Tensor encoded_bias() const;
  /// Once the last block is done: the cache knows these tokens.
  void finish();

 private:
  Tensor key_mask() const;
  Tensor key_positions() const;

  const Adaptations& adaptations_;
  const Engine& engine_;
  Options options_;
  int layer_ = 0;            // the block we are in
  Tensor read_;              // options_.read among the tokens in the stream, prompts included
  Tensor mask_, positions_;  // of the tokens in the stream, prompts included
  Tensor bias_, cos_, sin_;  // made when first asked for, again when tokens were added
  int64_t bias_prefix_ = -1;
};

}  // namespace patina::nn
