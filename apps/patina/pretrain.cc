// `patina pretrain`: trains the starter weights.
#include "patina/pretrain/pretrain.h"

#include <fmt/core.h>

#include "apps/patina/commands.h"
#include "patina/config/recipe_file.h"
#include "patina/pretrain/text_pretrain.h"
#include "patina/pretrain/two_tower_pretrain.h"

namespace patina::cli {

namespace {

struct Arguments {
  std::string recipe, out;
  std::vector<std::string> overrides;
  bool resume = false;
};

// Which options a recipe has: the key `kind`.
struct Kind {
  std::string kind = "images";
  void bind(Fields& f) { f("kind", kind, "What is pre-trained.", {"images", "text", "two_tower"}); }
};

std::string kind_of(const std::string& recipe, const std::vector<std::string>& overrides) {
  Kind kind;
  RecipeFile::read(recipe, overrides).bind(kind);
  return kind.kind;
}

template <class Options>
void train(const Arguments& arguments, const char* measure, double factor, const char* unit) {
  Options options;
  auto file = RecipeFile::read(arguments.recipe, arguments.overrides);
  file.bind(options);
  file.finish();
  const fs::path folder =
      arguments.out.empty() ? fs::path("runs") / options.name : fs::path(arguments.out);
  const double measured = pretrain(options, folder, arguments.resume);
  fmt::print("{} {:.3g}{}, weights in {}\n", measure, factor * measured, unit,
             (folder / "weights.safetensors").string());
}

}  // namespace

void add_pretrain(Command& program) {
  auto arguments = std::make_shared<Arguments>();
  const auto command = program.command(
      "pretrain",
      "Train starter weights: of images by cross-entropy and a teacher, of texts by a teacher, of "
      "both by captions");
  command.option("recipe", arguments->recipe, "A TOML file; see recipes/pretrain/").required();
  command.option("--out", arguments->out, "Folder of the run (default: runs/<recipe's name>)");
  command.flag("--resume", arguments->resume, "Continue after the last finished epoch");
  command.overrides(arguments->overrides);
  command.footer("example: patina pretrain recipes/pretrain/starter.toml");
  command.action([arguments] {
    const std::string kind = kind_of(arguments->recipe, arguments->overrides);
    if (kind == "text")
      train<TextPretrainOptions>(*arguments, "test cosine to the teacher", 1, "");
    else if (kind == "two_tower")
      train<TwoTowerPretrainOptions>(*arguments, "test accuracy by the classes' names", 100, " %");
    else
      train<PretrainOptions>(*arguments, "test accuracy", 100, " %");
  });
}

}  // namespace patina::cli
