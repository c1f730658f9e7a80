#include "patina/text/tokenizer.h"

#include <algorithm>

#include "patina/base/error.h"
#include "patina/text/chat_template.h"

namespace patina {

namespace {

void append(std::vector<int64_t>& to, const std::vector<int64_t>& ids) {
  to.insert(to.end(), ids.begin(), ids.end());
}

// How many tokens of each text remain if the longer one repeatedly loses a token until `room` are
// left. If both are equally long, the second loses one.
std::pair<size_t, size_t> cut_longest(size_t first, size_t second, size_t room) {
  if (first + second <= room) return {first, second};
  const size_t shorter = std::min(first, second);
  if (room >= 2 * shorter)
    return first > second ? std::pair(room - shorter, second) : std::pair(first, room - shorter);
  return {room - room / 2, room / 2};
}

}  // namespace

const ChatTemplate* Tokenizer::chat_template() const {
  if (chat_template_error_) throw Error(*chat_template_error_);
  return chat_template_.get();
}

void Tokenizer::set_chat_template(const std::string& text, const std::string& origin) {
  const std::pair<const char*, int64_t> roles[] = {
      {"bos_token", special_.begin},      {"eos_token", special_.end},
      {"unk_token", special_.unknown},    {"sep_token", special_.separator},
      {"cls_token", special_.classifier}, {"pad_token", special_.pad},
      {"mask_token", special_.mask}};
  std::map<std::string, std::string> tokens;
  for (const auto& [name, id] : roles)
    if (id >= 0) tokens[name] = token(id);
  try {
    chat_template_ = std::make_shared<const ChatTemplate>(text, origin, std::move(tokens));
    chat_template_error_.reset();
  } catch (const Error& error) {
    chat_template_error_ = error;
  }
}

Encoding Tokenizer::encode_framed(std::string_view text, std::optional<std::string_view> second,
                                  int64_t max_length) const {
  std::vector<int64_t> a = encode(text), b;
  if (second) b = encode(*second);
  const size_t frame =
      frame_.before.size() +
      (second ? frame_.between.size() + frame_.after_pair.size() : frame_.after.size());
  if (max_length > 0) {
    if (size_t(max_length) < frame)
      fail(ErrorKind::usage, "a length of {} tokens has no room for the {} tokens around a text",
           max_length, frame);
    const auto [keep_a, keep_b] = cut_longest(a.size(), b.size(), size_t(max_length) - frame);
    a.resize(keep_a);
    b.resize(keep_b);
  }

  Encoding out;
  append(out.ids, frame_.before);
  append(out.ids, a);
  append(out.ids, second ? frame_.between : frame_.after);
  out.types.assign(out.ids.size(), 0);
  if (second) {
    append(out.ids, b);
    append(out.ids, frame_.after_pair);
    out.types.resize(out.ids.size(), frame_.second_type ? 1 : 0);
  }
  return out;
}

std::string TokenStream::push(int64_t id) {
  constexpr std::string_view kUnfinished = "\xef\xbf\xbd";
  ids_.push_back(id);
  const std::string text = tokenizer_.decode(ids_);
  // The first bytes of an incomplete character decode as one U+FFFD at the end.
  const bool whole = !text.ends_with(kUnfinished);
  const size_t settled = text.size() - (whole ? 0 : kUnfinished.size());
  std::string fresh = settled > given_ ? text.substr(given_, settled - given_) : "";
  given_ = std::max(given_, settled);
  if (!whole) return fresh;
  // If the last token has a text of its own, the following text depends only on that token.
  const int64_t last[] = {id};
  if (const std::string alone = tokenizer_.decode(last); !alone.empty()) {
    ids_.assign(1, id);
    given_ = alone.size();
  }
  return fresh;
}

std::string TokenStream::finish() {
  const std::string text = tokenizer_.decode(ids_);
  std::string rest = given_ < text.size() ? text.substr(given_) : "";
  ids_.clear();
  given_ = 0;
  return rest;
}

}  // namespace patina
