#include "apps/patina/artefacts.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <iterator>

#include "patina/base/error.h"
#include "patina/data/files.h"
#include "patina/data/formats/lines.h"
#include "patina/data/formats/passages.h"
#include "patina/data/formats/set_files.h"
#include "patina/data/formats/texts.h"
#include "patina/data/image_folder.h"
#include "patina/session/sources.h"

namespace patina::cli {

namespace {

std::vector<fs::path> images_in(const fs::path& path, UnreadImages& unread) {
  if (!fs::exists(path))
    fail(ErrorKind::file, "{}: there is no such file or folder", path.string());
  return fs::is_directory(path) ? images_below(path, unread) : std::vector{path};
}

}  // namespace

void add_artefact(const Command& command, ArtefactArguments& arguments) {
  command
      .option("file", arguments.file,
              "An artefact: a file made by `patina learn`, or the folder of a run")
      .required();
  command.option("--backbone", arguments.backbone,
                 "Weights of the backbone, if they are no longer at their original path");
}

void add_engine(const Command& command, EngineOptions& engine) {
  command.device(engine.device);
  command
      .option("--precision", engine.precision,
              "Number type of frozen networks: fp32, bf16, or auto, the faster one here")
      .one_of({"auto", "fp32", "bf16"})
      .shows_default();
}

bool is_artefact(const std::string& path) {
  std::error_code ignored;
  const fs::path file =
      fs::is_directory(path, ignored) ? fs::path(path) / kRunArtefact : fs::path(path);
  return fs::is_regular_file(file, ignored) && file.extension() == ".patina";
}

Session open_artefact(const ArtefactArguments& arguments) {
  OpenOptions options;
  options.weights = arguments.backbone;
  options.engine = arguments.engine;
  return Session::open(arguments.file, std::move(options));
}

std::string said_by_holder(const std::string& who, const std::string& remedy) {
  return fmt::format("{} (process {}): {}", who, ::getpid(), remedy);
}

std::shared_ptr<const Source> images_of_class(const std::string& name,
                                              const std::vector<std::string>& paths) {
  std::vector<fs::path> files;
  UnreadImages unread;
  for (const auto& path : paths) {
    const auto found = images_in(path, unread);
    files.insert(files.end(), found.begin(), found.end());
  }
  unread.tell(name);
  std::vector<int64_t> labels(files.size(), 0);
  return image_files(std::move(files), std::move(labels), {name});
}

std::shared_ptr<const Source> images_by_class(const std::string& folder, const std::string& split) {
  fs::path root = folder;
  if (!fs::is_directory(root)) fail(ErrorKind::file, "{}: there is no such folder", folder);
  if (fs::is_directory(root / split)) root /= split;
  const std::vector<std::string> classes = folders_in(root);
  if (classes.empty())
    fail(ErrorKind::data, "{}: it holds no folders; one folder of images a class is expected",
         root.string());
  std::vector<fs::path> files;
  std::vector<int64_t> labels;
  UnreadImages unread;
  for (size_t c = 0; c < classes.size(); ++c)
    for (const auto& file : class_images(root / classes[c], unread)) {
      files.push_back(root / classes[c] / file);
      labels.push_back(int64_t(c));
    }
  unread.tell(root.string());
  return image_files(std::move(files), std::move(labels), classes);
}

void add_record_keys(const Command& command, InstructionFields& keys, bool answered) {
  command.option("--instruction", keys.instruction, "Key of a record's instruction")
      .shows_default();
  command.option("--input", keys.input, "Key of what an instruction is about").shows_default();
  if (answered) command.option("--answer", keys.answer, "Key of a record's answer").shows_default();
}

bool holds_texts(const std::string& file) {
  return std::ranges::any_of(std::array{".jsonl", ".json", ".txt"},
                             [&](const char* ending) { return has_ending(file, ending); });
}

std::shared_ptr<const Source> answered_texts(const std::string& file,
                                             const InstructionFields& keys) {
  if (!has_ending(file, ".txt"))
    return std::make_shared<const Instructions>(read_instructions(file, keys));
  return std::make_shared<const Passages>(read_file_text(file, kMostBytes), file,
                                          DataOptions().passage_bytes);
}

std::shared_ptr<const Source> prompts_of(const std::vector<std::string>& given,
                                         InstructionFields keys) {
  keys.answer = "";
  std::vector<Exchange> asked;
  std::vector<std::string> origins;
  const auto add = [&](Exchange prompt, std::string origin) {
    asked.push_back(std::move(prompt));
    origins.push_back(std::move(origin));
  };
  const auto add_text = [&](std::string text, std::string origin) {
    add({.turns = {{"user", std::move(text)}}, .input = "", .answers = {}}, std::move(origin));
  };
  for (const auto& one : given) {
    if (one == "-") {
      add_text(std::string(std::istreambuf_iterator<char>(std::cin), {}), "standard input");
    } else if (!holds_texts(one) || one.find_first_of(" \n") != std::string::npos) {
      add_text(one, one);
    } else if (has_ending(one, ".txt")) {
      each_line(checked_utf8(read_file_text(one, kMostBytes), one), one,
                [&](std::string_view line, int64_t number) {
                  if (!is_blank(line))
                    add_text(std::string(line), fmt::format("{}:{}", one, number));
                });
    } else {
      InstructionTable table = read_instructions(one, keys);
      for (size_t i = 0; i < table.records.size(); ++i)
        add(std::move(table.records[i]), table.place(i));
    }
  }
  if (asked.empty()) fail(ErrorKind::data, "{}: no prompts in it", given.front());
  return prompts(std::move(asked), std::move(origins));
}

std::shared_ptr<const Source> texts_by_class(const std::string& file, const std::string& text,
                                             const std::string& label) {
  TextSplits splits = read_texts(file, {.text = text, .pair = "", .label = label});
  if (splits.size() != 1)
    fail(ErrorKind::data, "{}: it holds {} splits; a file of one is expected", file, splits.size());
  TextTable& table = splits.begin()->second;
  const LabelMap labels = LabelMap::of({&table});
  return std::make_shared<const Texts>(std::move(table), labels);
}

}  // namespace patina::cli
