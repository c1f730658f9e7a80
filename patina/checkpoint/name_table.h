// Name tables: the names of a network's tensors in checkpoints.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace patina {

/// One tensor, or all of a module: `blocks.{}.attn.qkv` covers its weight and its bias. `{}` stands
/// for the same number on both sides.
struct NameRule {
  std::string ours;
  std::vector<std::string> theirs;  // several: stored separately, concatenated along the first
                                    // dimension
  bool transposed = false;          // a weight stored [in,out]
};

/// A family's names. Where no rule speaks, a tensor has the same name on both sides.
///
///   {.prefix = "bert.", .rules = {{"text.embed", {"@embeddings.word_embeddings"}}, ...}}
struct NameTable {
  /// What `@` stands for. A file in which no name begins with it is read without: both spellings
  /// of most families are about.
  std::string prefix;
  std::vector<NameRule> rules;
  /// Tensors a file may contain that are not needed: buffers and copies of tied weights. `*`
  /// matches anything.
  std::vector<std::string> unneeded;
  /// Whether the file has nothing but the network: every other tensor is unexpected. A table
  /// without rules is such.
  bool complete = false;

  struct Found {
    std::vector<std::string> theirs;
    bool transposed = false;
  };
  /// The checkpoint's names of our tensor, `@` replaced by `prefix`.
  Found find(std::string_view ours, std::string_view prefix) const;
  bool is_unneeded(std::string_view theirs, std::string_view prefix) const;
};

}  // namespace patina
