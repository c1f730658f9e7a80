// tokenizer.json: exact ids for each kind of model and step, and what is refused.
#include "patina/text/load/tokenizer_json.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "patina/base/json.h"
#include "patina/text/unicode/unicode.h"
#include "tests/support/errors.h"
#include "tests/support/tiny_tokenizers.h"

namespace patina {
namespace {

using Ids = std::vector<int64_t>;

std::string json_refusal(const Json& json) {
  return error_of([&] { from_json(json); });
}

Ids encode(const Json& json, std::string_view text) {
  return from_json(json)->encode(text);
}

TEST(WordPieceJson, SpellsCleansAndFrames) {
  const auto tokenizer = from_json(word_piece_json());
  EXPECT_EQ(tokenizer->encode("Unaffable, RUNNING"), (Ids{3, 4, 5, 8, 6, 7}));
  EXPECT_EQ(tokenizer->encode("Caf\u00e9\u4e2d x runaff\x01"), (Ids{9, 10, 0, 6, 4}));
  EXPECT_EQ(tokenizer->encode("run[SEP]run [sep]"), (Ids{6, 2, 6, 0, 0, 0}));
  EXPECT_EQ(tokenizer->encode("run" + std::string(100, 's')), (Ids{0}));
  EXPECT_EQ(tokenizer->encode("run" + std::string(97, 's')).size(), 98u);
  EXPECT_EQ(tokenizer->decode(Ids{1, 3, 4, 5, 8, 6, 2}, true), "unaffable, run");
  EXPECT_EQ(tokenizer->decode(Ids{1, 6, 99, -1}), "[CLS] run");
  const Encoding pair = tokenizer->encode_framed("run", "un un");
  EXPECT_EQ(pair.ids, (Ids{1, 6, 2, 3, 3, 2}));
  EXPECT_EQ(pair.types, (Ids{0, 0, 0, 1, 1, 1}));
}

TEST(ByteLevelJson, MergesInOrderAndKeepsEveryByte) {
  const auto tokenizer = from_json(byte_level_json());
  EXPECT_EQ(tokenizer->encode("the the"), (Ids{'t', 257, 258}));
  EXPECT_EQ(tokenizer->encode("<|end|> t"), (Ids{259, 256}));
  EXPECT_EQ(tokenizer->token(258), "Ġthe");
  EXPECT_EQ(tokenizer->id("Ġt"), 256);
  EXPECT_EQ(tokenizer->decode(Ids{258, 259}, true), " the");
  EXPECT_EQ(tokenizer->decode(Ids{0xe2, 0x82}), "\ufffd");
  Json prefixed = byte_level_json();
  prefixed["pre_tokenizer"]["add_prefix_space"] = true;
  EXPECT_EQ(encode(prefixed, "the"), (Ids{258}));
  EXPECT_EQ(encode(prefixed, ""), Ids{});
}

TEST(ByteLevelJson, PublishedPatternsSplit) {
  const std::string qwen2 =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  EXPECT_EQ(encode(byte_level_json(qwen2), "\tthe the"), (Ids{'\t', 't', 257, 258}));
  EXPECT_EQ(json_refusal(byte_level_json(".+")),
            "tokenizer.json: pre_tokenizer.pretokenizers[0]: the splitting pattern "
            "\"{\"Regex\":\".+\"}\" is not supported: only the published ones of GPT-2, Qwen2, "
            "LLaMA 3 and CLIP are");
}

TEST(ByteLevelJson, IgnoreMergesTakesWholeWords) {
  Json json = byte_level_json();
  json["model"]["vocab"]["xyz"] = 260;
  EXPECT_EQ(encode(json, "xyz"), (Ids{'x', 'y', 'z'}));
  json["model"]["ignore_merges"] = true;
  EXPECT_EQ(encode(json, "xyz the"), (Ids{260, 258}));
}

TEST(ByteFallbackJson, LlamasRulesForSpacesAndBytes) {
  const auto tokenizer = from_json(byte_fallback_json());
  EXPECT_EQ(tokenizer->encode("ab a"), (Ids{262, 261}));
  EXPECT_EQ(tokenizer->encode("<s>b\u00e9"), (Ids{1, 258, 260, 2 + 0xc3, 2 + 0xa9}));
  EXPECT_EQ(tokenizer->decode(Ids{262, 261, 2 + 0xc3, 2 + 0xa9}), "ab a\u00e9");
  EXPECT_EQ(tokenizer->decode(Ids{1, 262}, true), "ab");
  Json no_bytes = byte_fallback_json();
  no_bytes["model"]["byte_fallback"] = false;
  EXPECT_EQ(encode(no_bytes, "a\u00e9\u00e9b"), (Ids{261, 0, 260}));
}

TEST(UnigramJson, TakesTheBestScoreAndJoinsUnknowns) {
  const auto tokenizer = from_json(unigram_json());
  EXPECT_EQ(tokenizer->encode("ab ac"), (Ids{4, 3, 5, 7}));
  EXPECT_EQ(tokenizer->encode("xyz ab</s>"), (Ids{3, 2, 4, 1}));
  EXPECT_EQ(tokenizer->decode(Ids{4, 3, 5}), "ab a");
}

// A map with one entry: "A" becomes "aa". Units are those of darts-clone.
std::string tiny_map() {
  std::vector<uint32_t> units(512, 0);
  units[0] = 256 << 10;                       // its children are at 256 ^ label
  units[256 ^ 'A'] = 'A' | 1 << 8 | 1 << 10;  // with a leaf at its place ^ 1
  units[256 ^ 'A' ^ 1] = 1u << 31;
  std::string map("\0\x8\0\0", 4);  // 2048 bytes
  return map.append(reinterpret_cast<const char*>(units.data()), 2048).append("aa\0", 3);
}

std::string base64(const std::string& bytes) {
  constexpr const char* kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t k = i; k < i + 3; ++k)
      bits = bits << 8 | (k < bytes.size() ? uint8_t(bytes[k]) : 0);
    for (int shift = 18; shift >= 0; shift -= 6) out += kDigits[bits >> shift & 63];
  }
  const size_t missing = (3 - bytes.size() % 3) % 3;
  return out.replace(out.size() - missing, missing, missing, '=');
}

TEST(UnigramJson, PrecompiledMapReplacesCharacters) {
  Json json = unigram_json();
  json["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", base64(tiny_map())}};
  EXPECT_EQ(encode(json, "Ab cA"), (Ids{3, 5, 5, 6, 3, 7, 5, 5}));
  json["normalizer"]["precompiled_charsmap"] = base64(tiny_map().substr(0, 2054));
  EXPECT_TRUE(contains(json_refusal(json), "map is damaged: the replacements do not end"));
  std::string outside = tiny_map();
  outside[4 + 2] = '\x20';  // the root's children: far away
  json["normalizer"]["precompiled_charsmap"] = base64(outside);
  EXPECT_TRUE(contains(json_refusal(json), "a node's children are outside the trie"));
  json["normalizer"]["precompiled_charsmap"] = "?";
  EXPECT_TRUE(contains(json_refusal(json), "is not base64"));
}

TEST(AddedTokens, StripWhatTheySayAndKeepWholeWords) {
  Json json = byte_level_json();
  Json mask = special_token("<m>", 260), word = special_token("cat", 261);
  mask["lstrip"] = true;
  mask["rstrip"] = true;
  word["single_word"] = true;
  word["special"] = false;
  json["added_tokens"].push_back(mask);
  json["added_tokens"].push_back(word);
  EXPECT_EQ(encode(json, "a \u3000<m>\n b"), (Ids{'a', 260, 'b'}));
  EXPECT_EQ(encode(json, "cat,cats"), (Ids{261, ',', 'c', 'a', 't', 's'}));
  EXPECT_EQ(from_json(json)->decode(Ids{261, 260, 259}, true), "cat");
}

TEST(AddedTokens, NormalizedOnesAreLookedForInTheNormalizedText) {
  Json json = word_piece_json();
  Json token = special_token("runs", 12);
  token["normalized"] = true;
  json["added_tokens"].push_back(token);
  EXPECT_EQ(encode(json, "xRUNS"), (Ids{0, 12}));
  json["added_tokens"].back()["normalized"] = false;
  EXPECT_EQ(encode(json, "xRUNS"), (Ids{0}));
}

TEST(TemplateJson, MakesTheFrame) {
  Json json = byte_level_json();
  const auto sequence = [](const char* id, int type) {
    return Json{{"Sequence", {{"id", id}, {"type_id", type}}}};
  };
  const Json end = {{"SpecialToken", {{"id", "<|end|>"}, {"type_id", 0}}}};
  json["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single", {end, sequence("A", 0)}},
      {"pair", {end, sequence("A", 0), end, sequence("B", 1)}},
      {"special_tokens",
       {{"<|end|>", {{"id", "<|end|>"}, {"ids", {259}}, {"tokens", {"<|end|>"}}}}}}};
  const auto tokenizer = from_json(json);
  EXPECT_EQ(tokenizer->encode_framed("a").ids, (Ids{259, 'a'}));
  EXPECT_EQ(tokenizer->encode_framed("ab", "cde", 5).ids, (Ids{259, 'a', 'b', 259, 'c'}));
  EXPECT_EQ(tokenizer->encode_framed("a", "b").types, (Ids{0, 0, 0, 1}));
  EXPECT_EQ(error_of([&] { tokenizer->encode_framed("a", "b", 1); }),
            "a length of 1 tokens has no room for the 2 tokens around a text");
  json["post_processor"]["special_tokens"]["<|end|>"]["ids"] = {400};
  EXPECT_TRUE(contains(json_refusal(json), "adds the id 400, which is not in the vocabulary"));
}

TEST(TokenizerJson, RefusesByNameWhatItDoesNotKnow) {
  const std::tuple<std::string, Json, std::string> cases[] = {
      {"/normalizer",
       {{"type", "Nmt"}},
       "tokenizer.json: normalizer: the normalizer \"Nmt\" is not"},
      {"/normalizer", {{"type", "NFC"}, {"extra", 1}}, "NFC has the unknown setting \"extra\""},
      {"/pre_tokenizer",
       {{"type", "CharDelimiterSplit"}},
       "\"CharDelimiterSplit\" is not supported"},
      {"/decoder", {{"type", "CTC"}}, "decoder: the decoder \"CTC\" is not supported"},
      {"/post_processor", {{"type", "Other"}}, "the post-processor \"Other\" is not supported"},
      {"/model/type", "WordLevel", "the model \"WordLevel\" is not supported"},
      {"/model/dropout", 0.1, "dropout makes encoding random"},
      {"/model/vocab/!", 70, "tokens \"!\" and \"F\" have the same id"},
      {"/model/vocab/he", 300, "no token has the id 257"},
      {"/model/vocab/he", -1, "the id of token \"he\" is not a whole number"},
      {"/model/merges/0", "q q", "merge 1 needs the token \"qq\", which the vocabulary lacks"},
      {"/model/merges/0", 5, "model.merges[0]: must be a list, not \"5\""},
      {"/model/surprise", true, "the setting \"surprise\" is not known"},
      {"/added_tokens/0/id", 5, "have the same id, 5"},
      {"/added_tokens/0/content", "", "the token with id 259 is empty"},
      {"/surprise", true, "the setting \"surprise\" is not known"},
  };
  for (const auto& [where, value, message] : cases) {
    Json json = byte_level_json();
    json[Json::json_pointer(where)] = value;
    EXPECT_TRUE(contains(json_refusal(json), message)) << where << ": " << json_refusal(json);
  }
  EXPECT_TRUE(contains(error_of([] { parse_tokenizer_json("{", "t.json", {}); }),
                       "t.json: not valid JSON"));
  EXPECT_TRUE(contains(error_of([] { parse_tokenizer_json("[]", "t.json", {}); }),
                       "t.json: must be an object, not \"[]\""));
}

TEST(TokenizerJson, GrowthWithoutBoundsIsRefused) {
  Json json = byte_level_json();
  const Json grow = {
      {"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", std::string(60, 'a')}};
  json["normalizer"] = {{"type", "Sequence"}, {"normalizers", {grow, grow, grow, grow}}};
  const auto tokenizer = from_json(json);
  EXPECT_EQ(tokenizer->encode("b"), (Ids{'b'}));
  EXPECT_TRUE(contains(error_of([&] { tokenizer->encode(std::string(100, 'a')); }),
                       "more than 64 times as long"));
}

// All kinds of text: ASCII, other scripts, marks, spaces, invalid bytes.
std::string random_text(std::mt19937& random) {
  static const std::vector<std::string> kParts{"a",
                                               "ab",
                                               " ",
                                               "the",
                                               " the",
                                               "'s",
                                               "1",
                                               "\n",
                                               "\u00e9",
                                               "e\u0301",
                                               "\u4e2d",
                                               "\U0001f468\u200d",
                                               "\u0130",
                                               "\ud55c",
                                               "\u1112\u1161",
                                               "\u0928\u093f",
                                               "\u3000",
                                               "\u2028",
                                               "\x80",
                                               "\xe4\xb8",
                                               "\xff",
                                               "<s>",
                                               "[SEP]",
                                               "<|end|>",
                                               "\x01",
                                               std::string(1, '\0'),
                                               "A",
                                               "\u01c5",
                                               "\ufdfa"};
  std::string text;
  for (unsigned n = random() % 20; n > 0; --n) text += kParts[random() % kParts.size()];
  return text;
}

TEST(AnyText, EncodesInRangeAndStreamsAsItDecodes) {
  std::mt19937 random(7);
  for (const auto& json : tiny_tokenizers()) {
    const auto tokenizer = from_json(json);
    for (int round = 0; round < 500; ++round) {
      const std::string text = random_text(random);
      const Ids ids = tokenizer->encode(text);
      std::string all;
      TokenStream stream(*tokenizer);
      for (const int64_t id : ids) {
        ASSERT_TRUE(id >= 0 && id < tokenizer->size());
        all += stream.push(id);
      }
      ASSERT_EQ(all + stream.finish(), tokenizer->decode(ids)) << text;
    }
  }
}

TEST(AnyText, ByteLevelIdsGiveTheTextBack) {
  std::mt19937 random(8);
  const auto tokenizer = from_json(byte_level_json());
  for (int round = 0; round < 1000; ++round) {
    const std::string text = random_text(random);
    ASSERT_EQ(tokenizer->decode(tokenizer->encode(text)), repaired_utf8(text));
  }
}

TEST(AnyText, ThreadsGetTheSameIds) {
  const auto tokenizer = from_json(byte_level_json());
  const auto ids_of_all = [&] {
    std::mt19937 random(9);
    Ids all;
    for (int round = 0; round < 2000; ++round)
      for (const int64_t id : tokenizer->encode(random_text(random))) all.push_back(id);
    return all;
  };
  std::vector<Ids> found(4);
  std::vector<std::thread> threads;
  for (Ids& ids : found) threads.emplace_back([&] { ids = ids_of_all(); });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(found, std::vector<Ids>(4, ids_of_all()));
}

TEST(AnyText, AMegabyteWordIsQuick) {
  const auto tokenizer = from_json(byte_level_json());
  std::string word;
  while (word.size() < 1 << 20) word += "the";
  EXPECT_EQ(tokenizer->encode(word).size(), 2 * word.size() / 3);
}

TEST(TokenStream, HoldsBackAnUnfinishedCharacter) {
  const auto tokenizer = from_json(byte_level_json());
  TokenStream stream(*tokenizer);
  EXPECT_EQ(stream.push('a'), "a");
  EXPECT_EQ(stream.push(0xe2), "");
  EXPECT_EQ(stream.push(0x82), "");
  EXPECT_EQ(stream.push(0xac), "\u20ac");
  EXPECT_EQ(stream.push(0xf0), "");
  EXPECT_EQ(stream.push('b'),
            "\ufffd"
            "b");
  EXPECT_EQ(stream.push(0xc3), "");
  EXPECT_EQ(stream.finish(), "\ufffd");
}

}  // namespace
}  // namespace patina
