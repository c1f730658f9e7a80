// Tokenizers: convert text to the ids a model was trained on, and back.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "patina/base/error.h"

namespace patina {

class ChatTemplate;

/// Ids with a fixed meaning; -1 if the vocabulary has none.
struct SpecialTokens {
  int64_t unknown = -1, begin = -1, end = -1, separator = -1, classifier = -1, pad = -1, mask = -1;
};

/// A model's input: ids, and which text each belongs to.
struct Encoding {
  std::vector<int64_t> ids;
  std::vector<int64_t> types;  // 0: the first text and its special tokens, 1: the second's
};

/// The special tokens around texts: `before` A `after`, or for a pair `before` A `between` B
/// `after_pair`. BERT: [CLS] A [SEP] and [CLS] A [SEP] B [SEP]. GPT-2: none.
struct Frame {
  std::vector<int64_t> before, after, between, after_pair;
  bool second_type = false;  // B and everything after it has type 1 (BERT); otherwise all are 0
};

/// Converts text to ids and back. Const methods are thread-safe.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// The ids of a text without special tokens. Any bytes are accepted: invalid UTF-8 is read as
  /// U+FFFD.
  virtual std::vector<int64_t> encode(std::string_view text) const = 0;
  /// The text of ids; invalid UTF-8 becomes U+FFFD, ids outside the vocabulary are skipped.
  virtual std::string decode(std::span<const int64_t> ids, bool skip_special = false) const = 0;

  /// Ids are in [0, size()).
  virtual int64_t size() const = 0;
  /// The vocabulary's own spelling ("##ing", "Ġthe", "▁the"); "" outside it.
  virtual std::string token(int64_t id) const = 0;
  virtual std::optional<int64_t> id(std::string_view token) const = 0;
  /// "WordPiece, 30522 tokens, lower case".
  virtual std::string about() const = 0;

  const SpecialTokens& special() const { return special_; }
  const Frame& frame() const { return frame_; }

  /// Writes conversations as the model's texts; null if the model has no chat template. Throws
  /// Error(format) if it has one that patina does not support.
  const ChatTemplate* chat_template() const;
  /// Reads a chat template; what is wrong with it is told when it is asked for. `origin` names it.
  void set_chat_template(const std::string& text, const std::string& origin);

  /// A text or a pair with special tokens, truncated to `max_length` tokens (0: no limit). In a
  /// pair the longer text loses its last token first (Hugging Face's `longest_first`). Special
  /// tokens are never removed; `max_length` must have room for them.
  Encoding encode_framed(std::string_view text, std::optional<std::string_view> second = {},
                         int64_t max_length = 0) const;

 protected:
  SpecialTokens special_;
  Frame frame_;

 private:
  std::shared_ptr<const ChatTemplate> chat_template_;
  std::optional<Error> chat_template_error_;
};

/// Decodes ids one by one and returns the text that is complete. All results together equal the
/// text of all ids, even if a character is spread over several ids.
class TokenStream {
 public:
  explicit TokenStream(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  /// The text completed by `id`; "" while a character is incomplete.
  std::string push(int64_t id);
  /// The remaining text.
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  std::vector<int64_t> ids_;
  size_t given_ = 0;  // bytes of the text already returned
};

/// Loads the tokenizer of a model folder. `path` is the folder or one of these files in it:
/// `tokenizer.json`; BERT's `vocab.txt`; `vocab.json` with `merges.txt` (GPT-2, RoBERTa, Qwen2,
/// CLIP); OpenAI's `encoder.json` with `vocab.bpe`, and `bpe_simple_vocab_16e6.txt.gz`;
/// SentencePiece's `tokenizer.model` or `spiece.model`; llama2.c's `tokenizer.bin` or `tok512.bin`.
/// The settings in `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json` are
/// applied, and the chat template is read: `chat_template.jinja`, or that in
/// `tokenizer_config.json` or `chat_template.json`.
///
/// `family` is the config's model_type ("bert", "roberta", "gpt2", "llama", "qwen2", "t5",
/// "clip"...; "" if unknown). It determines special tokens that the files do not specify. Throws
/// Error(file) if there is no tokenizer, and Error(format), which names the file and the problem,
/// if it is invalid.
std::unique_ptr<Tokenizer> load_tokenizer(const std::string& path, const std::string& family = "");

/// BERT's tokenizer, in lower case, of a vocabulary alone: the lines of a vocab.txt. Throws
/// Error(format); messages start with `origin`.
std::unique_ptr<Tokenizer> word_piece_tokenizer(std::string_view vocabulary,
                                                const std::string& origin);

/// Whether the folder has files that load_tokenizer can use.
bool has_tokenizer(const std::string& path);

}  // namespace patina
