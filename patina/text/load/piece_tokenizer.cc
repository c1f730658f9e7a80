#include "patina/text/load/piece_tokenizer.h"

#include <algorithm>
#include <unordered_set>

#include "patina/base/error.h"
#include "patina/text/model/sentence_piece.h"

namespace patina {

std::unique_ptr<Tokenizer> finished(TokenizerParts parts, const TokenizerSettings& settings,
                                    std::string_view origin) {
  parts.special = special_roles(settings, *parts.vocabulary);
  parts.frame = family_frame(settings, parts.special);
  return assemble(std::move(parts), origin);
}

void set_vocabulary(TokenizerParts& parts, std::vector<NumberedToken> tokens,
                    const TokenizerSettings& settings, std::string_view origin) {
  parts.added = special_and_added(settings, tokens, origin);
  std::vector<NumberedToken> added;
  for (const auto& token : parts.added) added.push_back({token.text, token.id});
  parts.vocabulary =
      std::make_shared<const Vocabulary>(std::move(tokens), std::move(added), origin);
}

namespace {

std::string guessed_piece_family(const PieceModel& model) {
  if (model.kind == PieceModel::Kind::bpe) return "llama";
  const auto is = [&](size_t id, std::string_view text) {
    return id < model.pieces.size() && model.pieces[id].text == text;
  };
  if (is(0, "<pad>") && is(1, "</s>") && is(2, "<unk>")) return "t5";
  return is(0, "[PAD]") && is(1, "[CLS]") && is(2, "[SEP]") ? "deberta-v2" : "";
}

// T5's sentinels are in no file: they follow the pieces, the last one first.
void add_sentinels(TokenizerSettings& settings, const PieceModel& model) {
  constexpr int64_t kUsual = 100, kMost = 10'000;
  const int64_t count = settings.extra_ids.value_or(kUsual);
  if (count < 0 || count > kMost)
    fail(ErrorKind::format, "tokenizer_config.json: extra_ids is {}, not 0 to {}", count, kMost);
  std::unordered_set<std::string> known;
  for (const auto& token : settings.added) known.insert(token.text);
  for (const auto& piece : model.pieces) known.insert(piece.text);
  for (int64_t i = 0; i < count; ++i) {
    AddedToken token{.text = fmt::format("<extra_id_{}>", i),
                     .id = int64_t(model.pieces.size()) + count - 1 - i,
                     .left_strip = true,
                     .right_strip = true};
    if (!known.contains(token.text)) settings.added.push_back(std::move(token));
  }
}

// DeBERTa's mask follows the pieces, too.
void add_mask(TokenizerSettings& settings, const PieceModel& model) {
  const auto& role = settings.roles[size_t(Role::mask)];
  const std::string mask = role ? role->text : "[MASK]";
  const auto is_mask = [&](const auto& token) { return token.text == mask; };
  if (std::ranges::any_of(settings.added, is_mask) || std::ranges::any_of(model.pieces, is_mask))
    return;
  settings.added.push_back({.text = mask, .id = int64_t(model.pieces.size())});
}

}  // namespace

std::unique_ptr<Tokenizer> piece_tokenizer(PieceModel model, TokenizerSettings settings,
                                           const std::string& origin, bool plain) {
  if (settings.family.empty()) settings.family = guessed_piece_family(model);
  if (settings.family == "t5") add_sentinels(settings, model);
  if (settings.family == "deberta-v2") add_mask(settings, model);
  TokenizerParts parts;
  std::vector<NumberedToken> tokens;
  for (const auto& piece : model.pieces) {
    const auto id = int64_t(tokens.size());
    tokens.push_back({piece.text, id});
    if (piece.type == PieceType::control || piece.type == PieceType::unknown)
      parts.control.push_back(id);
  }
  set_vocabulary(parts, std::move(tokens), settings, origin);
  if (plain) parts.added.clear();
  parts.decoder = metaspace_decoder("▁", model.dummy_prefix, model.byte_fallback);
  // Transformers' "legacy": false gives the space in front to the text, not to each part of it.
  if (!settings.legacy.value_or(true) && model.dummy_prefix && !model.remove_extra_whitespaces) {
    model.dummy_prefix = false;
    parts.pre_tokenizer = [](std::string_view text, bool first, const PieceSink& sink) {
      sink(first ? " " + std::string(text) : std::string(text), first);
    };
  }
  parts.model = sentence_piece(model, origin);
  parts.about = fmt::format("SentencePiece {}, {} tokens",
                            model.kind == PieceModel::Kind::bpe ? "BPE" : "unigram",
                            parts.vocabulary->size());
  return finished(std::move(parts), settings, origin);
}

}  // namespace patina
