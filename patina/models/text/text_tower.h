// A stack of blocks over token ids: what BERT, GPT-2, LLaMA, T5's two halves and CLIP's text side
// have in common. A family is a shape of it.
#pragma once

#include <vector>

#include "patina/nn/block.h"

namespace patina {

struct TextShape {
  nn::BlockShape block;
  int64_t depth = 12;
  int64_t vocabulary = 0;      // rows of the token embedding; 0: it is lent for each pass (T5)
  int64_t positions = 0;       // learned positions; 0: rotary, relative or none
  int64_t position_start = 0;  // RoBERTa's first position, after that of its padding
  int64_t pad = -1;            // RoBERTa: the id that does not count as a position
  int64_t types = 0;           // token types (BERT's segments)
  int64_t longest = 0;         // tokens the network was made for; 0: no limit
  int64_t relative_buckets = 0;
  int64_t relative_furthest = 128;
  bool embed_norm = false;  // normalises what enters the first block
  bool final_norm = true;   // and what leaves the last
  bool causal = false;
};

/// What a pass may bring besides its tokens.
struct TextContext {
  Tensor positions;                // [B,T]; undefined: 0, 1, ...
  nn::KeyValues* cache = nullptr;  // of the tokens before these
  Tensor encoded, encoded_mask;    // an encoder's output [B,S,D] and mask [B,S]
  Tensor words;                    // [V,D] token embedding, for a tower without one (T5)
  Tensor read;                     // [B,R]: the tokens wanted; undefined: all
  int first_layer = 0;             // where adaptations count this tower's blocks from
};

class TextTower {
 public:
  TextTower() = default;
  explicit TextTower(const TextShape& shape);

  /// Every token after the final norm: [B,T] ids -> [B,T,D].
  Tensor operator()(const Input& input, const nn::Adaptations& adaptations,
                    const TextContext& context = {}) const;
  /// The token embedding [V,D]: what a tied head scores words with.
  const Tensor& words() const { return embed_.weight; }
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
  std::vector<nn::Block> blocks_;
};

/// Which of a text's tokens stand for the whole.
enum class Pooling { first, last, mean };

/// The token of each text that stands for it: [B,1]; undefined where all do.
Tensor pooled_token(Pooling pooling, const Input& input);
/// The mean of tokens [B,T,D] without padding (mask undefined: there is none): [B,D].
Tensor mean_of(const Tensor& tokens, const Tensor& mask);

}  // namespace patina
