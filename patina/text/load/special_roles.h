// The roles of special tokens and the tokens that a model expects around its texts: the published
// conventions of each family, and the settings files of a model folder that override them.
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

/// The settings of `tokenizer_config.json`, `special_tokens_map.json`, `added_tokens.json` and
/// `config.json` that a tokenizer needs.
struct TokenizerSettings {
  std::string family;  // "" if unknown; a family that behaves as another has that one's name
  std::optional<bool> lower_case, strip_accents, spaced_ideographs, prefix_space, legacy;
  std::optional<bool> adds_begin, adds_end;
  std::optional<int64_t> extra_ids;
  std::vector<AddedToken> added;            // with ids
  std::vector<std::string> special;         // additional special tokens, by spelling
  std::optional<AddedToken> roles[kRoles];  // without ids
};

/// Reads those of the files that the folder has. `family` overrides theirs. Throws Error(format).
TokenizerSettings read_settings(const fs::path& folder, const std::string& family);

/// The family that `family` behaves as: "bert" for "distilbert"; "" if it is unknown.
std::string known_family(const std::string& family);

/// The settings' added tokens, and the family's special tokens that are in `tokens`, with flags and
/// ids. Throws Error(format), which names `origin`, if the settings name a token that has no id.
std::vector<AddedToken> special_and_added(const TokenizerSettings& settings,
                                          const std::vector<NumberedToken>& tokens,
                                          std::string_view origin);

SpecialTokens special_roles(const TokenizerSettings& settings, const Vocabulary& vocabulary);
Frame family_frame(const TokenizerSettings& settings, const SpecialTokens& special);

}  // namespace patina
