#include "patina/text/token_list.h"

#include <algorithm>
#include <array>

#include "patina/base/json.h"
#include "patina/text/load/piece_tokenizer.h"
#include "patina/text/load/tokenizer_json.h"

namespace patina {

namespace {

// The steps of a tokenizer.json that cut texts as llama.cpp does under a name.
struct SplitRow {
  std::string_view name, steps;
};
constexpr std::string_view kBytes = R"({"type":"ByteLevel","add_prefix_space":false})";
constexpr std::string_view kBytesAlone =
    R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":false})";
constexpr std::array<SplitRow, 5> kSplits{{
    {"default", ""},
    {"gpt-2", ""},
    {"smollm", R"({"type":"Digits","individual_digits":true})"},
    {"llama-bpe",
     R"JSON({"type":"Split","behavior":"Isolated","pattern":{"Regex":"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}})JSON"},
    {"qwen2",
     R"JSON({"type":"Split","behavior":"Isolated","pattern":{"Regex":"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}})JSON"},
}};

SortedJson split_steps(const TokenList& list, const std::string& origin) {
  const auto row = std::ranges::find(kSplits, list.split, &SplitRow::name);
  if (row == kSplits.end()) {
    std::string known;
    for (const auto& split : kSplits)
      known += (known.empty() ? "" : ", ") + std::string(split.name);
    fail(ErrorKind::format, "{}: texts are split as {} before BPE, known are {}", origin,
         shown(list.split), known);
  }
  SortedJson steps = SortedJson::array();
  if (!row->steps.empty()) steps.push_back(SortedJson::parse(row->steps));
  const bool covers = row->steps.find("Regex") != std::string_view::npos;
  steps.push_back(SortedJson::parse(covers ? kBytesAlone : kBytes));
  return {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
}

bool is_special(PieceType type) {
  return type == PieceType::control || type == PieceType::unknown;
}

// The roles that the list gives to ids.
TokenizerSettings settings_of(const TokenList& list, const std::string& origin) {
  TokenizerSettings settings;
  settings.adds_begin = list.adds_begin;
  settings.adds_end = list.adds_end;
  for (const auto& [role, id] : {std::pair{Role::unknown, list.unknown},
                                 {Role::begin, list.begin},
                                 {Role::end, list.end},
                                 {Role::pad, list.pad}}) {
    if (id < 0) continue;
    if (id >= int64_t(list.tokens.size()))
      fail(ErrorKind::format, "{}: a special token has the id {} of {} tokens", origin, id,
           list.tokens.size());
    settings.roles[size_t(role)] = AddedToken{.text = list.tokens[size_t(id)]};
  }
  return settings;
}

// Builds the equivalent tokenizer.json and reads it.
std::unique_ptr<Tokenizer> byte_level(const TokenList& list, const std::string& origin) {
  SortedJson added = SortedJson::array(), vocabulary = SortedJson::object();
  for (size_t id = 0; id < list.tokens.size(); ++id) {
    const PieceType type = list.types[id];
    if (is_special(type) || type == PieceType::user_defined)
      added.push_back({{"id", id},
                       {"content", list.tokens[id]},
                       {"normalized", false},
                       {"special", is_special(type)}});
    if (!vocabulary.emplace(list.tokens[id], id).second)
      fail(ErrorKind::format, "{}: the token {} is there twice", origin, shown(list.tokens[id]));
  }
  SortedJson document{{"added_tokens", std::move(added)},
                      {"pre_tokenizer", split_steps(list, origin)},
                      {"decoder", {{"type", "ByteLevel"}}},
                      {"model",
                       {{"type", "BPE"},
                        {"vocab", std::move(vocabulary)},
                        {"merges", list.merges},
                        {"ignore_merges", list.split == "llama-bpe"}}}};
  if (list.split == "qwen2") document["normalizer"] = {{"type", "NFC"}};
  return read_tokenizer_json(JsonNode(document, origin), settings_of(list, origin));
}

std::unique_ptr<Tokenizer> pieces(const TokenList& list, const std::string& origin) {
  if (list.scores.size() != list.tokens.size())
    fail(ErrorKind::format, "{}: {} scores for {} tokens", origin, list.scores.size(),
         list.tokens.size());
  PieceModel model{.kind = PieceModel::Kind::bpe,
                   .dummy_prefix = list.space_before,
                   .remove_extra_whitespaces = false};
  for (size_t id = 0; id < list.tokens.size(); ++id) {
    model.byte_fallback = model.byte_fallback || list.types[id] == PieceType::byte;
    model.pieces.push_back({list.tokens[id], list.scores[id], list.types[id]});
  }
  check_piece_model(model, origin);
  TokenizerSettings settings = settings_of(list, origin);
  settings.family = "llama";
  return piece_tokenizer(std::move(model), std::move(settings), origin, false);
}

}  // namespace

std::unique_ptr<Tokenizer> tokenizer_of(const TokenList& list, const std::string& origin) {
  if (list.tokens.empty() || list.types.size() != list.tokens.size())
    fail(ErrorKind::format, "{}: {} types for {} tokens", origin, list.types.size(),
         list.tokens.size());
  if (list.model == "gpt2") return byte_level(list, origin);
  if (list.model == "llama") return pieces(list, origin);
  fail(ErrorKind::format, "{}: a tokenizer of the kind {}, known are gpt2 and llama", origin,
       shown(list.model));
}

}  // namespace patina
