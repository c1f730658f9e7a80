// A stack of blocks over token ids: the common part of BERT, GPT-2, LLaMA, Gemma, both halves of T5
// and BART, and CLIP's text side, which differ in its shape.
#pragma once

#include <vector>

#include "patina/nn/block.h"

namespace patina {

struct TextShape {
  nn::BlockShape block;           // of every block, as far as `local` blocks do not differ
  std::vector<bool> local;        // blocks that see a window of the text; absent ones do not
  int64_t window = 0;             // of local blocks
  nn::Rotary local_rotary;        // of local blocks; one that does not turn: as the others'
  std::vector<int64_t> inserted;  // blocks that were inserted later
  int64_t depth = 12;
  int64_t vocabulary = 0;      // rows of the token embedding; 0: given for each pass
  int64_t positions = 0;       // learned positions; 0: rotary, relative or none
  int64_t position_start = 0;  // RoBERTa's first position, after the one for padding
  int64_t pad = -1;            // RoBERTa's padding id, not counted for positions; -1: none
  int64_t types = 0;           // token types (BERT's segments)
  int64_t longest = 0;         // maximal number of tokens; 0: no limit
  int64_t relative_buckets = 0;
  int64_t relative_furthest = 128;
  int64_t distances = 0;          // s, rows of distances on each side (DeBERTa); 0: none
  int64_t distance_buckets = 0;   // as nn::Distances has them
  int64_t distance_furthest = 0;  // as nn::Distances has it
  bool distance_norm = false;     // norm over the rows of distances
  double embed_scale = 1;         // factor of the token embedding in the stream (Gemma)
  bool embed_norm = false;        // norm before the first block
  bool bare_first = false;        // the first block has no norm before its attention
  bool final_norm = true;         // norm after the last block
  bool causal = false;

  nn::BlockShape block_at(int64_t layer) const;
};

/// Optional inputs of a pass besides the tokens.
struct TextContext {
  Tensor positions;                      // [B,T]; undefined: 0, 1, ...
  nn::KeyValues* cache = nullptr;        // of the preceding tokens
  Tensor encoded, encoded_mask;          // an encoder's output [B,S,D] and mask [B,S]
  const nn::Embedding* words = nullptr;  // of tokens, for a tower without its own (T5)
  Tensor images;  // [B,N,D]: what stands in the places of a row's first N tokens
                  // `image`; undefined: nothing does
  int64_t image = -1;
  Tensor read;          // [B,R]: the tokens to return; undefined: all
  int first_layer = 0;  // the number of this tower's first block for adaptations
};

class TextTower {
 public:
  TextTower() = default;
  explicit TextTower(const TextShape& shape);

  /// All tokens after the final norm: [B,T] ids -> [B,T,D].
  Tensor operator()(const Input& input, const nn::Adaptations& adaptations,
                    const TextContext& context = {}) const;
  /// The token embedding, which a tied head uses to score words.
  const nn::Embedding& words() const { return embed_; }
  /// Inserts behind each of these blocks a copy of it that adds nothing to the residual stream.
  void insert_blocks(const std::vector<int64_t>& behind);
  /// Widens every block, as Backbone::widen_blocks says.
  void widen_blocks(int64_t hidden, int64_t key_heads, double noise, Random& random);
  /// T5's bias, [1,H,T,T] over the first T positions.
  Tensor relative_bias(int64_t tokens) const;
  void set_engine(std::shared_ptr<const nn::Engine> engine) { engine_ = std::move(engine); }
  const TextShape& shape() const { return shape_; }
  void walk(nn::Walk& w);

 private:
  Tensor embed(const Input& input, const TextContext& context) const;

  TextShape shape_;
  std::shared_ptr<const nn::Engine> engine_ = nn::plain_engine();
  nn::Embedding embed_, position_, type_;
  nn::Norm embed_norm_, norm_;
  nn::RelativeBias relative_;
  nn::Distances distances_;
  std::vector<nn::Block> blocks_;
};

/// How a text's features are computed from its tokens.
enum class Pooling { first, last, mean };

/// The index of the token to pool: [B,1]; undefined for the mean.
Tensor pooled_token(Pooling pooling, const Input& input);
/// The mean of tokens [B,T,D] without padding (mask undefined: no padding): [B,D].
Tensor mean_of(const Tensor& tokens, const Tensor& mask);
/// Each row divided by its length: [B,D].
Tensor unit_length(const Tensor& features);

}  // namespace patina
