// `patina init`: a first recipe for a learner, data and a backbone, with every option explained.
#include <fmt/core.h>

#include <algorithm>

#include "apps/patina/start/needs.h"
#include "apps/patina/start/new_file.h"
#include "apps/patina/start/start_commands.h"
#include "patina/base/error.h"
#include "patina/config/recipe_file.h"
#include "patina/config/toml_text.h"
#include "patina/run/forecast.h"

namespace patina::cli {

namespace {

struct InitArguments {
  std::string folder = ".", learner = "simplecil", data = "fashion-mnist", backbone, name;
  double seconds = 2;
};

// What --data names.
struct Lesson {
  DataOptions options;
  bool found = false, texts = false, answers = false;
  int64_t classes = 0;  // 0: not known
};

// The form of data of one's own, by what is at the path.
std::string form_of(const std::string& path, const LearnerRow& learner) {
  const auto holds = [&](const char* ending) {
    std::string name = path;
    if (name.ends_with(".gz")) name.resize(name.size() - 3);
    if (name.ends_with(ending)) return true;
    return fs::exists(fs::path(path) / (std::string("train") + ending)) ||
           fs::exists(fs::path(path) / (std::string("train") + ending + ".gz"));
  };
  if (learner.generates) return holds(".txt") ? "passages" : "instructions";
  for (const char* ending : {".csv", ".tsv", ".json", ".jsonl", ".txt"})
    if (holds(ending)) return "text";
  if (!fs::is_directory(path))
    fail(ErrorKind::data,
         "{}: it is neither a folder of images nor a file of texts (.csv, .tsv, .json, .jsonl, "
         ".txt)",
         path);
  return "folder";
}

Lesson lesson_of(const InitArguments& arguments, const LearnerRow& learner) {
  Lesson lesson;
  if (const DataSetInfo* known = find_data_set(arguments.data)) {
    lesson.options.name = known->name;
    lesson.classes = known->classes;
    lesson.texts = known->texts;
    Recipe recipe;
    recipe.data = lesson.options;
    lesson.found = data_need(recipe).found;
  } else if (fs::exists(arguments.data)) {
    lesson.options.name = form_of(arguments.data, learner);
    lesson.options.path = arguments.data;
    lesson.found = true;
  } else {
    std::vector<std::string> names;
    for (const auto& info : data_sets()) names.push_back(info.name);
    fail(ErrorKind::data,
         "{}: neither a data set{} (see `patina list datasets`), nor a file or folder here",
         arguments.data, did_you_mean(arguments.data, names));
  }
  lesson.answers = learner.generates;
  if (lesson.found && !lesson.answers) {
    const DataSplits data = open_data(lesson.options);
    lesson.classes = int64_t(data.train->classes().size());
    lesson.texts = data.train->is_text();
  }
  return lesson;
}

// [learner] and [training] with their defaults.
struct OwnSections {
  std::unique_ptr<LearnerOptions> options;
  TrainingOptions training;

  void bind(Fields& f) {
    f.section("learner", *options,
              "The learner, with its defaults: the paper's, where it has one.");
    f.section("training", training,
              "How each task is trained; a learner without gradients reads the batch size alone.");
  }
};

// The first scenario that grants what a learner needs.
std::string scenario_of(const LearnerRow& learner) {
  if (learner.generates) return "data_sets";
  Grant needs = learner.needs;
  needs.past_data = false;  // given to the upper bounds in every scenario
  for (const auto& info : scenario_list())
    if (!missing(needs, info.grant)) return info.name;
  fail(ErrorKind::scenario, "no scenario grants what {} needs", learner.name);
}

std::string backbone_for(const Lesson& lesson, const LearnerRow& learner) {
  if (learner.network == Network::clip) return "clip_starter";
  if (learner.network == Network::mlp) return "mlp";
  if (lesson.answers || learner.network == Network::decoder)
    fail(ErrorKind::usage,
         "{} answers with text, for which no network is inside the program: name the folder or "
         ".gguf file of a language model with --backbone (docs/guide/models.md)",
         learner.name);
  return lesson.texts ? "text_starter" : "starter";
}

// Five tasks, or ten of many classes.
int64_t classes_per_task(int64_t classes) {
  return std::max<int64_t>(1, classes / (classes >= 50 ? 10 : 5));
}

std::string written(const InitArguments& arguments, const std::string& name,
                    const LearnerRow& learner, const Lesson& lesson) {
  const std::string scenario = scenario_of(learner);
  std::string text = fmt::format(
      "# {}: {}\n"
      "# {}.\n"
      "#\n"
      "# Written by `patina init`. Every option is described by `patina explain recipe` and "
      "`patina explain {}`;\n"
      "# one that is not here has its default. `--set KEY=VALUE` changes one for a single "
      "run.\n\n",
      learner.name, learner.about, learner.paper.empty() ? "A baseline" : learner.paper,
      learner.name);
  text += fmt::format("# The run's name, and its folder below runs/.\nname = {}\n\n",
                      toml_string(name));
  text += "# Everything random is drawn with it.\nseed = 1993\n\n";
  text += fmt::format(
      "# The pre-trained backbone: a name of `patina list models`, or a file or folder of "
      "weights.\n"
      "[model]\nname = {}\n\n",
      toml_string(arguments.backbone.empty() ? backbone_for(lesson, learner) : arguments.backbone));
  text += fmt::format(
      "# The data: a name of `patina list datasets`, or a form of your own with its path, which is "
      "seen from\n# where patina is started.\n[data]\nname = {}\n",
      toml_string(lesson.options.name));
  if (!lesson.options.path.empty())
    text += fmt::format("path = {}\n", toml_string(lesson.options.path));
  text +=
      "# train_per_class = 100  # learns from so many samples of each class: for a first try\n\n";
  text += fmt::format(
      "# How the data becomes a stream of tasks; `patina list scenarios` has the others.\n"
      "[scenario]\nname = {}\n",
      toml_string(scenario));
  if (scenario != "data_sets" && scenario != "domain_incremental")
    text +=
        fmt::format("classes_per_task = {}\nclass_order_seed = 1993  # the field's usual order\n",
                    classes_per_task(lesson.classes));
  OwnSections own{learner.options(), learner.training};
  std::string sections = to_toml(own, /*comments=*/true);
  const std::string header = "[learner]\n";
  const size_t at = sections.find(header) + header.size();
  sections.insert(at, fmt::format("name = {}\n{}", toml_string(learner.name),
                                  sections.substr(at).starts_with('#') ? "\n" : ""));
  text += "\n" + sections;
  return text;
}

void init(const InitArguments& arguments) {
  const LearnerRow* learner = find_learner(arguments.learner);
  if (!learner)
    fail(ErrorKind::usage, "no learner is called \"{}\"{}; see `patina list learners`",
         arguments.learner, did_you_mean(arguments.learner, learner_names()));
  const std::string name = arguments.name.empty() ? learner->name : arguments.name;
  if (name.find('/') != name.npos)
    fail(ErrorKind::usage, "--name {}: it names a folder of runs/, so it cannot have a slash",
         name);
  const fs::path path = fs::path(arguments.folder) / (name + ".toml");
  if (fs::exists(path))
    fail(ErrorKind::file, "{} exists and is not changed: choose another folder or --name",
         path.string());
  const Lesson lesson = lesson_of(arguments, *learner);
  const std::string text = written(arguments, name, *learner, lesson);
  const bool is_new = !fs::exists(arguments.folder);
  make_folder(arguments.folder);
  write_new(path, text);
  std::vector<std::string> missing;
  try {
    Recipe recipe = read_recipe(path, {});
    for (const Need& need : {data_need(recipe), weights_need(recipe)})
      if (!need.found) missing.push_back(fmt::format("{}: {}", need.name, need.how));
    if (missing.empty()) forecast(recipe, arguments.seconds);
  } catch (const Error&) {  // what cannot run is no beginning
    std::error_code ignored;
    fs::remove(path, ignored);
    if (is_new) fs::remove(arguments.folder, ignored);
    throw;
  }
  fmt::print("{}: {} on {}, {}\n", path.string(), learner->name, lesson.options.name,
             missing.empty() ? "checked: it can run" : "not ready to run");
  for (const auto& what : missing) fmt::print("  not found here: {}\n", what);
  fmt::print("next: patina {} {}\n", missing.empty() ? "run" : "check", path.string());
}

}  // namespace

void add_init(Command& program) {
  auto arguments = std::make_shared<InitArguments>();
  const auto command = program.command(
      "init", "Write a first recipe for a learner, data and a backbone, with comments");
  command.option("folder", arguments->folder, "Where to write it; it is made if it does not exist")
      .shows_default();
  command.option("--learner", arguments->learner, "A name of `patina list learners`")
      .shows_default();
  command
      .option("--data", arguments->data,
              "A name of `patina list datasets`, a folder of images, or a file or folder of texts")
      .shows_default();
  command.option("--backbone", arguments->backbone,
                 "A name of `patina list models`, or a file or folder of weights (default: the "
                 "starter for the data, which is inside the program)");
  command.option("--name", arguments->name,
                 "Name of the recipe and of its run (default: the learner's)");
  command.footer(
      "The recipe has the learner's options and training with their defaults, each with its "
      "meaning. It is checked as\n"
      "`patina check` does it; one that cannot run is not left behind. Data and weights that are "
      "not here are named.\n"
      "A file that exists is never changed.\n\n"
      "example: patina init mine --learner ranpac --data garden");
  command.action([arguments] { init(*arguments); });
}

}  // namespace patina::cli
