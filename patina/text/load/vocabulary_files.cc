#include "patina/text/load/vocabulary_files.h"

#include <algorithm>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/text/unicode/byte_alphabet.h"
#include "patina/text/unicode/unicode.h"

namespace patina {

namespace {

// Calls `use(line, number)` for each line, without its end; numbers begin at 1. An empty last line
// is left out.
template <class Use>
void for_each_line(std::string_view text, std::string_view origin, Use use) {
  if (!is_utf8(text)) fail(ErrorKind::format, "{}: is not UTF-8 text", origin);
  for (size_t at = 0, number = 1; at < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    at = end + 1;
    if (number > size_t(kMostTokens))
      fail(ErrorKind::format, "{}: more than the limit of {} lines", origin, kMostTokens);
    if (!use(line, number)) return;
  }
}

}  // namespace

std::vector<NumberedToken> parse_token_lines(std::string_view text, std::string_view origin) {
  std::vector<NumberedToken> tokens;
  for_each_line(text, origin, [&](std::string_view line, size_t number) {
    if (line.empty())
      fail(ErrorKind::format, "{}:{}: the line is empty, not a token", origin, number);
    tokens.push_back({std::string(line), int64_t(number) - 1});
    return true;
  });
  return tokens;
}

std::vector<NumberedToken> read_token_ids(const JsonNode& node) {
  if (!node.is_object()) node.refuse("must be an object of tokens and their ids");
  std::vector<NumberedToken> tokens;
  tokens.reserve(node.value().size());
  for (const auto& [token, id] : node.value().items()) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= uint64_t(kMostTokens))
      node.refuse("the id of token {} is not a whole number from 0 to {}", shown(token),
                  kMostTokens - 1);
    tokens.push_back({token, id.get<int64_t>()});
  }
  return tokens;
}

std::vector<NumberedToken> parse_token_ids(std::string_view text, std::string_view origin) {
  const SortedJson document = parse_sorted_json(text, origin);
  return read_token_ids(JsonNode(document, std::string(origin)));
}

std::vector<Bpe::Merge> parse_merges(std::string_view text, std::string_view origin, size_t most) {
  std::vector<Bpe::Merge> merges;
  for_each_line(text, origin, [&](std::string_view line, size_t number) {
    if (number == 1 && line.find("#version") != std::string_view::npos) return true;
    const size_t space = std::min(line.find(' '), line.size());
    if (space == 0 || space + 1 >= line.size() ||
        line.find(' ', space + 1) != std::string_view::npos)
      fail(ErrorKind::format, "{}:{}: {} is not a merge, which is two parts with a space between",
           origin, number, shown(line));
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
    return merges.size() < most;
  });
  return merges;
}

std::vector<NumberedToken> openai_clip_tokens(const std::vector<Bpe::Merge>& merges) {
  std::vector<std::string> texts;
  for (char32_t letter = 0; letter < 0x200; ++letter)
    if (byte_of(letter)) append_utf8(texts.emplace_back(), letter);
  for (size_t i = 0; i < 256; ++i) texts.push_back(texts[i] + "</w>");
  for (const auto& [left, right] : merges) texts.push_back(left + right);
  texts.insert(texts.end(), {"<|startoftext|>", "<|endoftext|>"});
  std::vector<NumberedToken> tokens;
  for (auto& text : texts) tokens.push_back({std::move(text), int64_t(tokens.size())});
  return tokens;
}

}  // namespace patina
