// Chat templates: write a conversation as the text that a model was trained on. They are the Jinja
// templates of published models, rendered as transformers' apply_chat_template renders them.
#pragma once

#include <ctime>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "patina/base/json_fwd.h"
#include "patina/text/chat/limits.h"

namespace patina {

namespace chat {
struct Tree;
}

struct ChatMessage {
  std::string role, content;  // "system", "user", "assistant"
};

/// What a template reads beside the messages.
struct ChatOptions {
  bool generation_prompt = false;   // end with the beginning of an answer
  const Json* tools = nullptr;      // a list of JSON schemas
  const Json* documents = nullptr;  // a list of objects
  const Json* variables = nullptr;  // an object, such as {"enable_thinking": false}
  std::optional<std::tm> now;       // the date that a template may write; nothing: the local time
};

/// A part of a text, in bytes: [begin, end).
struct TextSpan {
  size_t begin = 0, end = 0;
  bool operator==(const TextSpan&) const = default;
};

/// A conversation as text, and which parts of it the assistant writes.
struct ChatText {
  std::string text;
  std::vector<TextSpan> answers;
};

/// Const methods are thread-safe. The text of a conversation already contains the special tokens of
/// a model's texts: it is encoded by Tokenizer::encode, not by encode_framed.
class ChatTemplate {
 public:
  /// `tokens`: the special tokens by the names that templates use, such as {"bos_token", "<s>"}.
  /// Throws Error(format), which names `origin`, the line and the column, for what is not
  /// supported.
  ChatTemplate(std::string_view text, std::string origin,
               std::map<std::string, std::string> tokens = {}, const ChatLimits& limits = {});
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  /// The text of a conversation. `messages`: a list of objects with "role" and "content", which may
  /// be a list of parts, and what else the template reads, such as "tool_calls". Throws Error(data)
  /// if the template refuses the conversation, or if rendering exceeds the limits.
  std::string render(const Json& messages, const ChatOptions& options = {}) const;
  std::string render(std::span<const ChatMessage> messages, const ChatOptions& options = {}) const;

  /// The same text and the parts that the assistant writes: what a model learns. They are the
  /// template's {% generation %} blocks. Without such blocks an answer is what follows the text up
  /// to it, with a generation prompt; it ends with the marker that ends its turn, before any white
  /// space after that marker. `last_only`: of the last message alone, which must be an answer; for
  /// templates that write an answer in another way once others follow. Otherwise such a template
  /// is refused with Error(data), and so is a conversation without an answer.
  ChatText with_answers(const Json& messages, const ChatOptions& options = {},
                        bool last_only = false) const;
  ChatText with_answers(std::span<const ChatMessage> messages, const ChatOptions& options = {},
                        bool last_only = false) const;

  /// Whether the template has {% generation %} blocks.
  bool marks_answers() const;
  /// What the template writes after an answer to end its turn, such as "<|im_end|>"; "" if that
  /// cannot be told.
  std::string turn_end() const;

  const std::string& origin() const;

 private:
  ChatText rendered(const Json& messages, const ChatOptions& options) const;
  TextSpan answer_at(const Json& messages, size_t at, const std::string& whole,
                     const ChatOptions& options) const;

  std::unique_ptr<const chat::Tree> tree_;
  std::map<std::string, std::string> tokens_;
  ChatLimits limits_;
};

}  // namespace patina
