// Folders of every kind, written by the test: which files are found, the families' conventions, the
// settings files, and the errors for damaged files.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "patina/base/file.h"
#include "patina/base/json.h"
#include "patina/text/load/vocabulary_files.h"
#include "patina/text/model/piece_model.h"
#include "patina/text/token_list.h"
#include "patina/text/tokenizer.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/tiny_tokenizers.h"

namespace patina {
namespace {

using Ids = std::vector<int64_t>;
using Files = std::vector<std::pair<std::string, std::string>>;

fs::path folder_of(const Files& files) {
  fs::path folder = scratch_folder("tokenizer");
  for (const auto& [name, text] : files) write_text(folder / name, text);
  return folder;
}

std::unique_ptr<Tokenizer> load(const Files& files, const std::string& family = "") {
  return load_tokenizer(folder_of(files).string(), family);
}

// The error message without the folder.
std::string refusal(const Files& files, const std::string& family = "") {
  const std::string folder = folder_of(files).string();
  std::string text = error_of([&] { load_tokenizer(folder, family); });
  return text.starts_with(folder) ? text.substr(folder.size()) : text;
}

constexpr const char* kBert = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nrun\n##s\nRun\ne\u0301\n";

TEST(LoadBert, DefaultsAndSettings) {
  const auto plain = load({{"vocab.txt", kBert}});
  EXPECT_EQ(plain->encode("RUNS [MASK]"), (Ids{5, 6, 4}));
  EXPECT_EQ(plain->encode_framed("run", "run").ids, (Ids{2, 5, 3, 5, 3}));
  EXPECT_EQ(plain->special().pad, 0);
  EXPECT_EQ(plain->special().begin, -1);
  EXPECT_EQ(plain->about(), "WordPiece, 9 tokens, lower case");
  const auto cased =
      load({{"vocab.txt", kBert}, {"tokenizer_config.json", R"({"do_lower_case": false})"}});
  EXPECT_EQ(cased->encode("Runs RUN"), (Ids{7, 6, 1}));
  EXPECT_EQ(load({{"vocab.txt", std::string(kBert) + "The\n"}})->about(),
            "WordPiece, 10 tokens, with case");
}

// The ids are those of transformers' MPNetTokenizer.
TEST(LoadBert, MpnetHasRobertasFrame) {
  const Files files{{"vocab.txt", "<s>\n<pad>\n</s>\n<unk>\n[UNK]\nun\n##able\nrun\n,\n<mask>\n"}};
  const auto mpnet = load(files, "mpnet");
  EXPECT_EQ(mpnet->encode_framed("Unable run").ids, (Ids{0, 5, 6, 7, 2}));
  EXPECT_EQ(mpnet->encode_framed("run", "unable").ids, (Ids{0, 7, 2, 2, 5, 6, 2}));
  EXPECT_EQ(mpnet->encode_framed("run <mask> zzz").ids, (Ids{0, 7, 9, 4, 2}));
  EXPECT_EQ(mpnet->special().pad, 1);
}

TEST(LoadByteLevel, FamiliesSplitAndFrameTheirOwnWay) {
  const Json model = byte_level_json()["model"];
  Json vocabulary = model["vocab"];
  vocabulary["<|endoftext|>"] = 259;
  const std::string merges = "#version: 0.2\nĠ t\nh e\nĠt he\n";
  const Files gpt2{{"vocab.json", vocabulary.dump()}, {"merges.txt", merges}};
  EXPECT_EQ(load(gpt2)->encode("the the<|endoftext|>"), (Ids{'t', 257, 258, 259}));
  EXPECT_EQ(load(gpt2)->special().end, 259);
  EXPECT_EQ(load(gpt2)->encode_framed("t").ids, (Ids{'t'}));
  EXPECT_EQ(load({{"encoder.json", vocabulary.dump()}, {"vocab.bpe", merges}})
                ->encode("<|endoftext|>")
                .size(),
            13u);
  Files qwen2 = gpt2;
  qwen2.push_back({"tokenizer_config.json",
                   R"({"tokenizer_class": "Qwen2Tokenizer", "added_tokens_decoder":
                       {"260": {"content": "<|im_start|>", "special": true}}})"});
  EXPECT_EQ(load(qwen2)->encode("<|im_start|>e\u0301"), (Ids{260, 0xc3, 0xa9}));
  for (const char* name : {"<s>", "</s>", "<pad>", "<mask>"}) vocabulary[name] = vocabulary.size();
  const auto roberta = load({{"vocab.json", vocabulary.dump()}, {"merges.txt", merges}});
  EXPECT_EQ(roberta->encode_framed("t", "h").ids, (Ids{260, 't', 261, 261, 'h', 261}));
  EXPECT_EQ(roberta->encode("t  <mask> t"), (Ids{'t', 263, 256}));
  const auto bart = load({{"vocab.json", vocabulary.dump()}, {"merges.txt", merges}}, "bart");
  EXPECT_EQ(bart->encode_framed("t", "h").ids, roberta->encode_framed("t", "h").ids);
}

PieceModel piece_model(PieceModel::Kind kind, std::vector<std::string> control) {
  PieceModel model{.kind = kind};
  for (auto& text : control) model.pieces.push_back({std::move(text), 0, PieceType::control});
  model.pieces.push_back({"<unk>", 0, PieceType::unknown});
  float score = -1;
  for (const char* text : {"▁a", "▁", "a", "b"}) model.pieces.push_back({text, score--});
  return model;
}

TEST(LoadPieces, T5HasSentinelsBehindItsPieces) {
  const auto model = piece_model(PieceModel::Kind::unigram, {"<pad>", "</s>"});
  const auto t5 = load({{"spiece.model", serialized(model)}});
  EXPECT_EQ(t5->size(), 107);
  EXPECT_EQ(t5->id("<extra_id_0>"), 106);
  EXPECT_EQ(t5->id("<extra_id_99>"), 7);
  EXPECT_EQ(t5->encode_framed("a <extra_id_0> b").ids, (Ids{3, 106, 4, 6, 1}));
  EXPECT_EQ(t5->decode(Ids{3, 3, 6, 1}, true), "a ab");
  EXPECT_EQ(t5->special().pad, 0);
  EXPECT_EQ(
      load({{"spiece.model", serialized(model)}, {"tokenizer_config.json", R"({"extra_ids": 2})"}})
          ->size(),
      9);
}

// microsoft/deberta-v3-base has spm.model and no list of added tokens: its mask follows the pieces.
TEST(LoadPieces, DebertaHasBertsFrameAndAMaskBehindItsPieces) {
  auto model = piece_model(PieceModel::Kind::unigram, {"[PAD]", "[CLS]", "[SEP]"});
  model.pieces[3].text = "[UNK]";
  const std::string file = serialized(model);
  for (const auto& deberta :
       {load({{"spm.model", file}}), load({{"spm.model", file}}, "deberta-v2")}) {
    EXPECT_EQ(deberta->size(), 9);
    EXPECT_EQ(deberta->encode_framed("a [MASK] b?").ids, (Ids{1, 4, 8, 5, 7, 3, 2}));
    const Encoding pair = deberta->encode_framed("a", "a");
    EXPECT_EQ(pair.ids, (Ids{1, 4, 2, 4, 2}));
    EXPECT_EQ(pair.types, (Ids{0, 0, 0, 1, 1}));
    EXPECT_EQ(deberta->special().pad, 0);
    EXPECT_EQ(deberta->special().mask, 8);
  }
  const auto named = load({{"spm.model", file}, {"added_tokens.json", R"({"[MASK]": 20})"}});
  EXPECT_EQ(named->encode("[MASK]"), (Ids{20}));
}

TEST(LoadPieces, LlamaBeginsTextsAndHonoursTheSettings) {
  auto model = piece_model(PieceModel::Kind::bpe, {"<s>", "</s>"});
  model.remove_extra_whitespaces = false;
  const Files files{{"tokenizer.model", serialized(model)}};
  EXPECT_EQ(load(files)->encode_framed("a", "a").ids, (Ids{0, 3, 0, 3}));
  EXPECT_EQ(load(files)->encode("a</s>a"), (Ids{3, 1, 3}));
  Files modern = files;
  modern.push_back({"tokenizer_config.json",
                    R"({"legacy": false, "add_bos_token": false, "add_eos_token": true})"});
  EXPECT_EQ(load(modern)->encode_framed("a</s>a").ids, (Ids{3, 1, 5, 1}));
}

// A GGUF file's lists give the tokenizer of the files that they were made from.
TEST(TokenLists, OfPiecesAreTheirModel) {
  auto model = piece_model(PieceModel::Kind::bpe, {"<s>", "</s>"});
  model.remove_extra_whitespaces = false;
  const auto wanted = load({{"tokenizer.model", serialized(model)}});
  TokenList list{.model = "llama", .unknown = 2, .begin = 0, .end = 1};
  for (const auto& piece : model.pieces) {
    list.tokens.push_back(piece.text);
    list.types.push_back(piece.type);
    list.scores.push_back(piece.score);
  }
  const auto tokenizer = tokenizer_of(list, "f");
  for (const char* text : {"a b", " ab", "a</s>a", "<s>", "ba  a", ""}) {
    EXPECT_EQ(tokenizer->encode_framed(text).ids, wanted->encode_framed(text).ids) << text;
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), wanted->decode(wanted->encode(text)));
  }
  list.adds_begin = false;
  EXPECT_EQ(tokenizer_of(list, "f")->encode_framed("a").ids, (Ids{3}));
  list.space_before = false;
  EXPECT_EQ(tokenizer_of(list, "f")->encode("a"), (Ids{5}));
}

TEST(TokenLists, ThatDoNotFitAreRefused) {
  const auto of = [](auto change) {
    TokenList list{.model = "gpt2", .split = "gpt-2", .tokens = {"a", "b"}, .types = {}};
    list.types.assign(2, PieceType::normal);
    change(list);
    return error_of([&] { tokenizer_of(list, "f"); });
  };
  EXPECT_EQ(of([](auto& l) { l.model = "plamo"; }),
            "f: a tokenizer of the kind \"plamo\", known are gpt2 and llama");
  EXPECT_EQ(of([](auto& l) { l.types.pop_back(); }), "f: 1 types for 2 tokens");
  EXPECT_EQ(of([](auto& l) { l.end = 2; }), "f: a special token has the id 2 of 2 tokens");
  EXPECT_EQ(of([](auto& l) { l.tokens[1] = "a"; }), "f: the token \"a\" is there twice");
  EXPECT_TRUE(contains(of([](auto& l) { l.split = "tekken"; }),
                       "texts are split as \"tekken\" before BPE, known are default, gpt-2"));
  EXPECT_EQ(of([](auto& l) { l.model = "llama"; }), "f: 0 scores for 2 tokens");
}

// Digits stand alone in SmolLM's texts, up to three together in LLaMA 3's.
TEST(TokenLists, SplitAsTheirNameSays) {
  const auto ids = [](const std::string& split) {
    TokenList list{.model = "gpt2", .split = split};
    for (const char* token : {"1", "2", "3", "4", "12", "123", "1234"})
      list.tokens.emplace_back(token);
    list.types.assign(list.tokens.size(), PieceType::normal);
    list.merges = {"1 2", "12 3", "123 4"};
    return tokenizer_of(list, "f")->encode("1234");
  };
  EXPECT_EQ(ids("gpt-2"), (Ids{6}));
  EXPECT_EQ(ids("smollm"), (Ids{0, 1, 2, 3}));
  EXPECT_EQ(ids("qwen2"), (Ids{0, 1, 2, 3}));
  EXPECT_EQ(ids("llama-bpe"), (Ids{5, 3}));
}

TEST(LoadPieces, ModelsAreWrittenAndReadTheSame) {
  const auto model = piece_model(PieceModel::Kind::bpe, {"<s>"});
  const std::string bytes = serialized(model);
  const auto read = parse_piece_model(Bytes(bytes.begin(), bytes.end()), "m");
  EXPECT_EQ(serialized(read), bytes);
  EXPECT_EQ(read.pieces[2].text, "▁a");
  EXPECT_EQ(read.pieces[2].score, -1);
}

TEST(LoadPieces, DamagedModelsAreRefused) {
  const auto of = [](auto change) {
    auto model = piece_model(PieceModel::Kind::unigram, {});
    change(model);
    return refusal({{"tokenizer.model", serialized(model)}});
  };
  EXPECT_EQ(of([](auto& m) { m.pieces[1].text = "b"; }),
            "/tokenizer.model: piece 4 (\"b\") occurs twice");
  EXPECT_EQ(of([](auto& m) { m.pieces[1].text = ""; }),
            "/tokenizer.model: piece 1 (\"\") is empty");
  EXPECT_EQ(of([](auto& m) { m.pieces[1].score = NAN; }),
            "/tokenizer.model: piece 1 (\"▁a\") has a score that is not finite");
  EXPECT_EQ(of([](auto& m) { m.pieces[0].type = PieceType::normal; }),
            "/tokenizer.model: 0 pieces are of type unknown; exactly one is needed");
  EXPECT_EQ(of([](auto& m) { m.byte_fallback = true; }),
            "/tokenizer.model: 0 pieces are bytes, not 256");
  EXPECT_TRUE(contains(of([](auto& m) { m.charsmap = "abc"; }), "character map is damaged"));
  EXPECT_EQ(refusal({{"tokenizer.model", "version https://"}}),
            "/tokenizer.model: not a SentencePiece model, or a damaged one; download it again");
}

std::string llama2c(const std::vector<std::pair<float, std::string>>& tokens) {
  std::string out("\x07\0\0\0", 4);
  const auto put = [&](auto value) {
    char bytes[4];
    std::memcpy(bytes, &value, 4);
    out.append(bytes, 4);
  };
  for (const auto& [score, text] : tokens) {
    put(score);
    put(int32_t(text.size()));
    out += text;
  }
  return out;
}

TEST(LoadLlama2c, ReadsItsBinaryAndRefusesDamage) {
  std::vector<std::pair<float, std::string>> tokens{{0, "<unk>"}, {0, "\n<s>\n"}, {0, "\n</s>\n"}};
  for (int byte = 0; byte < 256; ++byte) tokens.push_back({0, fmt::format("<0x{:02X}>", byte)});
  tokens.insert(tokens.end(), {{-3, " "}, {-4, "a"}, {-1, " a"}, {-5, "b"}});
  const std::string good = llama2c(tokens);
  const auto tokenizer = load({{"tokenizer.bin", good}});
  EXPECT_EQ(tokenizer->encode_framed("a b\n").ids, (Ids{1, 261, 259, 262, 3 + '\n'}));
  EXPECT_EQ(tokenizer->encode(""), Ids{});
  EXPECT_EQ(tokenizer->decode(Ids{1, 261, 259, 262}, true), "a b");
  EXPECT_TRUE(contains(refusal({{"tokenizer.bin", good.substr(0, good.size() - 1)}}),
                       "ends inside token 262"));
  tokens[5].second = std::string(70'000, 'x');
  EXPECT_TRUE(contains(refusal({{"tokenizer.bin", llama2c(tokens)}}), "token 5 has 70000 bytes"));
}

TEST(LoadTokenizer, SaysWhatIsMissingOrWrong) {
  EXPECT_TRUE(
      contains(refusal({}), ": no tokenizer found; a tokenizer is one of tokenizer.json, vo"));
  EXPECT_TRUE(contains(refusal({{"vocab.json", "{}"}}), "no tokenizer found"));
  EXPECT_EQ(refusal({{"vocab.txt", "[UNK]\na\na\n"}}),
            "/vocab.txt: token \"a\" occurs twice, with ids 1 and 2");
  EXPECT_EQ(refusal({{"vocab.txt", "[UNK]\n\na\n"}}),
            "/vocab.txt:2: the line is empty, not a token");
  EXPECT_EQ(refusal({{"vocab.txt", "[UNK]\n\xff\n"}}), "/vocab.txt: is not UTF-8 text");
  EXPECT_EQ(refusal({{"vocab.txt", "a\n"}}),
            "/vocab.txt: the vocabulary has no token for unknown words ([UNK])");
  EXPECT_EQ(
      refusal({{"vocab.txt", kBert}, {"special_tokens_map.json", R"({"pad_token": "[FILL]"})"}}),
      "/vocab.txt: the special token \"[FILL]\" is named in the settings, but has no id");
  EXPECT_EQ(refusal({{"vocab.json", R"({"a": 0})"}, {"merges.txt", "a  b\n"}}),
            "/merges.txt:1: \"a  b\" is not a merge, which is two parts with a space between");
  EXPECT_EQ(refusal({{"vocab.json", R"({"a": 0, "b": 2})"}, {"merges.txt", ""}}),
            "/vocab.json: no token has the id 1, though there are ids up to 2");
}

TEST(LoadTokenizer, FilesMayBeNamedThemselves) {
  const fs::path folder = folder_of({{"vocab.txt", kBert}, {"notes.md", ""}});
  EXPECT_TRUE(has_tokenizer(folder.string()));
  EXPECT_TRUE(has_tokenizer((folder / "vocab.txt").string()));
  EXPECT_FALSE(has_tokenizer((folder / "notes.md").string()));
  EXPECT_FALSE(has_tokenizer((folder / "absent").string()));
  EXPECT_EQ(load_tokenizer((folder / "vocab.txt").string())->size(), 9);
}

}  // namespace
}  // namespace patina
