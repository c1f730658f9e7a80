// SentencePiece models, compared with the authors' library: random models and random texts must
// give the same ids. The library is used only here: it contains its own protobuf, with which a
// process that loads LibTorch crashes.
#include "patina/text/model/sentence_piece.h"

#include <gtest/gtest.h>
#include <sentencepiece_processor.h>

#include <set>

#include "patina/base/random.h"
#include "patina/text/unicode/unicode.h"
#include "tests/support/errors.h"

namespace patina {
namespace {

// Letters of one to four bytes that make ambiguous splits likely, and characters that normalizers
// change.
const std::vector<std::string> kLetters = {"a", "b",      "c",          " ", " ", "\u2581",
                                           "é", "\u4e16", "\U0001f600", "<", ">"};

std::string random_text(Random& random, size_t longest) {
  std::string text;
  for (size_t left = random.below(longest + 1); left > 0; --left)
    text += kLetters[random.below(kLetters.size())];
  return text;
}

// `plain`: only normal pieces, none with a space behind a letter, as in LLaMA's.
PieceModel random_model(Random& random, PieceModel::Kind kind, bool plain) {
  PieceModel model{.kind = kind};
  model.byte_fallback = plain || random.chance(0.5);
  model.dummy_prefix = random.chance(0.7);
  model.remove_extra_whitespaces = random.chance(0.5);
  model.escape_whitespaces = random.chance(0.8);
  model.whitespace_suffix = random.chance(0.2);
  model.pieces = {{"<unk>", 0, PieceType::unknown}, {"<s>", 0, PieceType::control}};
  std::set<std::string> there = {"<unk>", "<s>"};
  if (model.byte_fallback)
    for (int byte = 0; byte < 256; ++byte) {
      model.pieces.push_back({fmt::format("<0x{:02X}>", byte), 0, PieceType::byte});
      there.insert(model.pieces.back().text);
    }
  const auto add = [&](std::string text, float score, PieceType type) {
    for (size_t at; (at = text.find(' ')) != std::string::npos;) text.replace(at, 1, "\u2581");
    if (!text.empty() && there.insert(text).second) model.pieces.push_back({text, score, type});
  };
  for (int i = 0; i < 60; ++i) {
    const double kind_of = random.uniform();
    const auto type = kind_of < 0.05   ? PieceType::user_defined
                      : kind_of < 0.12 ? PieceType::unused
                                       : PieceType::normal;
    if (plain) {
      add((random.chance(0.5) ? " " : "") + kLetters[random.below(3)] + kLetters[random.below(3)] +
              (random.chance(0.3) ? kLetters[random.below(3)] : ""),
          -float(random.below(12)), PieceType::normal);
      continue;
    }
    // Few different scores, so that there are ties.
    add(random_text(random, 4), -float(random.below(12)), type);
  }
  add("a", -3, PieceType::normal);
  return model;
}

void expect_same(PieceModel::Kind kind, uint64_t seed) {
  Random random = Seeds(seed)("models");
  for (int round = 0; round < 150; ++round) {
    const PieceModel model = random_model(random, kind, round % 3 == 0);
    sentencepiece::SentencePieceProcessor library;
    ASSERT_TRUE(library.LoadFromSerializedProto(serialized(model)).ok());
    const auto ours = sentence_piece(model, "model");
    for (int i = 0; i < 40; ++i) {
      const std::string text = random_text(random, i < 38 ? 24 : 400);
      std::vector<int> expected;
      ASSERT_TRUE(library.Encode(text, &expected).ok());
      std::vector<int64_t> ids;
      if (!text.empty()) ours->encode(text, ids);
      ASSERT_EQ(ids, std::vector<int64_t>(expected.begin(), expected.end()))
          << "round " << round << ": \"" << text << '"';
    }
  }
}

TEST(SentencePiece, UnigramIsTheLibrarys) {
  expect_same(PieceModel::Kind::unigram, 1);
}

TEST(SentencePiece, BpeIsTheLibrarys) {
  expect_same(PieceModel::Kind::bpe, 2);
}

TEST(SentencePiece, OtherKindsAreRefused) {
  const PieceModel model{.pieces = {{"<unk>", 0, PieceType::unknown}},
                         .kind = PieceModel::Kind::word};
  EXPECT_EQ(error_of([&] { sentence_piece(model, "m"); }),
            "m: a SentencePiece model of words or characters is not supported, only unigram and "
            "BPE");
}

}  // namespace
}  // namespace patina
