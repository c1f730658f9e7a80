// An encoder, and a decoder with cross-attention to it: T5, BART.
#pragma once

#include "patina/checkpoint/name_table.h"
#include "patina/models/backbone.h"
#include "patina/models/family.h"
#include "patina/models/text/text_tower.h"
#include "patina/models/text/word_head.h"

namespace patina {

struct EncoderDecoderShape {
  std::string family;          // config.json's model_type
  TextShape encoder, decoder;  // vocabulary 0: the tokens' embedding is shared
  int64_t vocabulary = 0;
  WordHeadShape word_head;
  int64_t start = 0;  // first id of an answer
};

/// Adaptations number the decoder's blocks after the encoder's.
class EncoderDecoder : public Backbone {
 public:
  explicit EncoderDecoder(EncoderDecoderShape shape);

  Tensor tokens(const Input& input, const nn::Adaptations& adaptations = {}) const override;
  Tensor logits(const Tensor&) const override { return {}; }

  /// The decoder over an answer [B,T], given the encoder's output [B,S,D] and mask: [B,T,D].
  Tensor decode(const Input& answer, const Tensor& encoded, const Tensor& encoded_mask,
                const nn::Adaptations& adaptations = {}) const;
  /// Scores of every word: [B,T,D] -> [B,T,V].
  Tensor word_scores(const Tensor& tokens) const override {
    return word_head_(tokens, embed_, engine());
  }

  int64_t width() const override { return shape_.encoder.block.width; }
  std::vector<TowerShape> towers() const override {
    return {{nn::Tower::text, shape_.encoder.block, shape_.encoder.depth + shape_.decoder.depth,
             shape_.encoder.depth}};
  }
  bool has_decoder() const override { return true; }
  Tensor decoded(const Input& answer, const Input& input,
                 const nn::Adaptations& adaptations) const override {
    return decode(answer, tokens(input, adaptations), input.mask, adaptations);
  }
  std::string about() const override;
  std::optional<TextInput> text_input() const override {
    return TextInput{shape_.vocabulary, shape_.encoder.longest};
  }
  std::optional<Continuation> begin(const Input& prompt, const nn::Adaptations& adaptations,
                                    bool cached) const override;
  void set_engine(std::shared_ptr<const nn::Engine> engine) override {
    encoder_.set_engine(engine);
    decoder_.set_engine(engine);
    Backbone::set_engine(std::move(engine));
  }
  void walk(nn::Walk& w) override;
  std::unique_ptr<Backbone> clone() const override { return nn::copy_of(*this); }

  int64_t start() const { return shape_.start; }  // the id that the decoder begins with
  const TextTower& encoder() const { return encoder_; }
  const TextTower& decoder() const { return decoder_; }

 private:
  Tensor encode(const Input& input, const nn::Adaptations& adaptations) const override;

  EncoderDecoderShape shape_;
  nn::Embedding embed_;
  TextTower encoder_, decoder_;
  WordHead word_head_;
};

/// Labels shifted right, with `start` first: the decoder's input for training; -100 becomes `pad`.
Tensor shifted_right(const Tensor& labels, int64_t start, int64_t pad);

/// A frozen model with a checkpoint's weights. Throws Error(model) for sizes that are not possible
/// or weights that do not fit.
std::unique_ptr<Backbone> open_encoder_decoder(const Checkpoint& checkpoint,
                                               const EncoderDecoderShape& shape,
                                               const NameTable& names);

}  // namespace patina
