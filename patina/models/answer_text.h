// An answer as a person reads it: the text of the chosen tokens up to where it ends, and how likely
// each token was.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "patina/config/fields.h"
#include "patina/models/backbone.h"
#include "patina/models/generate.h"
#include "patina/text/tokenizer.h"

namespace patina {

/// What is given of an answer, beside how its tokens are chosen.
struct OutputOptions {
  std::vector<std::string> stop = {};  // texts before which an answer ends
  bool logprobs = false;               // with the log-probability of each of its tokens
  int64_t top_logprobs = 0;            // and with so many of the likeliest tokens in its place
  bool echo = false;                   // the same of the prompt's tokens

  void bind(Fields& f);
};

/// Throws Error(usage) if the options do not fit together.
void check(const OutputOptions& options);

/// A token and its log-probability in nats: that of the network, which penalty, temperature, top_k
/// and top_p do not change.
struct TokenLogprob {
  struct Alternative {
    int64_t id = 0;
    std::string text;
    double logprob = 0;
  };
  int64_t id = 0;
  std::string text;  // of an answer what the token added: "" while a character is incomplete
  double logprob = 0;
  std::vector<Alternative> top = {};  // the likeliest tokens, likeliest first
};

/// The log-probability of token `id` by the scores of all words, and the `top` likeliest tokens;
/// equal ones in the order of their ids.
TokenLogprob logprob_of(std::span<const float> scores, int64_t id, int64_t top,
                        const Tokenizer& tokenizer);

/// Those of the tokens of texts, each by the tokens before it; the first token of a text has none
/// and is left out. Throws Error(model) for an encoder-decoder, which does not predict its prompts.
std::vector<std::vector<TokenLogprob>> prompt_logprobs(const Backbone& network, const Input& texts,
                                                       const Experts& experts, int64_t top,
                                                       const Tokenizer& tokenizer,
                                                       int64_t at_once = 1 << 24);

/// Makes an answer of tokens, one after the other. A text in `stop` and what follows it is no part
/// of the answer, wherever its tokens begin and end. Both arguments are lent.
class AnswerText {
 public:
  AnswerText(const Tokenizer& tokenizer, const OutputOptions& options)
      : options_(options), tokenizer_(tokenizer), stream_(tokenizer) {}

  /// The tokens before the answer, where it continues them: what its first token adds, such as a
  /// space, depends on them.
  void after(std::span<const int64_t> ids);
  /// The text that is certain to belong to the answer now, and was not before.
  std::string push(const ChosenToken& token);
  /// The text that is left.
  std::string finish();

  bool stopped() const { return stop_ >= 0; }  // by a text in `stop`
  /// That text; "" if none did.
  std::string stopped_by() const { return stopped() ? options_.stop[size_t(stop_)] : ""; }
  int64_t tokens() const { return int64_t(begins_.size()); }  // that begin before the answer's end
  /// Of these tokens; their texts together are the answer.
  const std::vector<TokenLogprob>& logprobs() const { return logprobs_; }

 private:
  std::string take(const std::string& piece);
  void end_at(size_t length);

  const OutputOptions& options_;
  const Tokenizer& tokenizer_;
  TokenStream stream_;
  std::string text_;            // of all tokens, to the end
  size_t given_ = 0;            // bytes of it that were returned
  std::vector<size_t> begins_;  // where each token's text begins in it
  std::vector<TokenLogprob> logprobs_;
  int64_t stop_ = -1;
};

}  // namespace patina
