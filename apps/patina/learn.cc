// `patina learn` and `patina forget`: add classes to an artefact, and remove them.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <chrono>

#include "apps/patina/artefacts.h"
#include "apps/patina/commands.h"
#include "patina/base/error.h"
#include "patina/base/progress.h"

namespace patina::cli {

namespace {

struct LearnArguments {
  ArtefactArguments artefact;
  std::string class_name, data, csv, text = "text", label = "label";
  std::vector<std::string> paths;
  std::string learner;
  std::vector<std::string> overrides;
  int64_t seed = 1993;
  bool with_backbone = false;
};

std::shared_ptr<const Source> lesson(const LearnArguments& arguments) {
  const int ways = !arguments.class_name.empty() + !arguments.data.empty() + !arguments.csv.empty();
  if (ways != 1)
    fail(ErrorKind::usage,
         "say what to learn in one way: a class and its images (`cat photos/cats/`), --data with a "
         "folder of class folders, or --csv with a file of labelled texts");
  if (!arguments.data.empty()) return images_by_class(arguments.data, "train");
  if (!arguments.csv.empty()) return texts_by_class(arguments.csv, arguments.text, arguments.label);
  if (arguments.paths.empty())
    fail(ErrorKind::usage, "there are no images of \"{}\": name files or folders after it",
         arguments.class_name);
  return images_of_class(arguments.class_name, arguments.paths);
}

Session opened_or_new(const LearnArguments& arguments) {
  if (fs::exists(arguments.artefact.file)) {
    if (!arguments.learner.empty() || !arguments.overrides.empty())
      fail(ErrorKind::usage,
           "{} exists, and its learner is chosen: --learner and --set are for a new artefact",
           arguments.artefact.file);
    return open_artefact(arguments.artefact);
  }
  ModelOptions model;
  if (!arguments.artefact.backbone.empty()) model.name = arguments.artefact.backbone;
  SessionOptions options;
  if (!arguments.learner.empty()) options.learner = arguments.learner;
  options.seed = arguments.seed;
  options.overrides = arguments.overrides;
  return Session::create(load_backbone(model), options);
}

void learn(const LearnArguments& arguments) {
  const auto begin = std::chrono::steady_clock::now();
  const auto samples = lesson(arguments);
  const bool is_new = !fs::exists(arguments.artefact.file);
  Session session = opened_or_new(arguments);
  session.learn(samples);
  session.save(arguments.artefact.file, {.with_backbone = arguments.with_backbone});
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  fmt::print("{}: {}learned {} from {} {} in {}; {} {} known\n", arguments.artefact.file,
             is_new ? fmt::format("new, on {}; {} ", session.about(), session.learner()) : "",
             samples->classes().size() <= 5 ? fmt::format("{}", fmt::join(samples->classes(), ", "))
                                            : fmt::format("{} classes", samples->classes().size()),
             samples->size(), samples->is_text() ? "texts" : "images", format_seconds(took.count()),
             session.classes().size(), session.classes().size() == 1 ? "class is" : "classes are");
}

}  // namespace

void add_learn(Command& program) {
  auto arguments = std::make_shared<LearnArguments>();
  const auto command =
      program.command("learn", "Add a class to an artefact, or make a new artefact");
  command.option("file", arguments->artefact.file, "The artefact; it is made if it does not exist")
      .required();
  command.option("class", arguments->class_name, "The class to learn");
  command.option("images", arguments->paths, "Its images: files, or folders of them");
  command.option("--data", arguments->data,
                 "Learn all classes of a folder with one folder of images per class");
  command.option("--csv", arguments->csv, "Learn the classes of a file of labelled texts");
  command.option("--text", arguments->text, "Column of the texts").shows_default();
  command.option("--label", arguments->label, "Column of the labels").shows_default();
  command.option("--backbone", arguments->artefact.backbone,
                 "Backbone of a new artefact: a name of `patina list models`, a file or a folder "
                 "(default: starter); of an existing one: the path of its weights");
  command.option("--learner", arguments->learner,
                 "Learner of a new artefact; see `patina list learners` (default: simplecil)");
  command.option("--seed", arguments->seed, "Seed of a new artefact").shows_default();
  command.overrides(arguments->overrides);
  command.flag("--with-backbone", arguments->with_backbone,
               "Include the backbone in the file; predicting then needs no other file");
  command.footer(
      "example: patina learn pets.patina cat photos/cats/\n"
      "         patina learn pets.patina dog photos/dogs/ photos/puppy.jpg\n"
      "         patina predict pets.patina photos/new.jpg");
  command.action([arguments] { learn(*arguments); });
}

void add_forget(Command& program) {
  struct Arguments {
    ArtefactArguments artefact;
    std::string class_name;
  };
  auto arguments = std::make_shared<Arguments>();
  const auto command =
      program.command("forget", "Remove a class from an artefact, as if it had never been learned");
  add_artefact(command, arguments->artefact);
  command.option("class", arguments->class_name, "The class to forget").required();
  command.footer("example: patina forget pets.patina dog");
  command.action([arguments] {
    Session session = open_artefact(arguments->artefact);
    session.forget(arguments->class_name);
    session.save(arguments->artefact.file);
    fmt::print("{}: forgot {}; {} classes are known\n", arguments->artefact.file,
               arguments->class_name, session.classes().size());
  });
}

}  // namespace patina::cli
