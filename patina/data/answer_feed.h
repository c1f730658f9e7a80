// The feed of language models that learn to answer: token ids, and which of them carry loss. And of
// questions about images, which classes answer.
#pragma once

#include <memory>
#include <optional>
#include <span>
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

/// How an image stands in the texts of a network.
struct AnswerImages {
  int64_t token = 0;           // the token that stands for a part of it
  int64_t count = 0;           // so many of them for an image
  TransformOptions transform;  // without randomness
};

/// Samples with texts as answers, through a renderer; and plain text, all of which carries loss.
/// Tokens in front of a text (the tokenizer's frame) carry none; the end-of-text token does. Of a
/// sample longer than max_length the prompt loses tokens from its front, down to a quarter of the
/// room; what is still too long of the answer is cut at its end. For an encoder-decoder a prompt is
/// a text of its own, which ends as its tokenizer ends texts.
///
/// The image of a sample stands where its instruction names it, by the text of the image's token
/// ("<image>"), or before the first instruction, in a line of its own. None of its tokens is cut.
class AnswerFeed : public Feed {
 public:
  /// `tokenizer` is lent. `max_length` 0: no limit. `encoded`: prompts are read by an encoder.
  /// Throws Error(model) if the renderer wants an end-of-text token and the tokenizer has none, or
  /// if it has no token for images, and Error(recipe) for packed rows of an encoder-decoder or with
  /// images, and if there is no room for an image.
  AnswerFeed(const Tokenizer& tokenizer, std::shared_ptr<const PromptRenderer> renderer,
             int64_t max_length, AnswerRows rows = AnswerRows::whole, bool encoded = false,
             const std::optional<AnswerImages>& images = {});

  /// The tokens of a sample. Throws Error(data), with the sample's origin, if none carries loss.
  AnswerTokens tokens(const Source& source, int64_t sample) const;

  /// The images of some samples, [B,3,H,W]; undefined if they or the network have none. Throws the
  /// errors of decoding.
  Tensor images(const Source& source, std::span<const int64_t> samples) const;

  /// The ids that end an answer: those that end a text, and the template's end of a turn.
  std::vector<int64_t> stops() const;

  std::unique_ptr<Making> begin(const Source& source, int64_t rows) const override;
  int64_t cost(const Source& source, int64_t sample) const override;
  std::string text() const override { return text_; }
  bool deterministic() const override { return true; }
  std::string unit() const override { return "texts"; }

 private:
  AnswerTokens of_exchange(const Exchange& exchange, bool with_image) const;
  Exchange naming_its_image(Exchange exchange, const std::string& origin) const;
  AnswerTokens of_text(const Text& text) const;

  const Tokenizer& tokenizer_;
  std::shared_ptr<const PromptRenderer> renderer_;
  int64_t max_length_;
  AnswerRows rows_;
  bool encoded_;
  std::optional<AnswerImages> images_;
  std::optional<Transform> transform_;  // of images
  std::string image_word_;              // the text of the image's token
  std::string text_;
};

/// Samples as one input, each in a row of its own, padded on the right; or `packed`: in the first
/// row with room, of at most `longest` tokens (0: of the longest sample's).
Input answer_rows(std::span<const AnswerTokens> samples, const Tokenizer& tokenizer, bool packed,
                  int64_t longest = 0);

/// The ids that end a text: for a decoder also the one that begins the next.
std::vector<int64_t> ends_of_text(const Tokenizer& tokenizer);

/// A question as a text, and the pixels of its image beside it: Input::images.
class QuestionFeed : public Feed {
 public:
  QuestionFeed(std::unique_ptr<Feed> images, std::unique_ptr<Feed> texts);

  std::unique_ptr<Making> begin(const Source& source, int64_t rows) const override;
  int64_t cost(const Source& source, int64_t sample) const override {
    return texts_->cost(source, sample);
  }
  std::string text() const override { return texts_->text() + " about " + images_->text(); }
  bool deterministic() const override { return images_->deterministic(); }
  std::string unit() const override { return "questions"; }
  void never_needed(int64_t samples) const override { images_->never_needed(samples); }

 private:
  std::unique_ptr<Feed> images_, texts_;
};

}  // namespace patina
