// A pass through a stack of blocks: the state they share, and which tokens may attend to which.
#pragma once

#include <optional>
#include <vector>

#include "patina/nn/adaptation.h"
#include "patina/nn/engine.h"
#include "patina/nn/input.h"

namespace patina::nn {

/// Cached keys and values of the tokens read so far, so that a decoder reads each token once.
struct KeyValues {
  struct Layer {
    Tensor key, value;                  // [B,Hk,S,d], keys turned to their positions
    Tensor encoded_key, encoded_value;  // of the encoder's output
  };
  std::vector<Layer> layers;
  Tensor mask;        // [B,S] int64: 0 where a row has padding
  Tensor positions;   // [B,S]
  int64_t added = 0;  // tokens that adaptations added, by which all later positions are shifted
};

/// T5's learned bias on scores, a function of the distance from query to key (Raffel et al., JMLR
/// 2020).
struct RelativeBias {
  Tensor weight;           // [buckets,H]
  bool both_ways = true;   // encoder: separate buckets for keys before and after the query
  int64_t furthest = 128;  // distances from here on share the last bucket
  /// positions of queries [B,T] and keys [B,S] -> [B,H,T,S].
  Tensor operator()(const Tensor& queries, const Tensor& keys) const;
  void walk(Walk& w) { w("weight", weight); }
};

/// An embedding of the distances between tokens, which the blocks of disentangled attention read
/// (He et al., ICLR 2021). Far distances share buckets (He et al., ICLR 2023).
struct Distances {
  Tensor weight;         // [2s,D]: row s + b is that of bucket b, -s <= b < s
  Norm norm;             // of its rows, or none
  int64_t buckets = 0;   // distances of half as many have their own, farther ones share; 0: none do
  int64_t furthest = 0;  // distances from here on share the last bucket
  /// The rows, normalised: [2s,D].
  Tensor rows() const { return norm.weight.defined() ? norm(weight) : weight; }
  /// Which row is that of each distance: positions of queries [B,T] and keys [B,S] -> [B,T,S].
  Tensor places(const Tensor& queries, const Tensor& keys) const;
  void walk(Walk& w);
};

/// The state of one forward pass. A plain one (of a ViT) masks nothing: every token sees every
/// token.
class Pass {
 public:
  struct Options {
    bool causal = false;
    bool packed = false;  // rows hold several texts, each with positions from 0: a token attends to
                          // its own text only
    const RelativeBias* relative = nullptr;  // lent
    const Distances* distances = nullptr;    // lent
    KeyValues* cache = nullptr;              // lent; read and extended
    Tensor encoded;                          // [B,S,D] for cross-attention
    Tensor encoded_mask;                     // [B,S]
    int first_layer = 0;  // index of the first block: adaptations number a decoder's blocks after
                          // its encoder's
    Tensor read;          // [B,R]: the tokens that are read after the last block; undefined: all
    int last_layer = -1;  // the last block, which computes only those queries
  };

  explicit Pass(const Adaptations& adaptations, const Engine& engine = *plain_engine())
      : adaptations_(adaptations), engine_(engine) {}
  /// For tokens with `mask` [B,T] (undefined: no padding) at `positions` [B,T] or [1,T] of their
  /// text.
  Pass(const Adaptations& adaptations, const Engine& engine, Tensor mask, Tensor positions,
       const Options& options);
  /// A plain pass; after block `last_layer` only the tokens `read` [B,R] are read. With `angles`
  /// [T,c/2], queries and keys of each token turn by its own: positions on a grid.
  Pass(const Adaptations& adaptations, const Engine& engine, Tensor read, int last_layer,
       Tensor angles = {});

  const Adaptations& adaptations() const { return adaptations_; }
  const Engine& engine() const { return engine_; }
  int first_layer() const { return options_.first_layer; }
  const Tensor& encoded() const { return options_.encoded; }

  /// Starts block `layer`: lets adaptations add tokens.
  Tensor enter(int layer, Tensor x);
  /// Selects, along `dim`, the tokens that are still read: in a frugal engine's last block, those
  /// read after it; otherwise all.
  Tensor read_on(const Tensor& t, int64_t dim) const;
  /// Selects, from the output tokens [B,T,D], those that are read; if all are, prompts leave.
  Tensor read_out(const Tensor& tokens) const;
  /// Queries or keys [B,h,T,d] of these tokens, turned to their positions, if they have any.
  Tensor turned(const Tensor& t, const Rotary& rotary);
  /// Whether this block's queries, keys and values can stay packed as one product returns them: all
  /// are read, and none is cached.
  bool as_made() const;
  /// Prepends the cached keys and values of block `layer`, and caches the result.
  void extend(int layer, Tensor& key, Tensor& value);
  /// The cache entry of block `layer`; null without a cache. The encoder's keys and values are
  /// computed once per block.
  KeyValues::Layer* cached(int layer);
  /// What to add to the scores of T queries over P prefix and S other keys: [B|1,H|1,T,P+S];
  /// undefined if nothing is masked or biased. With a `window`, a query sees only the keys that are
  /// fewer positions away. Prefixes have no position: every query sees them.
  Tensor bias(int64_t prefix, int64_t window);
  Tensor encoded_bias() const;
  /// The embeddings of the distances that occur between tokens, and which is that of each query
  /// and key.
  struct Occurring {
    Tensor rows;   // [1,N,D]
    Tensor index;  // [B|1,T,S]
  };
  Occurring distances();
  /// To be called after the last block: registers these tokens in the cache.
  void finish();

 private:
  Tensor key_mask() const;
  Tensor key_positions() const;

  // Computed on first use, and again after tokens were added; blocks of one kind share them.
  struct Angles {
    Rotary rotary;
    Tensor cos, sin;  // [B|1,1,T,c]
  };
  struct Bias {
    int64_t prefix = 0, window = 0;
    Tensor bias;
  };

  const Adaptations& adaptations_;
  const Engine& engine_;
  Options options_;
  int layer_ = 0;            // the current block
  int64_t added_ = 0;        // prompts in the stream
  Tensor read_;              // options_.read among the tokens in the stream, prompts included
  Tensor mask_, positions_;  // of the tokens in the stream, prompts included
  Tensor grid_angles_;       // [T,c/2]; prompts do not turn
  std::vector<Angles> angles_;
  std::vector<Bias> biases_;
  std::optional<Occurring> distances_;
};

}  // namespace patina::nn
