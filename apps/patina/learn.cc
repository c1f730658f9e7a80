// `patina learn` and `patina forget`: add classes or tasks of texts to an artefact, and remove
// classes.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <chrono>

#include "apps/patina/artefacts.h"
#include "apps/patina/commands.h"
#include "patina/base/error.h"
#include "patina/base/progress.h"

namespace patina::cli {

namespace {

// Keeps others from writing an artefact between its reading and its saving.
FileLock lock_of(const fs::path& file) {
  return {file, said_by_holder("another `patina learn` or `forget` writes it", "wait for it")};
}

struct LearnArguments {
  ArtefactArguments artefact;
  std::string class_name, data, csv, text = "text", label = "label";
  std::vector<std::string> paths;
  std::string learner, form = "fp32";
  std::vector<std::string> overrides;
  int64_t seed = 1993;
  bool with_backbone = false, no_samples = false;
  std::string name;  // of a task of texts
  InstructionFields keys;

  // Whether one file of texts to answer or to model is named, instead of a class.
  bool of_texts() const {
    return data.empty() && csv.empty() && paths.empty() && holds_texts(class_name);
  }
};

std::shared_ptr<const Source> lesson(const LearnArguments& arguments) {
  if (arguments.of_texts()) return answered_texts(arguments.class_name, arguments.keys);
  const int ways = !arguments.class_name.empty() + !arguments.data.empty() + !arguments.csv.empty();
  if (ways != 1)
    fail(ErrorKind::usage,
         "say what to learn in one way: a class and its images (`cat photos/cats/`), --data with a "
         "folder of class folders, --csv with a file of labelled texts, or a file of instructions "
         "with answers (`letters.jsonl`) or of plain text");
  if (!arguments.data.empty()) return images_by_class(arguments.data, "train");
  if (!arguments.csv.empty()) return texts_by_class(arguments.csv, arguments.text, arguments.label);
  if (arguments.paths.empty())
    fail(ErrorKind::usage, "there are no images of \"{}\": name files or folders after it",
         arguments.class_name);
  return images_of_class(arguments.class_name, arguments.paths);
}

Session opened_or_new(const LearnArguments& arguments) {
  if (fs::exists(arguments.artefact.file)) {
    if (!arguments.learner.empty() || !arguments.overrides.empty() || arguments.form != "fp32")
      fail(ErrorKind::usage,
           "{} exists, and its learner is chosen: --learner, --form and --set are for a new "
           "artefact",
           arguments.artefact.file);
    return open_artefact(arguments.artefact);
  }
  ModelOptions model{.form = arguments.form};
  if (!arguments.artefact.backbone.empty()) model.name = arguments.artefact.backbone;
  SessionOptions options;
  if (arguments.of_texts()) options.learner = "sft";
  if (!arguments.learner.empty()) options.learner = arguments.learner;
  options.engine = arguments.artefact.engine;
  options.seed = arguments.seed;
  options.overrides = arguments.overrides;
  return Session::create(load_backbone(model), options);
}

// What was learned in what time, and how much is known now.
std::string told(const LearnArguments& arguments, const Source& samples, const Session& session,
                 const std::string& took) {
  const auto counted = [](size_t count, const char* one, const char* more) {
    return fmt::format("{} {} known", count, count == 1 ? one : more);
  };
  if (arguments.of_texts())
    return fmt::format("learned {} from {} texts in {}; {}", session.task_names().back(),
                       samples.size(), took,
                       counted(size_t(session.tasks()), "task is", "tasks are"));
  const auto& classes = samples.classes();
  return fmt::format("learned {} from {} {} in {}; {}",
                     classes.size() <= 5 ? fmt::format("{}", fmt::join(classes, ", "))
                                         : fmt::format("{} classes", classes.size()),
                     samples.size(), samples.is_text() ? "texts" : "images", took,
                     counted(session.classes().size(), "class is", "classes are"));
}

// "letters" of "data/letters.jsonl.gz".
std::string task_name(const LearnArguments& arguments) {
  if (!arguments.name.empty() || !arguments.of_texts()) return arguments.name;
  fs::path file = fs::path(arguments.class_name).filename();
  if (file.extension() == ".gz") file = file.stem();
  return file.stem().string();
}

void learn(LearnArguments arguments) {
  const auto begin = std::chrono::steady_clock::now();
  arguments.artefact.file = artefact_file(arguments.artefact.file).string();
  const auto samples = lesson(arguments);
  const FileLock lock = lock_of(arguments.artefact.file);
  const bool is_new = !fs::exists(arguments.artefact.file);
  Session session = opened_or_new(arguments);
  session.learn(samples, task_name(arguments));
  session.save(arguments.artefact.file,
               {.with_backbone = arguments.with_backbone || session.carried_backbone(),
                .samples = !arguments.no_samples});
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  fmt::print("{}: {}{}\n", arguments.artefact.file,
             is_new ? fmt::format("new, on {}; {} ", session.about(), session.learner()) : "",
             told(arguments, *samples, session, format_seconds(took.count())));
}

}  // namespace

void add_learn(Command& program) {
  auto arguments = std::make_shared<LearnArguments>();
  const auto command =
      program.command("learn", "Add classes or texts to an artefact, or make a new artefact");
  command
      .option("file", arguments->artefact.file,
              "The artefact, or the folder of a run; a file is made if it does not exist")
      .required();
  command.option("class", arguments->class_name,
                 "The class to learn; or a file of instructions with answers (.jsonl, .json) or of "
                 "plain text (.txt), for a learner that answers with text");
  command.option("images", arguments->paths, "Its images: files, or folders of them");
  command.option("--data", arguments->data,
                 "Learn all classes of a folder with one folder of images per class");
  command.option("--csv", arguments->csv, "Learn the classes of a file of labelled texts");
  command.option("--text", arguments->text, "Column of the texts").shows_default();
  command.option("--label", arguments->label, "Column of the labels").shows_default();
  command.option("--backbone", arguments->artefact.backbone,
                 "Backbone of a new artefact: a name of `patina list models`, a file or a folder "
                 "(default: starter); of an existing one: the path of its weights");
  command
      .option("--form", arguments->form,
              "How the layers of a new artefact's backbone hold their weights, which stay frozen "
              "then: fp32; bf16, in half the memory; stored, as its file has them, so that a GGUF "
              "file's stay quantised")
      .one_of(held_names());
  command.option(
      "--learner", arguments->learner,
      "Learner of a new artefact; see `patina list learners` (default: simplecil; of texts: "
      "sft)");
  command.option("--name", arguments->name, "Name of a task of texts (default: the file's)");
  add_record_keys(command, arguments->keys, /*answered=*/true);
  command.option("--seed", arguments->seed, "Seed of a new artefact").shows_default();
  add_engine(command, arguments->artefact.engine);
  command.overrides(arguments->overrides);
  command.flag("--with-backbone", arguments->with_backbone,
               "Include the backbone in the file; predicting then needs no other file");
  command.flag("--no-samples", arguments->no_samples,
               "Leave out the samples of earlier tasks that the learner keeps: the file then holds "
               "no data, and does not learn further");
  command.footer(
      "example: patina learn pets.patina cat photos/cats/\n"
      "         patina learn pets.patina dog photos/dogs/ photos/puppy.jpg\n"
      "         patina predict pets.patina photos/new.jpg\n"
      "         patina learn letters.patina letters.jsonl --backbone gpt2 --learner slao");
  command.action([arguments] { learn(*arguments); });
}

namespace {

struct ForgetArguments {
  ArtefactArguments artefact;
  std::string class_name;
  bool samples = false;
};

void forget(const ForgetArguments& arguments) {
  if (arguments.samples != arguments.class_name.empty())
    fail(ErrorKind::usage, "say what to forget: a class, or --samples");
  const fs::path file = artefact_file(arguments.artefact.file);
  const FileLock lock = lock_of(file);
  Session session = open_artefact(arguments.artefact);
  if (!arguments.samples) session.forget(arguments.class_name);
  session.save(file, {.with_backbone = session.carried_backbone(), .samples = !arguments.samples});
  if (arguments.samples)
    fmt::print("{}: it holds no samples of earlier tasks\n", file.string());
  else
    fmt::print("{}: forgot {}; {} classes are known\n", file.string(), arguments.class_name,
               session.classes().size());
}

}  // namespace

void add_forget(Command& program) {
  auto arguments = std::make_shared<ForgetArguments>();
  const auto command = program.command(
      "forget", "Remove a class from an artefact, as if it had never been learned, or its samples");
  add_artefact(command, arguments->artefact);
  add_engine(command, arguments->artefact.engine);
  command.option("class", arguments->class_name, "The class to forget");
  command.flag("--samples", arguments->samples,
               "Remove the samples of earlier tasks that the learner keeps: it predicts as before, "
               "and does not learn further");
  command.footer("example: patina forget pets.patina dog");
  command.action([arguments] { forget(*arguments); });
}

}  // namespace patina::cli
