#include "patina/text/pre_tokenizer.h"

#include <utility>

namespace patina {

namespace {

void scan(Pattern pattern, std::string_view text, bool first, const PieceSink& sink) {
  for (size_t at = 0; at < text.size();) {
    const Span piece = pattern(text, at);
    if (piece.end > piece.begin)
      sink(text.substr(piece.begin, piece.end - piece.begin), first && piece.begin == 0);
    at = piece.end;
  }
}

PreTokenizer chained(PreTokenizer outer, PreTokenizer inner) {
  return [outer = std::move(outer), inner = std::move(inner)](std::string_view text, bool first,
                                                              const PieceSink& sink) {
    outer(text, first, [&](std::string_view piece, bool starts) { inner(piece, starts, sink); });
  };
}

}  // namespace

PreTokenizer split_by(Pattern pattern) {
  return [pattern](std::string_view text, bool first, const PieceSink& sink) {
    scan(pattern, text, first, sink);
  };
}

PreTokenizer byte_level_split(bool add_prefix_space, Pattern pattern) {
  return [=](std::string_view text, bool first, const PieceSink& sink) {
    std::string prefixed;
    if (add_prefix_space && !text.starts_with(' ')) {
      prefixed.append(" ").append(text);
      text = prefixed;
    }
    if (pattern)
      scan(pattern, text, first, sink);
    else
      sink(text, first);
  };
}

PreTokenizer metaspace(const std::string& mark, Prepend prepend, bool split) {
  return [=](std::string_view text, bool first, const PieceSink& sink) {
    std::string marked = with_replaced(text, " ", mark);
    const bool wanted = prepend == Prepend::always || (prepend == Prepend::first && first);
    if (wanted && !marked.starts_with(mark)) marked.insert(0, mark);
    for (size_t at = 0; at < marked.size();) {
      size_t end = split ? marked.find(mark, at + 1) : std::string::npos;
      if (end == std::string::npos) end = marked.size();
      sink(std::string_view(marked).substr(at, end - at), first && at == 0);
      at = end;
    }
  };
}

PreTokenizer in_sequence(std::vector<PreTokenizer> steps) {
  PreTokenizer all = [](std::string_view text, bool first, const PieceSink& sink) {
    sink(text, first);
  };
  for (size_t i = 0; i < steps.size(); ++i)
    all = i == 0 ? std::move(steps[i]) : chained(std::move(all), std::move(steps[i]));
  return all;
}

std::string with_replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  size_t at = 0;
  for (size_t found; (found = text.find(from, at)) != std::string_view::npos;
       at = found + from.size())
    out.append(text.substr(at, found - at)).append(to);
  return out.append(text.substr(at));
}

}  // namespace patina
