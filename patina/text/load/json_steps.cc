#include "patina/text/load/json_steps.h"

#include <algorithm>
#include <array>
#include <memory>

#include "patina/base/json.h"
#include "patina/text/model/charsmap.h"
#include "patina/text/model/vocabulary.h"

namespace patina {

namespace {

// One row of a table of step types: the name, the allowed settings besides "type", and the reader.
template <class Step>
struct StepReader {
  std::string_view type;
  std::initializer_list<std::string_view> settings;
  Step (*read)(const JsonNode& node);
};

// Reads `node` with the reader of its type.
template <class Step, size_t n>
Step read_step(const JsonNode& node, const std::array<StepReader<Step>, n>& readers,
               std::string_view what) {
  const std::string type = node.at("type").text();
  std::vector<std::string> known;
  for (const auto& reader : readers) {
    known.emplace_back(reader.type);
    if (type != reader.type) continue;
    for (const auto& [key, value] : node.value().items())
      if (key != "type" && !value.is_null() &&
          std::find(reader.settings.begin(), reader.settings.end(), key) == reader.settings.end())
        node.refuse("{} has the unknown setting {}", type, shown(key));
    return reader.read(node);
  }
  node.refuse("the {} {} is not supported{}", what, shown(type), did_you_mean(type, known));
}

std::string from_base64(const JsonNode& node) {
  const std::string text = node.text();
  const size_t end = std::min(text.find('='), text.size());
  std::string out;
  uint32_t bits = 0;
  for (size_t i = 0, have = 0; i < end; ++i) {
    constexpr std::string_view kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const size_t digit = kDigits.find(text[i]);
    if (digit == std::string_view::npos) node.refuse("is not base64");
    bits = bits << 6 | uint32_t(digit);
    have += 6;
    if (have < 8) continue;
    have -= 8;
    out += char(bits >> have);
  }
  return out;
}

Normalizer bert_normalizer(const JsonNode& node) {
  const bool lower = node.flag("lowercase", true);
  std::vector<Normalizer> steps;
  if (node.flag("clean_text", true)) steps.emplace_back(bert_cleaned);
  if (node.flag("handle_chinese_chars", true)) steps.emplace_back(with_spaced_ideographs);
  if (node.flag("strip_accents", lower)) {
    steps.push_back(in_normal_form(NormalForm::nfd));
    steps.emplace_back([](const std::string& text) { return without(text, is_nonspacing_mark); });
  }
  if (lower) steps.push_back(in_lower_case(Sigma::by_character));
  return in_sequence(std::move(steps));
}

// Text that a step inserts. The limit bounds how much a text can grow.
std::string read_insertion(const JsonNode& node) {
  constexpr size_t kLongest = 64;
  std::string text = node.text();
  if (text.size() > kLongest) node.refuse("has {} bytes, more than {}", text.size(), kLongest);
  return text;
}

// Replaces each run of at least `fewest` characters of a class by `to`.
std::string with_runs_replaced(const std::string& text, bool (*is)(char32_t), size_t fewest,
                               const std::string& to) {
  std::string out, run;
  size_t length = 0;
  const auto end_run = [&] {
    out += length >= fewest ? to : run;
    run.clear();
    length = 0;
  };
  for (size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    if (is(c)) {
      append_utf8(run, c);
      ++length;
      continue;
    }
    if (length > 0) end_run();
    append_utf8(out, c);
  }
  if (length > 0) end_run();
  return out;
}

Normalizer replace_normalizer(const JsonNode& node) {
  const JsonNode pattern = node.at("pattern");
  const std::string to = read_insertion(node.at("content"));
  if (const auto from = pattern.find("String")) {
    if (from->text().empty()) from->refuse("is empty");
    return [from = from->text(), to](const std::string& text) {
      return with_replaced(text, from, to);
    };
  }
  const std::string regex = pattern.at("Regex").text();
  if (regex == "\\s+" || regex == "\\s{1,}")
    return [to](const std::string& text) { return with_runs_replaced(text, is_space, 1, to); };
  if (regex == " {2,}")
    return [to](const std::string& text) {
      return with_runs_replaced(
          text, [](char32_t c) { return c == ' '; }, 2, to);
    };
  node.refuse("the regular expression {} is not supported", shown(regex));
}

Normalizer strip_normalizer(const JsonNode& node) {
  const bool left = node.flag("strip_left", true), right = node.flag("strip_right", true);
  return [=](const std::string& text) { return stripped(text, is_space, left, right); };
}

Normalizer prepend_normalizer(const JsonNode& node) {
  return [mark = read_insertion(node.at("prepend"))](const std::string& text) {
    return text.empty() ? text : mark + text;
  };
}

Normalizer precompiled_normalizer(const JsonNode& node) {
  const JsonNode map = node.at("precompiled_charsmap");
  return [map = std::make_shared<const CharsMap>(from_base64(map), map.place())](
             const std::string& text) { return map->normalized(text); };
}

Normalizer sequence_normalizer(const JsonNode& node) {
  std::vector<Normalizer> steps;
  for (const auto& step : node.at("normalizers").elements())
    if (auto normalizer = read_normalizer(step)) steps.push_back(std::move(normalizer));
  return in_sequence(std::move(steps));
}

PreTokenizer split_pre_tokenizer(const JsonNode& node) {
  const std::string regex = node.at("pattern").text("Regex", "");
  const Pattern pattern = published_pattern(regex);
  if (!pattern)
    node.refuse(
        "the splitting pattern {} is not supported: only the published ones of GPT-2, Qwen2, "
        "LLaMA 3 and CLIP are",
        shown(
            node.at("pattern").value().dump(-1, ' ', true, SortedJson::error_handler_t::replace)));
  const std::string behavior = node.at("behavior").text();
  const bool invert = node.flag("invert", false);
  const bool covers_all =
      pattern == gpt2_pattern || pattern == qwen2_pattern || pattern == llama3_pattern;
  if (!(behavior == "Removed" && invert) && !(behavior == "Isolated" && covers_all))
    node.refuse("the behavior {} with invert = {} is not supported for this pattern",
                shown(behavior), invert);
  return split_by(pattern);
}

Prepend read_prepend(const JsonNode& node) {
  const std::string scheme =
      node.text("prepend_scheme", node.flag("add_prefix_space", true) ? "always" : "never");
  if (scheme == "always") return Prepend::always;
  if (scheme == "first") return Prepend::first;
  if (scheme == "never") return Prepend::never;
  node.refuse("prepend_scheme must be always, first or never, not {}", shown(scheme));
}

std::string read_mark(const JsonNode& node) {
  const auto given = node.find("replacement");
  std::string mark = given ? read_insertion(*given) : "▁";
  if (mark.empty()) node.refuse("the replacement is empty");
  return mark;
}

PreTokenizer digits_pre_tokenizer(const JsonNode& node) {
  return split_by(node.flag("individual_digits", false) ? digit_pattern : digits_pattern);
}

PreTokenizer metaspace_pre_tokenizer(const JsonNode& node) {
  return metaspace(read_mark(node), read_prepend(node), node.flag("split", true));
}

PreTokenizer byte_level_pre_tokenizer(const JsonNode& node) {
  return byte_level_split(node.flag("add_prefix_space", true),
                          node.flag("use_regex", true) ? gpt2_pattern : nullptr);
}

template <Pattern pattern>
PreTokenizer pattern_pre_tokenizer(const JsonNode&) {
  return split_by(pattern);
}

template <NormalForm form>
Normalizer form_normalizer(const JsonNode&) {
  return in_normal_form(form);
}

// Nested sequences are flattened into one list.
void add_elements(const JsonNode& node, std::string_view key, std::vector<JsonNode>& all) {
  constexpr size_t kMost = 32;
  if (all.size() >= kMost) node.refuse("a sequence of more than {} steps", kMost);
  if (node.at("type").text() != "Sequence") return all.push_back(node);
  node.allow_only({"type", key});
  for (const auto& element : node.at(key).elements()) add_elements(element, key, all);
}

}  // namespace

Normalizer read_normalizer(const JsonNode& node) {
  static const std::array<StepReader<Normalizer>, 12> kReaders{{
      {"BertNormalizer",
       {"clean_text", "handle_chinese_chars", "strip_accents", "lowercase"},
       bert_normalizer},
      {"Lowercase", {}, [](const JsonNode&) { return in_lower_case(Sigma::by_character); }},
      {"NFC", {}, form_normalizer<NormalForm::nfc>},
      {"NFD", {}, form_normalizer<NormalForm::nfd>},
      {"NFKC", {}, form_normalizer<NormalForm::nfkc>},
      {"NFKD", {}, form_normalizer<NormalForm::nfkd>},
      {"StripAccents",
       {},
       [](const JsonNode&) -> Normalizer {
         return [](const std::string& text) { return without(text, is_mark); };
       }},
      {"Replace", {"pattern", "content"}, replace_normalizer},
      {"Prepend", {"prepend"}, prepend_normalizer},
      {"Strip", {"strip_left", "strip_right"}, strip_normalizer},
      {"Precompiled", {"precompiled_charsmap"}, precompiled_normalizer},
      {"Sequence", {"normalizers"}, sequence_normalizer},
  }};
  return read_step(node, kReaders, "normalizer");
}

SplitSteps read_pre_tokenizer(const JsonNode& node) {
  static const std::array<StepReader<PreTokenizer>, 7> kReaders{{
      {"BertPreTokenizer", {}, pattern_pre_tokenizer<bert_pattern>},
      {"ByteLevel", {"add_prefix_space", "trim_offsets", "use_regex"}, byte_level_pre_tokenizer},
      {"Split", {"pattern", "behavior", "invert"}, split_pre_tokenizer},
      {"Digits", {"individual_digits"}, digits_pre_tokenizer},
      {"Whitespace", {}, pattern_pre_tokenizer<word_pattern>},
      {"WhitespaceSplit", {}, pattern_pre_tokenizer<nonspace_pattern>},
      {"Metaspace",
       {"replacement", "prepend_scheme", "add_prefix_space", "split", "str_rep"},
       metaspace_pre_tokenizer},
  }};
  std::vector<JsonNode> nodes;
  add_elements(node, "pretokenizers", nodes);
  SplitSteps out;
  for (const auto& step : nodes) {
    // ByteLevel changes the spelling of its pieces. A later step would see that spelling, not the
    // text.
    if (out.byte_level) step.refuse("a pre-tokenizer after ByteLevel is not supported");
    out.steps.push_back(read_step(step, kReaders, "pre-tokenizer"));
    out.byte_level = step.at("type").text() == "ByteLevel";
  }
  return out;
}

namespace {

// The parts of LLaMA's decoder: Replace turns a mark into a space, ByteFallback reads bytes, and
// Strip removes one leading space.
Decoder read_decoder_sequence(const std::vector<JsonNode>& steps) {
  std::string mark;
  bool byte_fallback = false, drop_first = false;
  for (const auto& step : steps) {
    const std::string type = step.at("type").text();
    if (type == "Replace") {
      step.allow_only({"type", "pattern", "content"});
      mark = step.at("pattern").at("String").text();
      if (mark.empty() || step.at("content").text() != " ")
        step.refuse("only a mark replaced by a space is supported");
    } else if (type == "ByteFallback") {
      byte_fallback = true;
    } else if (type == "Strip") {
      step.allow_only({"type", "content", "start", "stop"});
      if (step.at("content").text() != " " || step.at("start").whole() != 1 ||
          step.at("stop").whole() != 0)
        step.refuse("only one space stripped at the start is supported");
      drop_first = true;
    } else if (type != "Fuse") {
      step.refuse("the decoder {} is not supported in a sequence", shown(type));
    }
  }
  if (mark.empty()) steps.front().refuse("a sequence of decoders without Replace is not supported");
  return metaspace_decoder(mark, drop_first, byte_fallback);
}

}  // namespace

Decoder read_decoder(const JsonNode& node, const std::string& suffix) {
  std::vector<JsonNode> steps;
  add_elements(node, "decoders", steps);
  if (steps.empty()) node.refuse("the sequence of decoders is empty");
  if (steps.size() > 1) return read_decoder_sequence(steps);
  const JsonNode& step = steps.front();
  const std::string type = step.at("type").text();
  if (type == "ByteLevel") return byte_level_decoder(suffix);
  if (type == "BPEDecoder") return byte_level_decoder(step.text("suffix", "</w>"));
  if (type == "WordPiece")
    return word_piece_decoder(step.text("prefix", "##"), step.flag("cleanup", true));
  if (type == "Metaspace")
    return metaspace_decoder(read_mark(step), read_prepend(step) != Prepend::never, false);
  if (type == "Replace") return read_decoder_sequence(steps);
  step.refuse("the decoder {} is not supported", shown(type));
}

}  // namespace patina
