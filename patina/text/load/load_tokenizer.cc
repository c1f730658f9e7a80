// Detects a folder's tokenizer by its files, and assembles the parts for each family.
#include <array>
#include <unordered_set>

#include "patina/base/file.h"
#include "patina/base/json.h"
#include "patina/text/load/chat_template_files.h"
#include "patina/text/load/piece_tokenizer.h"
#include "patina/text/load/special_roles.h"
#include "patina/text/load/tokenizer_json.h"
#include "patina/text/load/vocabulary_files.h"
#include "patina/text/model/bpe.h"
#include "patina/text/model/word_piece.h"
#include "patina/text/pipeline.h"
#include "patina/text/unicode/html.h"

namespace patina {

namespace {

std::string read(const fs::path& path) {
  return read_text(path, kLargestTokenizerFile);
}

// BERT's steps in the order of Hugging Face's BertTokenizer; by character, for it lower-cases every
// character by itself before anything else.
Normalizer bert_steps(bool lower, bool strip, bool ideographs) {
  std::vector<Normalizer> steps;
  if (lower) steps.push_back(in_lower_case(Sigma::by_character));
  steps.emplace_back(bert_cleaned);
  if (ideographs) steps.emplace_back(with_spaced_ideographs);
  steps.push_back(in_normal_form(NormalForm::nfc));
  if (lower) steps.push_back(in_lower_case(Sigma::by_character));
  if (strip) {
    steps.push_back(in_normal_form(NormalForm::nfd));
    steps.emplace_back([](const std::string& text) { return without(text, is_nonspacing_mark); });
  }
  return in_sequence(std::move(steps));
}

std::unique_ptr<Tokenizer> word_pieces(std::string_view lines, const std::string& origin,
                                       TokenizerSettings settings) {
  if (settings.family.empty()) settings.family = "bert";
  TokenizerParts parts;
  set_vocabulary(parts, parse_token_lines(lines, origin), settings, origin);
  const SpecialTokens special = special_roles(settings, *parts.vocabulary);
  if (special.unknown < 0)
    fail(ErrorKind::format, "{}: the vocabulary has no token for unknown words ([UNK])", origin);
  // Without a word from the settings: a vocabulary with capitals was made from text with capitals.
  const bool lower = settings.lower_case.value_or(!parts.vocabulary->id("The"));
  const bool strip = settings.strip_accents.value_or(lower);
  parts.normalizer = bert_steps(lower, strip, settings.spaced_ideographs.value_or(true));
  parts.pre_tokenizer = split_by(bert_pattern);
  parts.model = std::make_unique<WordPiece>(parts.vocabulary, WordPieceOptions{special.unknown});
  parts.decoder = word_piece_decoder("##", true);
  parts.about = fmt::format("WordPiece, {} tokens, {}", parts.vocabulary->size(),
                            lower ? "lower case" : "with case");
  return finished(std::move(parts), settings, origin);
}

std::unique_ptr<Tokenizer> load_vocab_txt(const fs::path& path, TokenizerSettings settings) {
  return word_pieces(read(path), path.string(), std::move(settings));
}

// CLIP's cleaning without ftfy: composed, entities read twice where `entities`, no space around,
// lower case as Python has it.
Normalizer clip_steps(bool entities) {
  std::vector<Normalizer> steps{in_normal_form(NormalForm::nfc)};
  if (entities)
    steps.emplace_back([](const std::string& text) { return unescape_html(unescape_html(text)); });
  steps.emplace_back(
      [](const std::string& text) { return stripped(text, is_python_space, true, true); });
  steps.push_back(in_lower_case(Sigma::by_word));
  return in_sequence(std::move(steps));
}

// Byte-level BPE of a family, once the vocabulary is set; `whole`: see BpeOptions.
void set_byte_level(TokenizerParts& parts, const std::vector<Bpe::Merge>& merges,
                    const TokenizerSettings& settings, std::string_view origin,
                    std::vector<std::string> whole = {}) {
  const bool clip = settings.family == "clip", qwen2 = settings.family == "qwen2";
  const std::string suffix = clip ? "</w>" : "";
  if (qwen2) parts.normalizer = in_normal_form(NormalForm::nfc);
  if (clip)
    parts.pre_tokenizer = split_by(whole.empty() ? clip_pattern : openai_clip_pattern);
  else
    parts.pre_tokenizer = byte_level_split(settings.prefix_space.value_or(false),
                                           qwen2 ? qwen2_pattern : gpt2_pattern);
  parts.model = std::make_unique<Bpe>(
      parts.vocabulary, merges,
      BpeOptions{.byte_level = true, .suffix = suffix, .whole = std::move(whole)}, origin);
  parts.decoder = byte_level_decoder(suffix);
  parts.about = fmt::format("byte-level BPE, {} tokens", parts.vocabulary->size());
}

std::string guessed_byte_level_family(const std::vector<NumberedToken>& tokens) {
  std::unordered_set<std::string_view> texts;
  for (const auto& token : tokens) texts.insert(token.text);
  if (texts.contains("<|startoftext|>") && texts.contains("a</w>")) return "clip";
  if (texts.contains("<s>") && texts.contains("<mask>")) return "roberta";
  return texts.contains("<|endoftext|>") ? "gpt2" : "";
}

std::unique_ptr<Tokenizer> load_vocab_json(const fs::path& path, TokenizerSettings settings) {
  const fs::path merges = path.parent_path() / "merges.txt";
  auto tokens = parse_token_ids(read(path), path.string());
  if (settings.family.empty()) settings.family = guessed_byte_level_family(tokens);
  TokenizerParts parts;
  set_vocabulary(parts, std::move(tokens), settings, path.string());
  if (settings.family == "clip") parts.normalizer = clip_steps(false);
  set_byte_level(parts, parse_merges(read(merges), merges.string()), settings, merges.string());
  return finished(std::move(parts), settings, path.string());
}

// OpenAI's own GPT-2 files: "<|endoftext|>" written in a text is ordinary text, as in its encoder.
std::unique_ptr<Tokenizer> load_openai_gpt2(const fs::path& path, TokenizerSettings settings) {
  const fs::path merges = path.parent_path() / "vocab.bpe";
  settings.family = "gpt2";
  TokenizerParts parts;
  parts.vocabulary = std::make_shared<const Vocabulary>(
      parse_token_ids(read(path), path.string()), std::vector<NumberedToken>(), path.string());
  set_byte_level(parts, parse_merges(read(merges), merges.string()), settings, merges.string());
  if (const auto end = parts.vocabulary->id("<|endoftext|>")) parts.control.push_back(*end);
  return finished(std::move(parts), settings, path.string());
}

// OpenAI's own CLIP file, read as its own program reads text: HTML entities, markers only where a
// piece begins, "!" (id 0) to fill up.
std::unique_ptr<Tokenizer> load_openai_clip(const fs::path& path, TokenizerSettings settings) {
  const std::string origin = path.string();
  const Bytes bytes = read_maybe_gzip(path, kLargestTokenizerFile);
  const auto merges = parse_merges({reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                                   origin, kClipMerges);
  settings = {.family = "clip"};
  settings.roles[size_t(Role::pad)] = AddedToken{.text = "!"};
  TokenizerParts parts;
  parts.vocabulary = std::make_shared<const Vocabulary>(openai_clip_tokens(merges),
                                                        std::vector<NumberedToken>(), origin);
  parts.normalizer = clip_steps(true);
  const std::vector<std::string> markers{"<|startoftext|>", "<|endoftext|>"};
  for (const auto& marker : markers) parts.control.push_back(*parts.vocabulary->id(marker));
  set_byte_level(parts, merges, settings, origin, markers);
  return finished(std::move(parts), settings, origin);
}

std::unique_ptr<Tokenizer> load_piece_model(const fs::path& path, TokenizerSettings settings) {
  const Bytes bytes = read_file(path, kLargestTokenizerFile);
  return piece_tokenizer(parse_piece_model(bytes, path.string()), std::move(settings),
                         path.string(), false);
}

// As llama2.c's own program: "<s>" written in a text is ordinary text.
std::unique_ptr<Tokenizer> load_llama2c(const fs::path& path, TokenizerSettings settings) {
  settings = {.family = "llama"};
  const Bytes bytes = read_file(path, kLargestTokenizerFile);
  return piece_tokenizer(parse_llama2c_vocabulary(bytes, path.string()), std::move(settings),
                         path.string(), true);
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): kKinds has one signature for all
std::unique_ptr<Tokenizer> load_tokenizer_json(const fs::path& path, TokenizerSettings settings) {
  return parse_tokenizer_json(read(path), path.string(), settings);
}

// A file that means a tokenizer, and the one that belongs to it, if any. The first found counts.
struct Kind {
  std::string_view file, companion;
  std::unique_ptr<Tokenizer> (*load)(const fs::path& path, TokenizerSettings settings);
};
constexpr Kind kKinds[] = {
    {"tokenizer.json", "", load_tokenizer_json},
    {"vocab.txt", "", load_vocab_txt},
    {"vocab.json", "merges.txt", load_vocab_json},
    {"encoder.json", "vocab.bpe", load_openai_gpt2},
    {"bpe_simple_vocab_16e6.txt.gz", "", load_openai_clip},
    {"tokenizer.model", "", load_piece_model},
    {"spiece.model", "", load_piece_model},
    {"spm.model", "", load_piece_model},
    {"tokenizer.bin", "", load_llama2c},
    {"tok512.bin", "", load_llama2c},
};

const Kind* kind_in(const fs::path& folder) {
  for (const auto& kind : kKinds)
    if (is_file(folder / kind.file) && (kind.companion.empty() || is_file(folder / kind.companion)))
      return &kind;
  return nullptr;
}

// By its name; any .model is SentencePiece's, any .bin llama2.c's.
const Kind* kind_of_file(const fs::path& path) {
  const std::string name = path.filename().string();
  for (const auto& kind : kKinds)
    if (name == kind.file || (!kind.companion.empty() && name == kind.companion)) return &kind;
  for (const auto& kind : kKinds)
    if (const fs::path ending = path.extension();
        (ending == ".model" || ending == ".bin") && ending == fs::path(kind.file).extension())
      return &kind;
  return nullptr;
}

std::string file_names() {
  std::string names;
  for (const auto& kind : kKinds) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", kind.file);
    if (!kind.companion.empty()) names += fmt::format(" with {}", kind.companion);
  }
  return names;
}

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer(const std::string& path, const std::string& family) {
  const fs::path given(path);
  const bool file = is_file(given);
  const Kind* kind = file ? kind_of_file(given) : kind_in(given);
  if (!kind)
    fail(ErrorKind::file, "{}: {}; a tokenizer is one of {}", path,
         file ? "its name is not that of a tokenizer file" : "no tokenizer found", file_names());
  const fs::path folder = file ? given.parent_path() : given;
  // A companion stands for the file that it belongs to.
  const bool other_name = file && given.filename() != kind->companion;
  auto tokenizer =
      kind->load(other_name ? given : folder / kind->file, read_settings(folder, family));
  if (const auto found = find_chat_template(folder))
    tokenizer->set_chat_template(found->text, found->origin);
  return tokenizer;
}

std::unique_ptr<Tokenizer> word_piece_tokenizer(std::string_view vocabulary,
                                                const std::string& origin) {
  return word_pieces(vocabulary, origin, {.family = "bert", .lower_case = true});
}

bool has_tokenizer(const std::string& path) {
  const fs::path given(path);
  return is_file(given) ? kind_of_file(given) != nullptr : kind_in(given) != nullptr;
}

}  // namespace patina
