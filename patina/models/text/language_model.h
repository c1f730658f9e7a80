// A text tower with its checkpoint's heads: BERT, RoBERTa, DistilBERT, MPNet, ModernBERT,
// DeBERTa, GPT-2, LLaMA and its descendants.
#pragma once

#include "patina/checkpoint/name_table.h"
#include "patina/models/backbone.h"
#include "patina/models/family.h"
#include "patina/models/stored_form.h"
#include "patina/models/text/shared_prefix.h"
#include "patina/models/text/text_tower.h"
#include "patina/models/text/word_head.h"

namespace patina {

struct LanguageShape {
  std::string family;  // config.json's model_type
  TextShape text;
  Pooling pooling = Pooling::first;
  bool unit_length = false;  // features are divided by their length
  bool pooler = false;       // has BERT's pooler: tanh(dense) of the first token
  bool words = false;        // has a language-model head
  WordHeadShape word_head;   // its shape
  int64_t classes = 0;       // of the checkpoint's classifier; 0: none
  bool class_dense = false;  // the classifier has a hidden layer
  bool class_dense_bias = true;
  bool class_norm = false;  // and a norm after its activation
  bool class_bias = true;
  nn::Activation class_activation = nn::Activation::tanh;
  bool next_sentence = false;  // has BERT's second pre-training head
};

class LanguageModel : public Backbone {
 public:
  explicit LanguageModel(LanguageShape shape);

  /// Of a decoder without gradients, what all rows have in common at their beginning is computed
  /// once.
  Tensor tokens(const Input& input, const nn::Adaptations& adaptations = {}) const override;
  /// The checkpoint's classifier on features, after BERT's pooler or a hidden layer.
  Tensor logits(const Tensor& features) const override;

  /// BERT's pooler over features [B,D] -> [B,D].
  Tensor pooled(const Tensor& features) const override;
  /// BERT's prediction whether the second text follows the first: features [B,D] -> [B,2].
  Tensor next_sentence(const Tensor& features) const;
  /// Scores of every word at every token: [B,T,D] -> [B,T,V].
  Tensor word_scores(const Tensor& tokens) const override;

  int64_t width() const override { return shape_.text.block.width; }
  std::vector<TowerShape> towers() const override {
    const int64_t depth = shape_.text.depth;
    return {{nn::Tower::text, shape_.text.block, depth, depth}};
  }
  std::string about() const override;
  std::optional<TextInput> text_input() const override;
  bool insert_blocks(const std::vector<int64_t>& behind) override;
  std::vector<int64_t> inserted_blocks() const override { return shape_.text.inserted; }
  bool widen_blocks(int64_t hidden, int64_t key_heads, double noise, Random& random) override;
  bool generates() const override { return shape_.text.causal && shape_.words; }
  std::optional<Continuation> begin(const Input& prompt, const nn::Adaptations& adaptations,
                                    bool cached) const override;
  void set_engine(std::shared_ptr<const nn::Engine> engine) override {
    tower_.set_engine(engine);
    Backbone::set_engine(std::move(engine));
  }
  void walk(nn::Walk& w) override;
  std::unique_ptr<Backbone> clone() const override { return nn::copy_of(*this); }

  std::string long_texts() const override;

  const LanguageShape& shape() const { return shape_; }
  const TextTower& text_tower() const { return tower_; }
  const SharedPrefix& shared_prefix() const { return shared_; }

 private:
  Tensor encode(const Input& input, const nn::Adaptations& adaptations) const override;
  std::optional<SharedPrefix::Known> known(const Input& input,
                                           const nn::Adaptations& adaptations) const;

  LanguageShape shape_;
  TextTower tower_;
  nn::Linear pooler_, class_dense_, classifier_, next_sentence_;
  nn::Norm class_norm_;
  WordHead word_head_;
  mutable SharedPrefix shared_;
};

/// A frozen model with a checkpoint's weights. A tied word head that the checkpoint has of its own
/// is not tied. `keys`: of a network that can grow.
std::unique_ptr<Backbone> open_language_model(const Checkpoint& checkpoint, LanguageShape shape,
                                              NameTable names, ShapeKeys keys = {});

}  // namespace patina
