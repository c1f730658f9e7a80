// Whole samples, which a model learns to write: marker, prompt, marker, answer, end.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "patina/data/answer_feed.h"
#include "patina/text/tokenizer.h"

namespace patina {

/// The tokens of a sample, without those in front of every text and without the end-of-text token.
struct WholeSample {
  std::vector<int64_t> prompt, answer;
};

/// The formats of a model. A marker is written with the tokens that its tokenizer makes of it.
class WholeSamples {
 public:
  /// `tokenizer` is lent. `answer` marks where a whole sample's answer begins. Of a whole sample
  /// with more than `longest` tokens (0: no limit) the prompt loses its front, then the answer its
  /// end. `encoded`: an encoder reads what stands in front of what is written, a prompt or the
  /// first marker, as a text of its own. Throws Error(model) if there is no end-of-text token.
  WholeSamples(const Tokenizer& tokenizer, const std::string& answer, int64_t longest,
               bool encoded = false);

  /// Prompt, answer, end: the answer and the end carry loss.
  AnswerTokens answer_of(const WholeSample& sample) const;
  /// Marker, prompt, answer's marker, answer, end: everything carries loss, but what an encoder
  /// reads.
  AnswerTokens whole(const std::string& marker, const WholeSample& sample) const;
  /// The start of a whole sample, to be continued.
  AnswerTokens begun(const std::string& marker) const;
  /// The samples of a batch, from its rows of prompts and answers.
  std::vector<WholeSample> samples_of(const Input& input) const;
  /// What was written behind a marker; nothing unless it has exactly one answer's marker, with a
  /// prompt in front of it and an answer behind it.
  std::optional<WholeSample> read(std::span<const int64_t> written) const;
  /// For each token of whole samples that carries loss, row by row: `weight` for those of the
  /// answer's marker, 1 for all others.
  Tensor marker_weights(const std::vector<AnswerTokens>& whole, double weight) const;
  /// The end-of-text token.
  int64_t end() const { return tokenizer_.special().end; }

 private:
  std::vector<size_t> markers_in(std::span<const int64_t> ids) const;

  const Tokenizer& tokenizer_;
  std::vector<int64_t> answer_;
  int64_t longest_;
  bool encoded_;
};

}  // namespace patina
