// The feed of language models that learn to answer: token ids, and which of them carry loss.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "patina/data/feed.h"
#include "patina/data/prompt.h"

namespace patina {

/// The tokens of one sample.
struct AnswerTokens {
  std::vector<int64_t> ids;
  std::vector<int64_t> loss;  // 1 for tokens that carry loss: each is predicted from those before
  int64_t cut = 0;            // tokens that were left out

  int64_t counted() const;  // tokens that carry loss
};

/// What a row of a batch has.
enum class AnswerRows {
  whole,    // a sample: prompt and answer
  packed,   // as many samples as fit, in order; a token attends to its own sample only
  prompts,  // a prompt, to be answered
};

/// Samples with texts as answers, through a renderer; and plain text, all of which carries loss.
/// Tokens in front of a text (the tokenizer's frame) carry none; the end-of-text token does. Of a
/// sample longer than max_length the prompt loses tokens from its front, down to a quarter of the
/// room; what is still too long of the answer is cut at its end. For an encoder-decoder a prompt is
/// a text of its own, which ends as its tokenizer ends texts.
class AnswerFeed : public Feed {
 public:
  /// `tokenizer` is lent. `max_length` 0: no limit. `encoded`: prompts are read by an encoder.
  /// Throws Error(model) if the renderer wants an end-of-text token and the tokenizer has none, and
  /// Error(recipe) for packed rows of an encoder-decoder.
  AnswerFeed(const Tokenizer& tokenizer, std::shared_ptr<const PromptRenderer> renderer,
             int64_t max_length, AnswerRows rows = AnswerRows::whole, bool encoded = false);

  /// The tokens of a sample. Throws Error(data), with the sample's origin, if none carries loss.
  AnswerTokens tokens(const Source& source, int64_t sample) const;

  /// The ids that end an answer: those that end a text, and the template's end of a turn.
  std::vector<int64_t> stops() const;

  std::unique_ptr<Making> begin(const Source& source, int64_t rows) const override;
  int64_t cost(const Source& source, int64_t sample) const override;
  std::string text() const override { return text_; }
  bool deterministic() const override { return true; }
  std::string unit() const override { return "texts"; }

 private:
  AnswerTokens of_exchange(const Exchange& exchange) const;
  AnswerTokens of_text(const Text& text) const;

  const Tokenizer& tokenizer_;
  std::shared_ptr<const PromptRenderer> renderer_;
  int64_t max_length_;
  AnswerRows rows_;
  bool encoded_;
  std::string text_;
};

/// Samples as one input, each in a row of its own, padded on the right; or `packed`: in the first
/// row with room, of at most `longest` tokens (0: of the longest sample's).
Input answer_rows(std::span<const AnswerTokens> samples, const Tokenizer& tokenizer, bool packed,
                  int64_t longest = 0);

/// The ids that end a text: for a decoder also the one that begins the next.
std::vector<int64_t> ends_of_text(const Tokenizer& tokenizer);

}  // namespace patina
