// `patina inspect`: shows the contents of weight files, checkpoints and artefacts.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include "apps/patina/artefacts.h"
#include "apps/patina/commands.h"
#include "patina/base/error.h"
#include "patina/base/progress.h"
#include "patina/models/catalog.h"
#include "patina/models/gguf_model.h"
#include "patina/session/artefact.h"
#include "patina/text/tokenizer.h"

namespace patina::cli {

namespace {

// Describes the weights as a network, or prints why they are not one.
void describe(const std::string& name, const std::string& part) try {
  const auto model = load_backbone({.name = name, .part = part});
  const int64_t parameters = nn::count(nn::tensors(*model));
  fmt::print("{}\n{} parameters, features of width {}\n", model->about(), format_count(parameters),
             model->width());
  if (const auto image = model->image_input())
    fmt::print("takes images of {} px, normalisation {}\n", image->size, image->normalize);
  if (const auto text = model->text_input())
    fmt::print("takes texts {}\n", text->longest > 0
                                       ? fmt::format("of up to {} tokens", text->longest)
                                       : "of any length");
  if (const auto seen = model->image_tokens())
    fmt::print("a text may have an image of {} px, normalisation {}, as {} tokens\n",
               seen->image.size, seen->image.normalize, seen->count);
  if (model->text_input())
    fmt::print("tokenizer: {}\n", model->tokenizer() ? model->tokenizer()->about() : "none here");
} catch (const Error& error) {
  fmt::print("cannot be loaded as a model: {}\n", error.what());
}

// The samples of earlier tasks in the file, or that they are not there.
void describe_samples(Archive& archive, const Artefact& artefact) {
  const char* kind = artefact.is_text ? "texts" : "images";
  if (artefact.kept > 0)
    fmt::print("holds {} {} of earlier tasks ({}), from which it learns further\n", artefact.kept,
               kind, format_bytes(kept_samples(archive, artefact)->bytes()));
  if (artefact.left_out > 0)
    fmt::print(
        "was saved without the {} {} of earlier tasks that its learner keeps, and does not "
        "learn further\n",
        artefact.left_out, kind);
}

void describe_artefact(const fs::path& path) {
  Archive archive = Archive::read(path);
  Artefact artefact;
  with_context(path.string(), [&] { archive("artefact", artefact); });
  const auto recipe =
      completed(std::make_shared<SessionRecipe>(), artefact.recipe, {}, path.string());
  const bool answers = artefact.answers != AnswerKind::label;
  if (answers)
    fmt::print("an artefact: {} learned to answer with text in {} task{}, from {} texts\n",
               recipe->learner.name, artefact.tasks, artefact.tasks == 1 ? "" : "s",
               artefact.samples);
  else
    fmt::print("an artefact: {} learned {} classes in {} tasks, from {} {}\n", recipe->learner.name,
               artefact.classes.size(), artefact.tasks, artefact.samples,
               artefact.is_text ? "texts" : "images");
  fmt::print("on {}{}\n", artefact.backbone,
             artefact.embedded    ? ", which the file contains"
             : artefact.in_memory ? ", which a program must pass again"
                                  : "");
  describe_samples(archive, artefact);
  constexpr size_t kShown = 20;
  for (int64_t task = 0; task < artefact.tasks; ++task) {
    if (answers) {
      const std::string& name = artefact.task_names[size_t(task)];
      fmt::print("  task {}{}\n", task + 1, name.empty() ? "" : ": " + name);
      continue;
    }
    std::vector<std::string> names;
    for (size_t c = 0; c < artefact.classes.size(); ++c)
      if (artefact.task_of_class[c] == task) names.push_back(artefact.classes[c]);
    const size_t more = names.size() > kShown ? names.size() - kShown : 0;
    names.resize(names.size() - more);
    fmt::print("  task {}: {}{}\n", task + 1, fmt::join(names, ", "),
               more ? fmt::format(" and {} more", more) : "");
  }
  fmt::print("learned with these options:\n{}", artefact.recipe);
}

// On one line, whatever a file says.
void print_setting(const std::string& key, std::string value) {
  constexpr size_t kLongest = 120;
  if (value.size() > kLongest) value = value.substr(0, kLongest - 3) + "...";
  for (char& c : value)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  fmt::print("metadata {} = {}\n", key, value);
}

void print_tensor(const std::string& name, std::string_view type,
                  const std::vector<int64_t>& shape) {
  fmt::print("{:<44} {:<5} {}\n", name, type, shape_text(shape));
}

void print_sum(size_t tensors, int64_t numbers, uint64_t bytes) {
  fmt::print("{} tensors, {} numbers, {}\n", tensors, format_count(numbers), format_bytes(bytes));
}

void inspect_gguf(const std::string& name, bool summary) {
  const auto file = GgufFile::open(name);
  int64_t numbers = 0;
  uint64_t bytes = 0;
  for (const auto& [tensor_name, tensor] : file.tensors()) {
    if (!summary) print_tensor(tensor_name, kernels::block_format(tensor.type).name, tensor.shape);
    numbers += tensor.count();
    bytes += tensor.data.size();
  }
  for (const auto& [key, value] : file.settings()) print_setting(key, value.text());
  print_sum(file.tensors().size(), numbers, bytes);
  describe(name, "");
}

void inspect(const std::string& given, const std::string& part, bool summary) {
  if (is_gguf(given)) return inspect_gguf(given, summary);
  const std::string name = is_artefact(given) ? artefact_file(given).string() : given;
  auto built_in = built_in_weights(name);
  const auto file =
      built_in ? std::move(*built_in) : SafetensorsFile::open_what_is_there(name, part);
  int64_t numbers = 0;
  uint64_t bytes = 0;
  for (const auto& [tensor_name, tensor] : file.tensors()) {
    if (!summary) print_tensor(tensor_name, patina::name(tensor.dtype), tensor.shape);
    numbers += int64_t(tensor.data.size() / size_of(tensor.dtype));
    bytes += tensor.data.size();
  }
  const bool artefact = file.tensors().contains("artefact.recipe");
  if (!artefact)
    for (const auto& [key, value] : file.metadata()) print_setting(key, value);
  print_sum(file.tensors().size(), numbers, bytes);
  if (artefact) describe_artefact(name);
  if (is_model(name, part)) describe(name, part);
}

}  // namespace

void add_inspect(Command& program) {
  struct Arguments {
    std::string file, part;
    bool summary = false;
  };
  auto arguments = std::make_shared<Arguments>();
  const auto command =
      program.command("inspect", "Show the contents of a weight file, checkpoint or artefact");
  command
      .option("file", arguments->file,
              "A .safetensors, .gguf or PyTorch file, a model folder, an artefact, the folder of a "
              "run, or: starter, text_starter, clip_starter")
      .required();
  command.option("--part", arguments->part,
                 "Of a PyTorch file with several models, the name of one");
  command.flag("--summary", arguments->summary, "Omit the list of tensors");
  command.footer("example: patina inspect starter --summary");
  command.action([arguments] { inspect(arguments->file, arguments->part, arguments->summary); });
}

}  // namespace patina::cli
