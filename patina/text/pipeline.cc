#include "patina/text/pipeline.h"

#include <unordered_set>
#include <utility>

#include "patina/base/error.h"

namespace patina {

namespace {

std::vector<AddedToken> chosen(const std::vector<AddedToken>& tokens, bool normalized) {
  std::vector<AddedToken> some;
  for (const auto& token : tokens)
    if (token.normalized == normalized) some.push_back(token);
  return some;
}

class Pipeline final : public Tokenizer {
 public:
  Pipeline(TokenizerParts parts, std::string_view origin)
      : parts_(std::move(parts)),
        early_(chosen(parts_.added, false), origin),
        late_(chosen(parts_.added, true), origin),
        hidden_(parts_.control.begin(), parts_.control.end()) {
    for (const auto& token : parts_.added) {
      if (id(token.text) != token.id)
        fail(ErrorKind::format, "{}: the added token {} is not in the vocabulary under its id {}",
             origin, shown(token.text), token.id);
      if (token.special) hidden_.insert(token.id);
    }
    special_ = parts_.special;
    frame_ = parts_.frame;
  }

  std::vector<int64_t> encode(std::string_view text) const override {
    std::string repaired;
    if (!is_utf8(text)) text = repaired = repaired_utf8(text);
    std::vector<int64_t> ids;
    early_.split(
        text, [&](std::string_view part, size_t begin) { encode_part(part, begin == 0, ids); },
        [&](const AddedToken& token) { ids.push_back(token.id); });
    return ids;
  }

  std::string decode(std::span<const int64_t> ids, bool skip_special) const override {
    std::string text;
    bool first = true;
    for (const int64_t id : ids) {
      const std::string_view token = parts_.vocabulary->token(id);
      if (token.empty() || (skip_special && hidden_.contains(id))) continue;
      parts_.decoder.append(token, first, text);
      first = false;
    }
    if (parts_.decoder.drop_first_space && text.starts_with(' ')) text.erase(0, 1);
    if (parts_.decoder.drop_last_space && text.ends_with(' ')) text.pop_back();
    return repaired_utf8(text);
  }

  int64_t size() const override { return parts_.vocabulary->size(); }
  std::string token(int64_t id) const override { return std::string(parts_.vocabulary->token(id)); }
  std::optional<int64_t> id(std::string_view token) const override {
    return parts_.vocabulary->id(token);
  }
  std::string about() const override { return parts_.about; }

 private:
  void encode_part(std::string_view part, bool first, std::vector<int64_t>& ids) const {
    std::string changed;
    if (parts_.normalizer) part = changed = parts_.normalizer(std::string(part));
    if (late_.empty()) return encode_text(part, first, ids);
    late_.split(
        part,
        [&](std::string_view text, size_t begin) { encode_text(text, first && begin == 0, ids); },
        [&](const AddedToken& token) { ids.push_back(token.id); });
  }

  void encode_text(std::string_view text, bool first, std::vector<int64_t>& ids) const {
    if (text.empty()) return;
    if (!parts_.pre_tokenizer) return parts_.model->encode(text, ids);
    parts_.pre_tokenizer(text, first, [&](std::string_view piece, bool) {
      if (!piece.empty()) parts_.model->encode(piece, ids);
    });
  }

  TokenizerParts parts_;
  AddedTokens early_, late_;
  std::unordered_set<int64_t> hidden_;  // ids that decode omits when it skips special tokens
};

}  // namespace

std::unique_ptr<Tokenizer> assemble(TokenizerParts parts, std::string_view origin) {
  return std::make_unique<Pipeline>(std::move(parts), origin);
}

}  // namespace patina
