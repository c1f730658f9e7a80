#include "patina/text/load/tokenizer_json.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "patina/base/json.h"
#include "patina/text/load/json_steps.h"
#include "patina/text/load/vocabulary_files.h"
#include "patina/text/model/bpe.h"
#include "patina/text/model/sentence_piece.h"
#include "patina/text/model/word_piece.h"
#include "patina/text/pipeline.h"

namespace patina {

namespace {

std::vector<AddedToken> read_added(const JsonNode& root) {
  std::vector<AddedToken> added;
  const auto list = root.find("added_tokens");
  if (!list) return added;
  for (const auto& node : list->elements()) {
    node.allow_only({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
    added.push_back({.text = node.at("content").text(),
                     .id = node.at("id").whole(),
                     .special = node.flag("special", false),
                     .normalized = node.flag("normalized", true),
                     .left_strip = node.flag("lstrip", false),
                     .right_strip = node.flag("rstrip", false),
                     .single_word = node.flag("single_word", false)});
  }
  return added;
}

std::vector<NumberedToken> numbered(const std::vector<AddedToken>& added) {
  std::vector<NumberedToken> tokens;
  for (const auto& token : added) tokens.push_back({token.text, token.id});
  return tokens;
}

std::shared_ptr<const Vocabulary> make_vocabulary(std::vector<NumberedToken> tokens,
                                                  const std::vector<AddedToken>& added,
                                                  const JsonNode& node) {
  return std::make_shared<const Vocabulary>(std::move(tokens), numbered(added), node.place());
}

// The id of a special token that the file names by its text; nullopt if it names none.
std::optional<int64_t> named_id(const JsonNode& model, std::string_view key,
                                const Vocabulary& vocabulary) {
  const auto node = model.find(key);
  if (!node) return std::nullopt;
  const auto id = vocabulary.id(node->text());
  if (!id) node->refuse("{} is not in the vocabulary", shown(node->text()));
  return id;
}

void read_word_piece(const JsonNode& model, TokenizerParts& parts) {
  model.allow_only(
      {"type", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word", "vocab"});
  parts.vocabulary = make_vocabulary(read_token_ids(model.at("vocab")), parts.added, model);
  const auto unknown = named_id(model, "unk_token", *parts.vocabulary);
  if (!unknown) model.refuse("WordPiece needs an unk_token");
  WordPieceOptions options{*unknown, model.text("continuing_subword_prefix", "##")};
  if (const auto most = model.find("max_input_chars_per_word"))
    options.longest_word = size_t(std::clamp<int64_t>(most->whole(), 0, 10'000));
  parts.model = std::make_unique<WordPiece>(parts.vocabulary, options);
}

std::vector<Bpe::Merge> read_merges(const JsonNode& node) {
  std::vector<Bpe::Merge> merges;
  for (const auto& element : node.elements()) {
    if (!element.is_text()) {
      const auto parts = element.elements();
      if (parts.size() != 2) element.refuse("a merge has two parts");
      merges.emplace_back(parts[0].text(), parts[1].text());
      continue;
    }
    const std::string text = element.text();
    const size_t space = text.find(' ');
    if (space == std::string::npos) element.refuse("a merge has a space between its parts");
    merges.emplace_back(text.substr(0, space), text.substr(space + 1));
  }
  return merges;
}

void read_bpe(const JsonNode& model, bool byte_level, TokenizerParts& parts, std::string& suffix) {
  model.allow_only({"type", "dropout", "unk_token", "continuing_subword_prefix",
                    "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges", "vocab",
                    "merges"});
  if (const auto dropout = model.find("dropout"); dropout && dropout->number() != 0)
    dropout->refuse("dropout makes encoding random, which is not supported; set it to null");
  if (!model.text("continuing_subword_prefix", "").empty())
    model.refuse("continuing_subword_prefix is not supported for BPE");
  parts.vocabulary = make_vocabulary(read_token_ids(model.at("vocab")), parts.added, model);
  suffix = model.text("end_of_word_suffix", "");
  const BpeOptions options{byte_level,
                           suffix,
                           named_id(model, "unk_token", *parts.vocabulary),
                           model.flag("fuse_unk", false),
                           model.flag("byte_fallback", false),
                           model.flag("ignore_merges", false)};
  parts.model = std::make_unique<Bpe>(parts.vocabulary, read_merges(model.at("merges")), options,
                                      model.place());
}

// Reads the pieces as a SentencePiece model. Normalizing and splitting are left to the steps around
// it.
void read_unigram(const JsonNode& model, TokenizerParts& parts) {
  model.allow_only({"type", "unk_id", "vocab", "byte_fallback"});
  PieceModel pieces{.kind = PieceModel::Kind::unigram,
                    .byte_fallback = model.flag("byte_fallback", false),
                    .dummy_prefix = false,
                    .remove_extra_whitespaces = false,
                    .escape_whitespaces = false};
  const int64_t unknown = model.at("unk_id").whole();
  std::unordered_set<std::string> added;
  for (const auto& token : parts.added) added.insert(token.text);
  std::vector<NumberedToken> tokens;
  for (const auto& element : model.at("vocab").elements()) {
    const auto entry = element.elements();
    if (entry.size() != 2) element.refuse("must be a token and its score");
    Piece piece{entry[0].text(), float(entry[1].number())};
    const auto id = int64_t(tokens.size());
    if (id == unknown)
      piece.type = PieceType::unknown;
    else if (added.contains(piece.text))
      piece.type = PieceType::control;
    else if (pieces.byte_fallback && piece.text.size() == 6 && piece.text.starts_with("<0x"))
      piece.type = PieceType::byte;
    tokens.push_back({piece.text, id});
    pieces.pieces.push_back(std::move(piece));
  }
  check_piece_model(pieces, model.place());
  parts.vocabulary = make_vocabulary(std::move(tokens), parts.added, model);
  parts.model = sentence_piece(pieces, model.place());
}

std::string model_type(const JsonNode& model) {
  const char* guess = model.find("merges") ? "BPE" : model.find("unk_id") ? "Unigram" : "WordPiece";
  return model.text("type", guess);
}

// One template of a TemplateProcessing: the ids before, between and after its sequences.
struct Template {
  std::vector<std::vector<int64_t>> around;  // one list more than there are sequences
  std::vector<int64_t> types;                // of the sequences
};

Template read_template(const JsonNode& list, const JsonNode& special, size_t sequences) {
  Template out;
  out.around.emplace_back();
  for (const auto& element : list.elements()) {
    if (const auto sequence = element.find("Sequence")) {
      const std::string expected(1, char('A' + out.types.size()));
      if (sequence->at("id").text() != expected) sequence->refuse("must be {} here", expected);
      const auto type = sequence->find("type_id");
      out.types.push_back(type ? type->whole() : 0);
      out.around.emplace_back();
    } else {
      const JsonNode token = special.at(element.at("SpecialToken").at("id").text());
      for (const auto& id : token.at("ids").elements()) out.around.back().push_back(id.whole());
    }
    if (out.types.size() > sequences) element.refuse("is one sequence too many");
  }
  if (out.types.size() != sequences) list.refuse("must have {} sequences", sequences);
  return out;
}

Frame read_template_frame(const JsonNode& node) {
  node.allow_only({"type", "single", "pair", "special_tokens"});
  const JsonNode special = node.at("special_tokens");
  const Template single = read_template(node.at("single"), special, 1);
  const Template pair = read_template(node.at("pair"), special, 2);
  if (single.around[0] != pair.around[0])
    node.refuse("a pair that begins with other tokens than a text alone is not supported");
  return {single.around[0], single.around[1], pair.around[1], pair.around[2], pair.types[1] == 1};
}

std::vector<int64_t> named_pair_id(const JsonNode& node, std::string_view key) {
  const auto pair = node.at(key).elements();  // a token and its id
  if (pair.size() != 2) node.refuse("{} must be a token and its id", key);
  return {pair[1].whole()};
}

void read_post_processor(const JsonNode& node, std::optional<Frame>& frame) {
  const std::string type = node.at("type").text();
  if (type == "ByteLevel") return;
  if (type == "Sequence") {
    for (const auto& step : node.at("processors").elements()) read_post_processor(step, frame);
    return;
  }
  if (frame) node.refuse("a second post-processor that adds tokens is not supported");
  if (type == "TemplateProcessing") {
    frame = read_template_frame(node);
    return;
  }
  if (type != "BertProcessing" && type != "RobertaProcessing")
    node.refuse("the post-processor {} is not supported", shown(type));
  node.allow_only({"type", "sep", "cls", "trim_offsets", "add_prefix_space"});
  const auto cls = named_pair_id(node, "cls"), sep = named_pair_id(node, "sep");
  if (type == "BertProcessing")
    frame = Frame{cls, sep, sep, sep, true};
  else
    frame = Frame{cls, sep, {sep[0], sep[0]}, sep};
}

void check_frame(const Frame& frame, const JsonNode& node, const Vocabulary& vocabulary) {
  for (const auto* ids : {&frame.before, &frame.after, &frame.between, &frame.after_pair})
    for (const int64_t id : *ids)
      if (vocabulary.token(id).empty())
        node.refuse("the post-processor adds the id {}, which is not in the vocabulary", id);
}

void read_model(const JsonNode& model, bool byte_level, TokenizerParts& parts,
                std::string& suffix) {
  const std::string type = model_type(model);
  if (type == "WordPiece")
    read_word_piece(model, parts);
  else if (type == "BPE")
    read_bpe(model, byte_level, parts, suffix);
  else if (type == "Unigram")
    read_unigram(model, parts);
  else
    model.refuse("the model {} is not supported; WordPiece, BPE and Unigram are", shown(type));
  parts.about = fmt::format("{}, {} tokens", byte_level ? "byte-level " + type : type,
                            parts.vocabulary->size());
}

}  // namespace

std::unique_ptr<Tokenizer> parse_tokenizer_json(std::string_view text, std::string_view origin,
                                                const TokenizerSettings& settings) {
  const SortedJson document = parse_sorted_json(text, origin);
  return read_tokenizer_json(JsonNode(document, std::string(origin)), settings);
}

std::unique_ptr<Tokenizer> read_tokenizer_json(const JsonNode& root,
                                               const TokenizerSettings& settings) {
  root.allow_only({"version", "truncation", "padding", "added_tokens", "normalizer",
                   "pre_tokenizer", "post_processor", "decoder", "model"});
  TokenizerParts parts;
  parts.added = read_added(root);
  if (const auto node = root.find("normalizer")) parts.normalizer = read_normalizer(*node);
  SplitSteps split;
  if (const auto node = root.find("pre_tokenizer")) split = read_pre_tokenizer(*node);
  if (!split.steps.empty()) parts.pre_tokenizer = in_sequence(std::move(split.steps));
  std::string suffix;
  read_model(root.at("model"), split.byte_level, parts, suffix);
  const auto decoder = root.find("decoder");
  parts.decoder = decoder ? read_decoder(*decoder, suffix) : spaced_decoder();

  parts.special = special_roles(settings, *parts.vocabulary);
  std::optional<Frame> frame;
  const auto post = root.find("post_processor");
  if (post) read_post_processor(*post, frame);
  parts.frame = frame ? *frame : post ? Frame{} : family_frame(settings, parts.special);
  check_frame(parts.frame, root, *parts.vocabulary);
  return assemble(std::move(parts), root.place());
}

}  // namespace patina
