#include "apps/patina/artefacts.h"

#include <algorithm>

#include "patina/base/error.h"
#include "patina/data/files.h"
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

fs::path artefact_file(const std::string& path) {
  return fs::is_directory(path) ? fs::path(path) / "model.patina" : fs::path(path);
}

Session open_artefact(const ArtefactArguments& arguments, const EngineOptions& engine) {
  OpenOptions options;
  options.weights = arguments.backbone;
  options.engine = engine;
  return Session::open(artefact_file(arguments.file), std::move(options));
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
