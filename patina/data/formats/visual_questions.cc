#include "patina/data/formats/visual_questions.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/data/files.h"
#include "patina/data/formats/lines.h"
#include "patina/data/formats/set_files.h"
#include "patina/data/formats/tar.h"

namespace patina {

namespace {

int64_t place_in(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) - names.begin();
}

}  // namespace

VisualQuestions::VisualQuestions(VisualQuestionTable table, std::vector<std::string> classes,
                                 std::vector<std::string> domains, bool written)
    : table_(std::move(table)),
      classes_(std::move(classes)),
      domains_(std::move(domains)),
      written_(written) {
  for (const auto& record : table_.records) {
    labels_.push_back(written ? 0 : place_in(classes_, record.answer));
    domain_of_.push_back(place_in(domains_, record.domain));
  }
}

Bytes VisualQuestions::encoded_image(int64_t i) const {
  return table_.images.bytes(table_.records[size_t(i)].image);
}

Image VisualQuestions::image(int64_t i) const {
  return decode_image(encoded_image(i), table_.images.origins[table_.records[size_t(i)].image]);
}

Exchange VisualQuestions::exchange(int64_t i) const {
  const auto& record = table_.records[size_t(i)];
  return {.turns = {{"user", record.question}}, .answers = {record.answer}};
}

// Of the bytes that are stored: nothing is decoded to know a sample.
Fingerprint VisualQuestions::fingerprint(int64_t i) const {
  const auto& record = table_.records[size_t(i)];
  ContentHash hash;
  hash.add(written_ ? "question and answer about an image" : "question about an image");
  hash.add(record.question);
  if (written_) hash.add(record.answer);
  const Bytes bytes = encoded_image(i);
  hash.add(bytes.data(), bytes.size());
  return hash.words();
}

DataSplits visual_question_splits(VisualQuestionTable train, VisualQuestionTable test,
                                  bool written) {
  std::set<std::string> answers;
  std::vector<std::string> domains;
  for (const auto* table : {&train, &test})
    for (const auto& record : table->records) {
      answers.insert(record.answer);
      if (std::ranges::count(domains, record.domain) == 0) domains.push_back(record.domain);
    }
  std::vector<std::string> classes(answers.begin(), answers.end());
  if (written) classes = {"answers"};
  return {"", std::make_unique<VisualQuestions>(std::move(train), classes, domains, written),
          std::make_unique<VisualQuestions>(std::move(test), classes, domains, written)};
}

std::vector<VisualQuestionTable::Record> parse_visual_questions(std::string_view text,
                                                                const std::string& origin,
                                                                std::vector<std::string>& images) {
  std::vector<VisualQuestionTable::Record> records;
  std::map<std::string, size_t> numbers;
  each_line(checked_utf8(text, origin), origin, [&](std::string_view line, int64_t number) {
    if (is_blank(line)) return;
    VisualQuestionTable::Record record{.place = fmt::format("{}:{}", origin, number)};
    const SortedJson json = parse_sorted_json(line, record.place);
    const auto said = [&](const char* key, bool needed) -> std::string {
      const auto found = json.is_object() ? json.find(key) : json.end();
      if (found == json.end() && !needed) return "";
      if (found == json.end() || !found->is_string() || is_blank(found->get<std::string>()))
        fail(ErrorKind::format,
             "{}: a record is an object with the texts \"image\", \"question\", \"answer\" and, if "
             "there are any, \"domain\"; this one has no text \"{}\"",
             record.place, key);
      return found->get<std::string>();
    };
    record.question = said("question", true);
    record.answer = said("answer", true);
    record.domain = said("domain", false);
    const auto [image, fresh] = numbers.emplace(said("image", true), images.size());
    if (fresh) images.push_back(image->first);
    record.image = image->second;
    records.push_back(std::move(record));
  });
  if (records.empty()) fail(ErrorKind::data, "{}: no questions in it", origin);
  return records;
}

namespace {

VisualQuestionTable read_visual_questions(const fs::path& file) {
  VisualQuestionTable table;
  std::vector<std::string> names;
  table.records = parse_visual_questions(read_file_text(file, kMostBytes), file.string(), names);
  std::vector<fs::path> paths;
  for (const auto& name : names) {
    const fs::path inside(name);
    const auto user =
        std::ranges::find(table.records, paths.size(), &VisualQuestionTable::Record::image);
    if (inside.is_absolute() ||
        std::ranges::any_of(inside, [](const fs::path& part) { return part == ".."; }))
      fail(ErrorKind::data, "{}: the image \"{}\" is not below the folder of the questions",
           user->place, name);
    paths.push_back(file.parent_path() / inside);
    if (!fs::is_regular_file(paths.back()))
      fail(ErrorKind::data, "{}: there is no image {}", user->place, paths.back().string());
    table.images.origins.push_back(paths.back().string());
  }
  table.images.bytes = [paths](size_t image) { return read_file(paths.at(image)); };
  return table;
}

}  // namespace

DataSplits open_visual_questions(const fs::path& folder, const DataOptions& options) {
  const auto [train_file, test_file] = split_files(folder, {".jsonl"});
  return visual_question_splits(read_visual_questions(train_file), read_visual_questions(test_file),
                                options.verbalized);
}

namespace {

constexpr std::array<std::string_view, 8> kColors = {"black", "blue", "brown", "gray",
                                                     "green", "red",  "teal",  "yellow"};

bool is_color(std::string_view word) {
  return std::ranges::count(kColors, word) > 0;
}

std::vector<std::string> words_in(const std::string& question) {
  std::vector<std::string> words(1);
  for (const char c : question) {
    if (c >= 'a' && c <= 'z')
      words.back() += c;
    else
      words.emplace_back();
  }
  return words;
}

// The color that a question names; "": none.
std::string color_in(const std::string& question) {
  for (const auto& word : words_in(question))
    if (is_color(word)) return word;
  return "";
}

std::string kind_of(const VisualQuestionTable::Record& record) {
  if (is_color(record.answer)) return "color";
  if (record.answer != "yes" && record.answer != "no") return "shape";
  return color_in(record.question).empty() ? "is there a shape" : "is there a color";
}

// The color of the image that a question and its answer tell; "": none.
std::string color_told(const VisualQuestionTable::Record& record) {
  if (is_color(record.answer)) return record.answer;
  std::string named = color_in(record.question);
  if (record.answer != "yes" && record.answer != "no") return named;  // "what is the red shape?"
  const auto words = words_in(record.question);
  const bool denies = std::ranges::count(words, "not") + std::ranges::count(words, "no") > 0;
  return (record.answer == "yes") != denies ? named : "";
}

std::vector<VisualQuestionTable::Record> parse_easy_questions(
    const std::string& text, const std::string& origin, const std::map<int64_t, size_t>& image_of) {
  const SortedJson list = parse_sorted_json(text, origin);
  if (!list.is_array()) fail(ErrorKind::format, "{}: a list of questions is expected", origin);
  std::vector<VisualQuestionTable::Record> records;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string place = fmt::format("{}[{}]", origin, i);
    const SortedJson& entry = list[i];
    if (!entry.is_array() || entry.size() != 3 || !entry[0].is_string() || !entry[1].is_string() ||
        !entry[2].is_number_integer())
      fail(ErrorKind::format, "{}: a question is [question, answer, number of its image]", place);
    const auto image = image_of.find(entry[2].get<int64_t>());
    if (image == image_of.end())
      fail(ErrorKind::data, "{}: there is no image {}.png in the archive beside it", place,
           entry[2].dump());
    records.push_back({.question = entry[0].get<std::string>(),
                       .answer = entry[1].get<std::string>(),
                       .image = image->second,
                       .place = place});
    if (is_blank(records.back().question) || is_blank(records.back().answer))
      fail(ErrorKind::format, "{}: the question or its answer is empty", place);
  }
  if (records.empty()) fail(ErrorKind::data, "{}: no questions in it", origin);
  return records;
}

VisualQuestionTable read_easy_vqa(const fs::path& folder, const std::string& split) {
  const auto archive =
      std::make_shared<TarArchive>(TarArchive::read(need_file(folder, split + ".images.tar")));
  std::vector<std::span<const uint8_t>> encoded;
  std::map<int64_t, size_t> image_of;
  VisualQuestionTable table;
  for (const auto& [name, bytes] : archive->files()) {
    const std::string stem = fs::path(name).stem().string();
    const bool numbered = !stem.empty() && stem.size() < 10 &&
                          std::ranges::all_of(stem, [](char c) { return c >= '0' && c <= '9'; });
    if (fs::path(name).extension() != ".png" || !numbered) continue;
    if (!image_of.emplace(std::stoll(stem), encoded.size()).second)
      fail(ErrorKind::data, "{}: there are two images {}.png", archive->origin(), stem);
    encoded.push_back(bytes);
    table.images.origins.push_back(fmt::format("{}[{}]", archive->origin(), name));
  }
  table.images.bytes = [archive, encoded](size_t image) {
    const auto bytes = encoded.at(image);
    return Bytes(bytes.begin(), bytes.end());
  };
  const fs::path questions = need_file(folder, split + ".questions.json");
  table.records =
      parse_easy_questions(read_file_text(questions, kMostJsonBytes), questions.string(), image_of);
  return table;
}

VisualQuestionTable by_kind(VisualQuestionTable table) {
  for (auto& record : table.records) record.domain = kind_of(record);
  return table;
}

VisualQuestionTable by_color(VisualQuestionTable table) {
  std::map<size_t, std::string> color_of;  // by image
  for (const auto& record : table.records)
    if (const std::string color = color_told(record); !color.empty())
      color_of.emplace(record.image, color);
  std::erase_if(table.records, [&](auto& record) { return !color_of.count(record.image); });
  for (auto& record : table.records) record.domain = color_of.at(record.image);
  return table;
}

}  // namespace

DataSplits open_easy_vqa(const fs::path& folder) {
  return visual_question_splits(by_kind(read_easy_vqa(folder, "train")),
                                by_kind(read_easy_vqa(folder, "test")), /*written=*/false);
}

DataSplits open_easy_vqa_colors(const fs::path& folder) {
  return visual_question_splits(by_color(read_easy_vqa(folder, "train")),
                                by_color(read_easy_vqa(folder, "test")), /*written=*/false);
}

}  // namespace patina
