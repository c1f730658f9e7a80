// Sentences of longer texts, as the samples of a pre-training.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "patina/base/random.h"
#include "patina/config/fields.h"
#include "patina/data/source.h"

namespace patina {

struct SentenceOptions {
  int64_t train = 60000, test = 1000;  // sentences
  int64_t shortest = 3, longest = 24;  // words in one

  void bind(Fields& f);
};

/// The sentences of a text: they end at a line's end, and after ".", "!" or "?" before white space.
/// White space around them is removed.
std::vector<std::string> sentences_of(std::string_view text);

/// The distinct sentences of a source's texts that have `shortest` to `longest` words, in order.
std::vector<std::string> sentences_of(const Source& texts, const SentenceOptions& options);

/// `count` of the sentences, drawn without order; all if there are fewer.
std::vector<std::string> drawn(const std::vector<std::string>& sentences, int64_t count,
                               Random random);

/// Sentences as a source of one class.
class Sentences : public Source {
 public:
  explicit Sentences(std::vector<std::string> texts) : texts_(std::move(texts)) {}

  int64_t size() const override { return int64_t(texts_.size()); }
  int64_t label(int64_t) const override { return 0; }
  bool is_text() const override { return true; }
  Text text(int64_t i) const override { return {texts_[size_t(i)], ""}; }
  std::string origin(int64_t i) const override;
  const std::vector<std::string>& classes() const override;

 private:
  std::vector<std::string> texts_;
};

}  // namespace patina
