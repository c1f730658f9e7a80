// Pre-tokenizers split a text into the pieces that a model encodes one by one.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "patina/text/unicode/patterns.h"

namespace patina {

/// Receives one piece, which is not empty. `first`: the piece is at the beginning of the text. The
/// bytes are valid until the call returns.
using PieceSink = std::function<void(std::string_view piece, bool first)>;
using PreTokenizer = std::function<void(std::string_view text, bool first, const PieceSink& sink)>;

/// Splits by a pattern.
PreTokenizer split_by(Pattern pattern);
/// As GPT-2: adds a space in front if `add_prefix_space` and there is none, then splits by the
/// pattern, if any.
PreTokenizer byte_level_split(bool add_prefix_space, Pattern pattern);

enum class Prepend { always, first, never };
/// As SentencePiece: replaces spaces by `mark`, and puts one mark in front of the text if there is
/// none. `split` begins a new piece at each mark.
PreTokenizer metaspace(const std::string& mark, Prepend prepend, bool split);

/// Each step splits the pieces of the previous one. Without steps the text is one piece.
PreTokenizer in_sequence(std::vector<PreTokenizer> steps);

/// Replaces every `from`, which must not be empty, by `to`.
std::string with_replaced(std::string_view text, std::string_view from, std::string_view to);

}  // namespace patina
