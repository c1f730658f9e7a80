#include "patina/text/model/piece_normalizer.h"

#include "patina/text/unicode/unicode.h"

namespace patina {

PieceNormalizer::PieceNormalizer(const PieceModel& model, PieceTrie kept)
    : dummy_prefix_(model.dummy_prefix),
      strip_(model.remove_extra_whitespaces),
      escape_(model.escape_whitespaces),
      suffix_(model.whitespace_suffix),
      kept_(std::move(kept)) {
  if (!model.charsmap.empty()) map_.emplace(model.charsmap, "the model");
}

// The normal form of the beginning of the text, and how many bytes it replaces.
PieceNormalizer::Step PieceNormalizer::step(std::string_view text) const {
  size_t longest = 0;
  kept_.each_prefix(text, [&](size_t length, int32_t) { longest = length; });
  if (longest > 0) return {text.substr(0, longest), longest};
  if (map_)
    if (const auto match = map_->longest_prefix(text)) return {match->first, match->second};
  size_t read = 0;
  next_code_point(text, read);
  return {text.substr(0, read), read};
}

std::string PieceNormalizer::operator()(std::string_view text) const {
  std::string out;
  if (strip_)
    while (!text.empty()) {
      const Step next = step(text);
      if (next.out != " ") break;
      text.remove_prefix(next.read);
    }
  if (text.empty()) return out;
  out.reserve(text.size() + text.size() / 4 + space().size());
  if (dummy_prefix_ && !suffix_) out += space();
  bool after_space = strip_;
  while (!text.empty()) {
    const Step next = step(text);
    std::string_view rest = next.out;
    while (after_space && rest.starts_with(' ')) rest.remove_prefix(1);
    for (const char c : rest)
      if (c == ' ')
        out += space();
      else
        out += c;
    if (!rest.empty()) after_space = strip_ && rest.ends_with(' ');
    text.remove_prefix(next.read);
  }
  if (strip_)
    while (out.ends_with(space())) out.resize(out.size() - space().size());
  if (dummy_prefix_ && suffix_) out += space();
  return out;
}

}  // namespace patina
