// From a prompt and its answer to the texts that a language model reads.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "patina/data/source.h"
#include "patina/text/chat_template.h"

namespace patina {

/// A part of a rendered sample. Each is tokenised by itself, so that the number of its tokens says
/// where the answer begins and ends.
struct PromptPart {
  std::string text;
  bool answer = false;  // the tokens carry loss
  bool ends = false;    // followed by the end-of-text token, which carries loss as the answer does
};

/// How prompts and answers are written. Thread-safe.
class PromptRenderer {
 public:
  virtual ~PromptRenderer() = default;

  /// The parts of a prompt and, last, its answer, the first of exchange.answers. Where the answer
  /// is asked for, all but the last are the prompt; of a conversation, earlier answers are among
  /// them.
  virtual std::vector<PromptPart> parts(const Exchange& exchange) const = 0;
  /// What else than the end-of-text token ends an answer; "": nothing.
  virtual std::string end() const { return ""; }
  /// Whether the texts contain the tokenizer's special tokens, so that none is put in front.
  virtual bool frames() const { return false; }
  /// Identifies the renderer: equal lines render equally.
  virtual std::string text() const = 0;
};

/// Each user's turn by one template, such as "{instruction}\n{input}\n"; a line that names {input}
/// is left out where there is none. A system message stands in front, in a line of its own; answers
/// are followed by the end-of-text token.
class PlainPrompt : public PromptRenderer {
 public:
  /// Throws Error(recipe) unless the template has {instruction}, and nothing else in braces than
  /// {input}.
  explicit PlainPrompt(std::string pattern);

  std::vector<PromptPart> parts(const Exchange& exchange) const override;
  std::string text() const override { return "plain prompt: " + pattern_; }

 private:
  std::string filled(const std::string& instruction, const std::string& input) const;

  std::string pattern_;
};

/// Conversations through a model's chat template. An instruction's input follows it on a new line.
/// Templates that write the date get that of 26 July 2024, so that a run can be repeated.
class ChatPrompt : public PromptRenderer {
 public:
  /// `chat` is lent.
  explicit ChatPrompt(const ChatTemplate& chat) : chat_(&chat) {}
  explicit ChatPrompt(ChatTemplate&& own)
      : own_(std::make_unique<const ChatTemplate>(std::move(own))), chat_(own_.get()) {}

  std::vector<PromptPart> parts(const Exchange& exchange) const override;
  std::string end() const override { return chat_->turn_end(); }
  bool frames() const override { return true; }
  std::string text() const override;

 private:
  std::unique_ptr<const ChatTemplate> own_;
  const ChatTemplate* chat_;
};

}  // namespace patina
