#include "apps/patina/artefacts.h"

#include <algorithm>

#include "patina/base/error.h"
#include "patina/data/files.h"
#include "patina/data/formats/texts.h"
#include "patina/session/sources.h"

namespace patina::cli {

namespace {

std::vector<fs::path> images_in(const fs::path& path) {
  if (!fs::exists(path))
    fail(ErrorKind::file, "{}: there is no such file or folder", path.string());
  if (!fs::is_directory(path)) return {path};
  std::vector<fs::path> found;
  for (const auto& entry : fs::recursive_directory_iterator(path))
    if (entry.is_regular_file() && is_image_name(entry.path())) found.push_back(entry.path());
  if (found.empty()) fail(ErrorKind::data, "{}: no .jpg or .png files in it", path.string());
  std::ranges::sort(found);
  return found;
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

fs::path artefact_file(const std::string& path) {
  return fs::is_directory(path) ? fs::path(path) / "model.patina" : fs::path(path);
}

Session open_artefact(const ArtefactArguments& arguments) {
  OpenOptions options;
  options.weights = arguments.backbone;
  return Session::open(artefact_file(arguments.file), std::move(options));
}

std::shared_ptr<const Source> images_of_class(const std::string& name,
                                              const std::vector<std::string>& paths) {
  std::vector<fs::path> files;
  for (const auto& path : paths) {
    const auto found = images_in(path);
    files.insert(files.end(), found.begin(), found.end());
  }
  std::vector<int64_t> labels(files.size(), 0);
  return image_files(std::move(files), std::move(labels), {name});
}

std::shared_ptr<const Source> images_by_class(const std::string& folder, const std::string& split) {
  fs::path root = folder;
  if (!fs::is_directory(root)) fail(ErrorKind::file, "{}: there is no such folder", folder);
  if (fs::is_directory(root / split)) root /= split;
  std::vector<fs::path> classes;
  for (const auto& entry : fs::directory_iterator(root))
    if (entry.is_directory()) classes.push_back(entry.path());
  std::ranges::sort(classes);
  if (classes.empty())
    fail(ErrorKind::data, "{}: it holds no folders; one folder of images a class is expected",
         root.string());
  std::vector<fs::path> files;
  std::vector<int64_t> labels;
  std::vector<std::string> names;
  for (const auto& of_class : classes) {
    for (const auto& file : images_in(of_class)) {
      files.push_back(file);
      labels.push_back(int64_t(names.size()));
    }
    names.push_back(of_class.filename().string());
  }
  return image_files(std::move(files), std::move(labels), std::move(names));
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
