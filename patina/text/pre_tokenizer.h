// Pre-tokenizers: what splits a text into the pieces that a model encodes one by one.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "patina/text/unicode/patterns.h"

namespace patina {

/// Takes one piece, not empty; `first` when nothing of the text comes before it. The bytes live
/// until it returns.
using PieceSink = std::function<void(std::string_view piece, bool first)>;
using PreTokenizer = std::function<void(std::string_view text, bool first, const PieceSink& sink)>;

/// The pieces of a pattern.
PreTokenizer split_by(Pattern pattern);
/// GPT-2's: a space in front where asked for and none is there, then the pattern, if any.
PreTokenizer byte_level_split(bool add_prefix_space, Pattern pattern);

enum class Prepend { always, first, never };
/// SentencePiece's: spaces become `mark`, which also comes in front of the text, once; `split` ends
/// a piece before each mark.
PreTokenizer metaspace(const std::string& mark, Prepend prepend, bool split);

/// Each one splits the pieces of the one before. None: the text is one piece.
PreTokenizer in_sequence(std::vector<PreTokenizer> steps);

/// `text` with `to` for every `from`, which is not empty.
std::string with_replaced(std::string_view text, std::string_view from, std::string_view to);

}  // namespace patina
