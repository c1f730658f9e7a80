// Toy prompts with answers, a tokenizer of bytes, and a decoder that reads them; questions that an
// image answers, and a LLaVA.
#pragma once

#include "patina/base/json.h"
#include "patina/checkpoint/load.h"
#include "patina/data/domains.h"
#include "patina/data/source.h"
#include "patina/models/catalog.h"
#include "patina/models/text/language_model.h"
#include "patina/models/two_tower/llava.h"
#include "patina/text/tokenizer.h"
#include "tests/support/families.h"
#include "tests/support/shared.h"

namespace patina {

/// A token a byte, with tokens for begin and end and without one for padding.
class ByteTokenizer : public Tokenizer {
 public:
  static constexpr int64_t kBegin = 1, kEnd = 2, kFirst = 3, kSize = kFirst + 256;

  explicit ByteTokenizer(bool framed = true) {
    special_ = {.begin = kBegin, .end = kEnd};
    if (framed) frame_.before = {kBegin};
  }
  std::vector<int64_t> encode(std::string_view text) const override {
    std::vector<int64_t> ids;
    for (const char c : text) ids.push_back(kFirst + uint8_t(c));
    return ids;
  }
  std::string decode(std::span<const int64_t> ids, bool skip_special) const override {
    std::string text;
    for (const int64_t id : ids) {
      if (id >= kFirst) text += char(id - kFirst);
      if (id < kFirst && !skip_special) text += token(id);
    }
    return text;
  }
  int64_t size() const override { return kSize; }
  std::string token(int64_t id) const override {
    if (id == kBegin) return "<s>";
    if (id == kEnd) return "</s>";
    return id < kFirst ? "" : std::string(1, char(id - kFirst));
  }
  std::optional<int64_t> id(std::string_view token) const override {
    if (token.size() != 1) return std::nullopt;
    return kFirst + uint8_t(token[0]);
  }
  std::string about() const override { return "toy bytes"; }
};

/// A decoder of a family ("llama", "gpt2") with random frozen weights that reads bytes.
inline std::unique_ptr<Backbone> toy_decoder(const std::string& family = "llama", uint64_t seed = 1,
                                             int64_t longest = 64) {
  LanguageShape shape = tiny_language(family);
  shape.text.longest = longest;
  shape.text.vocabulary = ByteTokenizer::kSize;
  auto network = stirred(LanguageModel(shape), seed)->clone();
  network->set_tokenizer(std::make_shared<ByteTokenizer>());
  return network;
}

/// The bytes as T5 has them: a text ends with a token, and none stands in front of it.
class EndedBytes : public ByteTokenizer {
 public:
  EndedBytes() : ByteTokenizer(/*framed=*/false) { frame_.after = {kEnd}; }
};

/// An encoder-decoder with random frozen weights that reads bytes.
inline std::unique_ptr<Backbone> toy_t5(uint64_t seed = 1) {
  EncoderDecoderShape shape = tiny_t5(/*gated=*/true);
  shape.vocabulary = ByteTokenizer::kSize;
  auto network = stirred(EncoderDecoder(shape), seed)->clone();
  network->set_tokenizer(std::make_shared<EndedBytes>());
  return network;
}

/// A small decoder of a family in a folder: the fixture's, with other words.
inline fs::path decoder_folder(const std::string& family, int64_t words) {
  fs::path folder = scratch_folder("stored-decoder");
  const fs::path from = fixture_folder(Fixtures::small) / "language" / family;
  Json config = parse_json(read_text(from / "config.json"), "config");
  const int64_t had = config["vocab_size"];
  config["vocab_size"] = words;
  make_folder(folder);
  write_text(folder / "config.json", config.dump());
  std::map<std::string, Tensor> weights;
  std::map<std::string, StoredTensor> stored;  // views of them
  Random random = Seeds(1)("words");
  const auto file = SafetensorsFile::open(from / "model.safetensors");
  for (const auto& item : file.tensors()) {
    Tensor& weight = weights[item.first] = to_tensor(file.at(item.first));
    if (weight.size(0) == had) {
      weight = at::empty({words, weight.size(1)});
      nn::init_normal(weight, random, 0, 0.3);
    }
    stored[item.first] = to_stored(weight);
  }
  write_safetensors(folder / "model.safetensors", stored);
  return folder;
}

/// The same of LLaMA, read from a folder: its weights have the names of their family.
inline std::unique_ptr<Backbone> stored_decoder(const std::string& family = "llama") {
  auto network = load_backbone({.name = decoder_folder(family, ByteTokenizer::kSize).string()});
  network->set_tokenizer(std::make_shared<ByteTokenizer>());
  return network;
}

/// One of several sets: "say 2" is answered by a word that depends on the set and the number.
class ToyAnswers : public Source {
 public:
  ToyAnswers(int64_t set, int64_t count) : set_(set), count_(count) {}

  int64_t size() const override { return count_; }
  int64_t label(int64_t) const override { return 0; }
  bool is_text() const override { return true; }
  Text text(int64_t i) const override { return {exchange(i).turns.front().content, ""}; }
  AnswerKind answer_kind() const override { return AnswerKind::text; }
  Exchange exchange(int64_t i) const override {
    const int64_t number = i % 4;
    const std::string word(size_t(1 + number % 2), char('a' + (5 * set_ + 3 * number) % 26));
    return {.turns = {{"user", fmt::format("say {}", number)}},
            .input = i % 3 == 0 ? "now" : "",
            .answers = {word}};
  }
  std::string origin(int64_t i) const override { return fmt::format("toy {}[{}]", set_, i); }
  const std::vector<std::string>& classes() const override {
    static const std::vector<std::string> one = {"answers"};
    return one;
  }

 private:
  int64_t set_, count_;
};

/// Plain texts of one set.
class ToyPassages : public ToyAnswers {
 public:
  using ToyAnswers::ToyAnswers;
  Text text(int64_t i) const override {
    const Exchange said = exchange(i);
    return {said.turns.front().content + " " + said.answers.front(), ""};
  }
  AnswerKind answer_kind() const override { return AnswerKind::nothing; }
};

/// Sets of 8 training and 4 test samples.
template <class Set = ToyAnswers>
DataSplits toy_answers(int64_t sets = 3) {
  std::vector<DataSplits> parts;
  for (int64_t set = 0; set < sets; ++set)
    parts.push_back(
        {fmt::format("set {}", set), std::make_unique<Set>(set, 8), std::make_unique<Set>(set, 4)});
  return joined(std::move(parts), /*shared_classes=*/true);
}

/// Bytes, and <image> as a token of its own.
class SeeingTokenizer : public ByteTokenizer {
 public:
  static constexpr int64_t kImage = kSize;

  std::vector<int64_t> encode(std::string_view text) const override {
    const size_t at = text.find(kWord);
    if (at == text.npos) return ByteTokenizer::encode(text);
    std::vector<int64_t> ids = ByteTokenizer::encode(text.substr(0, at));
    ids.push_back(kImage);
    const auto rest = encode(text.substr(at + kWord.size()));
    ids.insert(ids.end(), rest.begin(), rest.end());
    return ids;
  }
  std::string decode(std::span<const int64_t> ids, bool skip_special) const override {
    std::string text;
    for (const int64_t id : ids) {
      if (id != kImage)
        text += ByteTokenizer::decode({&id, 1}, skip_special);
      else if (!skip_special)
        text += kWord;
    }
    return text;
  }
  int64_t size() const override { return kSize + 1; }
  std::string token(int64_t id) const override {
    return id == kImage ? std::string(kWord) : ByteTokenizer::token(id);
  }

 private:
  static constexpr std::string_view kWord = "<image>";
};

/// Random frozen weights; an image of 8 px is 4 tokens.
inline std::unique_ptr<Backbone> toy_llava(uint64_t seed = 1) {
  LlavaShape shape{
      .image =
          {.image_size = 8, .patch_size = 4, .width = 16, .depth = 2, .heads = 2, .hidden = 24},
      .normalize = "unit",
      .text = tiny_language("llama"),
      .image_token = SeeingTokenizer::kImage,
      .image_blocks = 1};
  shape.text.text.vocabulary = SeeingTokenizer::kSize + 1;
  auto network = stirred(Llava(shape), seed)->clone();
  network->set_tokenizer(std::make_shared<SeeingTokenizer>());
  return network;
}

/// The same question about images of four greys, which alone tell the answer; sets differ in it.
class ToyQuestions : public ToyAnswers {
 public:
  ToyQuestions(int64_t set, int64_t count) : ToyAnswers(set, count), set_(set) {}

  bool has_images() const override { return true; }
  Image image(int64_t i) const override {
    Image image(8, 8);
    std::ranges::fill(image.pixels, uint8_t(85 * (i % 4)));
    return image;
  }
  Text text(int64_t) const override { return {"which?", ""}; }
  Exchange exchange(int64_t i) const override {
    return {.turns = {{"user", "which?"}},
            .input = "",
            .answers = {std::string(1, char('a' + 5 * set_ + i % 4))}};
  }

 private:
  int64_t set_;
};

}  // namespace patina
