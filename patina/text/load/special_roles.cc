#include "patina/text/load/special_roles.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <unordered_map>
#include <unordered_set>

#include "patina/base/json.h"
#include "patina/text/load/json_node.h"

namespace patina {

namespace {

struct RoleRow {
  const char* key;
  int64_t SpecialTokens::*member;
};
constexpr std::array<RoleRow, kRoles> kRoleRows{{{"unk_token", &SpecialTokens::unknown},
                                                 {"bos_token", &SpecialTokens::begin},
                                                 {"eos_token", &SpecialTokens::end},
                                                 {"sep_token", &SpecialTokens::separator},
                                                 {"cls_token", &SpecialTokens::classifier},
                                                 {"pad_token", &SpecialTokens::pad},
                                                 {"mask_token", &SpecialTokens::mask}}};

// The special tokens that a family's own code assumes, in the order of Role. "": none.
struct FamilyRow {
  std::string_view family;
  std::array<const char*, kRoles> tokens;
};
constexpr FamilyRow kFamilies[] = {
    {"bert", {"[UNK]", "", "", "[SEP]", "[CLS]", "[PAD]", "[MASK]"}},
    {"deberta-v2", {"[UNK]", "[CLS]", "[SEP]", "[SEP]", "[CLS]", "[PAD]", "[MASK]"}},
    {"roberta", {"<unk>", "<s>", "</s>", "</s>", "<s>", "<pad>", "<mask>"}},
    {"mpnet", {"[UNK]", "<s>", "</s>", "</s>", "<s>", "<pad>", "<mask>"}},
    {"gpt2", {"<|endoftext|>", "<|endoftext|>", "<|endoftext|>", "", "", "", ""}},
    {"llama", {"<unk>", "<s>", "</s>", "", "", "", ""}},
    {"qwen2", {"", "", "<|endoftext|>", "", "", "<|endoftext|>", ""}},
    {"t5", {"<unk>", "", "</s>", "", "", "<pad>", ""}},
    {"clip", {"<|endoftext|>", "<|startoftext|>", "<|endoftext|>", "", "", "<|endoftext|>", ""}},
};

constexpr std::pair<std::string_view, std::string_view> kRelatives[] = {
    {"distilbert", "bert"},      {"electra", "bert"},
    {"bart", "roberta"},         {"mistral", "llama"},
    {"mixtral", "llama"},        {"qwen3", "qwen2"},
    {"qwen2_moe", "qwen2"},      {"mt5", "t5"},
    {"gpt_neo", "gpt2"},         {"gptj", "gpt2"},
    {"clip_text_model", "clip"}, {"debertav2", "deberta-v2"}};

// RoBERTa's frame and mask, over BERT's word pieces in MPNet.
bool like_roberta(std::string_view family) {
  return family == "roberta" || family == "mpnet";
}

const FamilyRow* family_row(std::string_view family) {
  for (const auto& row : kFamilies)
    if (row.family == family) return &row;
  return nullptr;
}

std::optional<JsonNode> parse_settings(const fs::path& path, std::optional<SortedJson>& document) {
  if (!fs::is_regular_file(path)) return std::nullopt;
  document = parse_sorted_json(read_text(path, kLargestTokenizerFile), path.string());
  if (!document->is_object()) fail(ErrorKind::format, "{}: must be a JSON object", path.string());
  return JsonNode(*document, path.string());
}

// A token, given as a string or as an object with flags.
AddedToken read_token(const JsonNode& node, int64_t id) {
  if (node.is_text()) return {.text = node.text(), .id = id};
  return {.text = node.at("content").text(),
          .id = id,
          .special = node.flag("special", true),
          .normalized = node.flag("normalized", false),
          .left_strip = node.flag("lstrip", false),
          .right_strip = node.flag("rstrip", false),
          .single_word = node.flag("single_word", false)};
}

void read_roles(const JsonNode& node, TokenizerSettings& settings) {
  for (size_t i = 0; i < kRoles; ++i)
    if (const auto token = node.find(kRoleRows[i].key)) {
      AddedToken read = read_token(*token, -1);
      read.special = true;
      settings.roles[i] = std::move(read);
    }
  if (const auto more = node.find("additional_special_tokens"))
    for (const auto& token : more->elements())
      settings.special.push_back(read_token(token, -1).text);
}

int64_t read_id(const std::string& digits, const JsonNode& node) {
  int64_t id = -1;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), id);
  if (read.ec != std::errc() || read.ptr != digits.data() + digits.size() || id < 0)
    node.refuse("the key {} must be a token id, a whole number from 0", shown(digits));
  return id;
}

void read_tokenizer_config(const JsonNode& node, TokenizerSettings& settings) {
  const auto flag = [&](std::string_view key, std::optional<bool>& to) {
    if (const auto found = node.find(key)) to = found->flag();
  };
  flag("do_lower_case", settings.lower_case);
  flag("strip_accents", settings.strip_accents);
  flag("tokenize_chinese_chars", settings.spaced_ideographs);
  flag("add_prefix_space", settings.prefix_space);
  flag("add_bos_token", settings.adds_begin);
  flag("add_eos_token", settings.adds_end);
  flag("legacy", settings.legacy);
  if (const auto count = node.find("extra_ids")) settings.extra_ids = count->whole();
  read_roles(node, settings);
  if (const auto added = node.find("added_tokens_decoder")) {
    if (!added->is_object()) added->refuse("must be an object");
    for (const auto& [id, token] : added->value().items()) {
      const JsonNode at = added->at(id);
      settings.added.push_back(read_token(at, read_id(id, at)));
    }
  }
  if (settings.family.empty()) {
    // "Qwen2TokenizerFast" begins with the family.
    std::string name = node.text("tokenizer_class", "");
    name.resize(std::min(name.find("Tokenizer"), name.size()));
    for (char& c : name) c = char(std::tolower(static_cast<unsigned char>(c)));
    settings.family = known_family(name);
  }
}

void read_added_tokens(const JsonNode& node, TokenizerSettings& settings) {
  std::unordered_set<std::string> known;
  for (const auto& token : settings.added) known.insert(token.text);
  for (const auto& [text, id] : node.value().items())
    if (!known.contains(text))
      settings.added.push_back({.text = text, .id = node.at(text).whole(), .special = false});
}

}  // namespace

std::string known_family(const std::string& family) {
  for (const auto& [relative, known] : kRelatives)
    if (relative == family) return std::string(known);
  return family_row(family) ? family : "";
}

TokenizerSettings read_settings(const fs::path& folder, const std::string& family) {
  TokenizerSettings settings;
  settings.family = known_family(family);
  std::optional<SortedJson> document;
  if (settings.family.empty())
    if (const auto node = parse_settings(folder / "config.json", document))
      settings.family = known_family(node->text("model_type", ""));
  if (const auto node = parse_settings(folder / "special_tokens_map.json", document))
    read_roles(*node, settings);
  if (const auto node = parse_settings(folder / "tokenizer_config.json", document))
    read_tokenizer_config(*node, settings);
  if (const auto node = parse_settings(folder / "added_tokens.json", document))
    read_added_tokens(*node, settings);
  return settings;
}

std::vector<AddedToken> special_and_added(const TokenizerSettings& settings,
                                          const std::vector<NumberedToken>& tokens,
                                          std::string_view origin) {
  std::unordered_map<std::string_view, int64_t> ids;
  for (const auto& token : tokens) ids.emplace(token.text, token.id);
  for (const auto& token : settings.added) ids.emplace(token.text, token.id);
  std::unordered_map<std::string, AddedToken> all;
  for (const auto& token : settings.added) all.insert_or_assign(token.text, token);
  // The text determines the id. Tokens already listed keep their flags.
  const auto include = [&](AddedToken token, bool required) {
    const auto id = ids.find(token.text);
    if (id == ids.end() && required)
      fail(ErrorKind::format, "{}: the special token {} is named in the settings, but has no id",
           origin, shown(token.text));
    if (id == ids.end()) return;
    token.id = id->second;
    all.try_emplace(token.text, std::move(token)).first->second.special = true;
  };
  const FamilyRow* row = family_row(settings.family);
  for (size_t i = 0; i < kRoles; ++i) {
    AddedToken token = settings.roles[i].value_or(AddedToken{.text = row ? row->tokens[i] : ""});
    if (token.text.empty()) continue;
    if (like_roberta(settings.family) && Role(i) == Role::mask) token.left_strip = true;
    include(std::move(token), settings.roles[i].has_value());
  }
  for (const auto& text : settings.special) include({.text = text}, true);
  std::vector<AddedToken> list;
  for (auto& [text, token] : all) list.push_back(std::move(token));
  std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return list;
}

SpecialTokens special_roles(const TokenizerSettings& settings, const Vocabulary& vocabulary) {
  SpecialTokens special;
  const FamilyRow* row = family_row(settings.family);
  for (size_t i = 0; i < kRoles; ++i) {
    const std::string token = settings.roles[i] ? settings.roles[i]->text
                              : row             ? row->tokens[i]
                                                : "";
    special.*kRoleRows[i].member = vocabulary.id(token).value_or(-1);
  }
  return special;
}

Frame family_frame(const TokenizerSettings& settings, const SpecialTokens& special) {
  using Ids = std::vector<int64_t>;
  const auto only = [](int64_t id) { return id >= 0 ? Ids{id} : Ids{}; };
  const auto twice = [](int64_t id) { return id >= 0 ? Ids{id, id} : Ids{}; };
  const Ids cls = only(special.classifier), sep = only(special.separator);
  const Ids begin = only(special.begin), end = only(special.end);
  const std::string& family = settings.family;
  if (family == "bert" || family == "deberta-v2") return {cls, sep, sep, sep, true};
  if (like_roberta(family)) return {cls, sep, twice(special.separator), sep};
  if (family == "t5") return {{}, end, end, end};
  if (family == "clip") return {begin, end, twice(special.end), end};
  // Language models: each text of a pair has its own begin and end tokens.
  const Ids before = settings.adds_begin.value_or(family == "llama") ? begin : Ids{};
  const Ids after = settings.adds_end.value_or(false) ? end : Ids{};
  Ids between = after;
  between.insert(between.end(), before.begin(), before.end());
  return {before, after, between, after};
}

}  // namespace patina
