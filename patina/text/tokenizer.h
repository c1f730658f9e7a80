// Tokenizers: text to the ids a model was trained on, and back.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace patina {

/// Ids with a fixed meaning; -1 where a vocabulary has none.
struct SpecialTokens {
  int64_t unknown = -1, begin = -1, end = -1, separator = -1, classifier = -1, pad = -1, mask = -1;
};

/// What a model is fed: ids, and which text each belongs to.
struct Encoding {
  std::vector<int64_t> ids;
  std::vector<int64_t> types;  // 0: the first text and its special tokens, 1: the second's
};

/// What a model wants around its texts: `before` A `after`, or `before` A `between` B `after_pair`.
/// BERT: [CLS] A [SEP], [CLS] A [SEP] B [SEP]. GPT-2: nothing.
struct Frame {
  std::vector<int64_t> before, after, between, after_pair;
  bool second_type = false;  // B and what follows it have type 1 (BERT); else all are 0
};

/// Text to ids and back. Const methods may be called from any thread.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// The ids of a text alone: nothing is put around it. Any bytes are allowed: what is not UTF-8 is
  /// read as U+FFFD.
  virtual std::vector<int64_t> encode(std::string_view text) const = 0;
  /// The text of ids; what is not UTF-8 becomes U+FFFD, ids outside the vocabulary nothing.
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

  /// A text, or a pair, with the frame around it, cut to `max_length` tokens (0: uncut): of a pair
  /// the longer text loses its last token first (Hugging Face's `longest_first`). The frame stays
  /// whole; `max_length` must have room for it.
  Encoding encode_framed(std::string_view text, std::optional<std::string_view> second = {},
                         int64_t max_length = 0) const;

 protected:
  SpecialTokens special_;
  Frame frame_;
};

/// Text as its ids arrive: what is complete so far. Decoding piece by piece gives the same text as
/// decoding at once, even where a character is spread over several ids.
class TokenStream {
 public:
  explicit TokenStream(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  /// The text that `id` completes; often one piece, "" while a character is unfinished.
  std::string push(int64_t id);
  /// What is left.
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  std::vector<int64_t> ids_;
  size_t given_ = 0;  // bytes of the text handed out
};

/// The tokenizer of a model folder (or of one of the files named here), by the files in it:
/// `tokenizer.json`, BERT's `vocab.txt`, `vocab.json` with `merges.txt` (GPT-2, RoBERTa, Qwen2,
/// CLIP), OpenAI's `encoder.json` with `vocab.bpe` and `bpe_simple_vocab_16e6.txt.gz`,
/// SentencePiece's `tokenizer.model` or `spiece.model`, llama2.c's `tokenizer.bin` or `tok512.bin`;
/// with what `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json` add.
/// `family` is the config's model_type ("bert", "roberta", "gpt2", "llama", "qwen2", "t5",
/// "clip"...; "" when unknown): it settles the frame and special tokens where the files are silent.
/// Throws Error(file) when there is none, Error(format) naming the file and what is wrong in it.
std::unique_ptr<Tokenizer> load_tokenizer(const std::string& path, const std::string& family = "");

/// True when load_tokenizer would find something in the folder.
bool has_tokenizer(const std::string& path);

}  // namespace patina
