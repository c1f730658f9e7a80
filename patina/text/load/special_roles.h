// Which tokens have a fixed meaning and what a model wants around its texts: the published habits
// of each family, and the settings files of a model folder that change them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "patina/base/file.h"
#include "patina/text/added_tokens.h"
#include "patina/text/model/vocabulary.h"
#include "patina/text/tokenizer.h"

namespace patina {

enum class Role { unknown, begin, end, separator, classifier, pad, mask };
constexpr size_t kRoles = 7;

/// What `tokenizer_config.json`, `special_tokens_map.json`, `added_tokens.json` and `config.json`
/// say, as far as a tokenizer needs it.
struct TokenizerSettings {
  std::string family;  // "" when unknown; relatives by the name of the one they behave as
  std::optional<bool> lower_case, strip_accents, spaced_ideographs, prefix_space, legacy;
  std::optional<bool> adds_begin, adds_end;
  std::optional<int64_t> extra_ids;
  std::vector<AddedToken> added;            // with ids
  std::vector<std::string> special;         // additional special tokens, by spelling
  std::optional<AddedToken> roles[kRoles];  // without ids
};

/// Reads what is there of the folder's files. `family` outweighs them. Throws Error(format).
TokenizerSettings read_settings(const fs::path& folder, const std::string& family);

/// "distilbert" as "bert"; "" for a family that is not known here.
std::string known_family(const std::string& family);

/// The settings' added tokens and the special tokens of the family that `tokens` has, with their
/// flags and ids. Throws Error(format) naming `origin` when the settings name one that has no id.
std::vector<AddedToken> special_and_added(const TokenizerSettings& settings,
                                          const std::vector<NumberedToken>& tokens,
                                          std::string_view origin);

SpecialTokens special_roles(const TokenizerSettings& settings, const Vocabulary& vocabulary);
Frame family_frame(const TokenizerSettings& settings, const SpecialTokens& special);

}  // namespace patina
