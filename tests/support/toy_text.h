// Toy texts for learners: sentences whose classes differ in their words, a tokenizer of whole
// words, and a network that averages them. Everything depends on (seed, sample) only.
#pragma once

#include <algorithm>
#include <sstream>

#include "patina/base/error.h"
#include "patina/data/source.h"
#include "patina/models/backbone.h"
#include "patina/nn/layers.h"
#include "patina/ops.h"
#include "patina/text/tokenizer.h"

namespace patina {

/// `per_class` texts of each class; the classes alternate. A text has 2 to 13 words. About half of
/// them belong to its class ("c3w1"), the others to no class ("w7").
class ToyTexts : public Source {
 public:
  ToyTexts(int64_t classes, int64_t per_class, uint64_t seed = 0)
      : count_(classes * per_class), seeds_(seed) {
    for (int64_t c = 0; c < classes; ++c) classes_.push_back(fmt::format("toy {}", c));
  }

  int64_t size() const override { return count_; }
  int64_t label(int64_t i) const override { return i % int64_t(classes_.size()); }
  bool is_text() const override { return true; }
  std::string origin(int64_t i) const override { return fmt::format("toy:{}", i); }
  const std::vector<std::string>& classes() const override { return classes_; }

  Text text(int64_t i) const override {
    Random random = seeds_("text", uint64_t(i));
    std::string words = fmt::format("c{}w0", label(i));
    for (uint64_t left = 1 + random.below(12); left > 0; --left)
      words += random.chance(0.5) ? fmt::format(" c{}w{}", label(i), random.below(4))
                                  : fmt::format(" w{}", random.below(10));
    return {words, ""};
  }

 private:
  int64_t count_;
  Seeds seeds_;
  std::vector<std::string> classes_;
};

inline DataSplits toy_texts(int64_t classes, int64_t train_per_class, int64_t test_per_class) {
  return {"toy", std::make_unique<ToyTexts>(classes, train_per_class, 1),
          std::make_unique<ToyTexts>(classes, test_per_class, 2)};
}

/// Splits at spaces; a word's id is its hash. Adds [CLS] A [SEP], or [CLS] A [SEP] B [SEP] for two
/// texts.
class WordTokenizer : public Tokenizer {
 public:
  static constexpr int64_t kSize = 512, kPad = 5, kClassifier = 1, kSeparator = 2;

  explicit WordTokenizer(bool framed = true, int64_t size = kSize) : size_(size) {
    special_ = {.unknown = 3, .pad = kPad};
    if (!framed) return;
    frame_ = {.before = {kClassifier},
              .after = {kSeparator},
              .between = {kSeparator},
              .after_pair = {kSeparator},
              .second_type = true};
  }
  std::vector<int64_t> encode(std::string_view text) const override {
    std::vector<int64_t> ids;
    std::istringstream words{std::string(text)};
    for (std::string word; words >> word;) ids.push_back(*id(word));
    return ids;
  }
  std::string decode(std::span<const int64_t>, bool) const override { return ""; }
  int64_t size() const override { return size_; }
  std::string token(int64_t id) const override { return fmt::format("<{}>", id); }
  std::optional<int64_t> id(std::string_view word) const override {
    uint64_t hash = 7;
    for (const char c : word) hash = hash * 131 + uint8_t(c);
    return 8 + int64_t(hash % (kSize - 8));
  }
  std::string about() const override { return "toy words"; }

 private:
  int64_t size_;
};

/// The mean of the tokens' vectors, without padding, through one layer.
class MeanOfWords : public Backbone {
 public:
  static constexpr int64_t kWidth = 24;

  explicit MeanOfWords(uint64_t seed = 1, int64_t max_tokens = 16) : max_tokens_(max_tokens) {
    Random random = Seeds(seed)("words");
    table_ = at::empty({WordTokenizer::kSize, kWidth});
    nn::init_normal(table_, random, 0, 1);
    mix_ = nn::Linear(kWidth, kWidth);
    nn::init_normal(mix_.weight, random, 0, 0.3);
    nn::init_normal(mix_.bias, random, 0, 0.3);
    nn::freeze(*this);
    set_tokenizer(std::make_shared<WordTokenizer>());
  }

  Tensor encode(const Input& input, const nn::Adaptations&) const override {
    PATINA_CHECK(input.is_text() && input.data.size(1) <= max_tokens_, "not a text, or too long");
    const Tensor mask = input.mask.unsqueeze(2).to(at::kFloat);                 // [B,T,1]
    return at::relu(mix_((tokens(input) * mask).sum(1) / mask.sum(1))) + 0.01;  // [B,D]
  }
  Tensor tokens(const Input& input, const nn::Adaptations& = {}) const override {
    return table_.index_select(0, input.data.reshape({-1}))
        .reshape({input.data.size(0), input.data.size(1), kWidth});
  }
  Tensor logits(const Tensor&) const override { return {}; }

  int64_t width() const override { return kWidth; }
  std::vector<TowerShape> towers() const override {
    return {{.tower = nn::Tower::text, .layers = 1, .prompt_layers = 1}};
  }
  std::optional<TextInput> text_input() const override {
    return TextInput{.vocabulary = WordTokenizer::kSize, .longest = max_tokens_};
  }
  std::string about() const override { return "mean of words"; }
  void walk(nn::Walk& w) override {
    w("table", table_);
    w("mix", mix_);
  }
  std::unique_ptr<Backbone> clone() const override {
    auto copy = std::make_unique<MeanOfWords>(1, max_tokens_);
    NoGrad no_grad;
    copy->table_.copy_(table_);
    copy->mix_.weight.copy_(mix_.weight);
    copy->mix_.bias.copy_(mix_.bias);
    return copy;
  }

 private:
  int64_t max_tokens_;
  Tensor table_;  // [V,D]
  nn::Linear mix_;
};

}  // namespace patina
