// `patina pretrain`: trains the starter weights.
#include "patina/pretrain/pretrain.h"

#include <fmt/core.h>

#include "apps/patina/commands.h"
#include "patina/config/recipe_file.h"

namespace patina::cli {

void add_pretrain(Command& program) {
  struct Arguments {
    std::string recipe, out;
    std::vector<std::string> overrides;
    bool resume = false;
  };
  auto arguments = std::make_shared<Arguments>();
  const auto command = program.command(
      "pretrain",
      "Train starter weights by cross-entropy, and by distillation if the recipe has a teacher");
  command.option("recipe", arguments->recipe, "A TOML file; see recipes/pretrain/").required();
  command.option("--out", arguments->out, "Folder of the run (default: runs/<recipe's name>)");
  command.flag("--resume", arguments->resume, "Continue after the last finished epoch");
  command.overrides(arguments->overrides);
  command.footer("example: patina pretrain recipes/pretrain/starter.toml");
  command.action([arguments] {
    PretrainOptions options;
    auto file = RecipeFile::read(arguments->recipe, arguments->overrides);
    file.bind(options);
    file.finish();
    const fs::path folder =
        arguments->out.empty() ? fs::path("runs") / options.name : fs::path(arguments->out);
    const double accuracy = pretrain(options, folder, arguments->resume);
    fmt::print("test accuracy {:.1f} %, weights in {}\n", 100 * accuracy,
               (folder / "weights.safetensors").string());
  });
}

}  // namespace patina::cli
