// `patina import-pilot`: a configuration of LAMDA-PILOT's as a recipe.
#include <fmt/core.h>

#include "apps/patina/start/new_file.h"
#include "apps/patina/start/pilot_config.h"
#include "apps/patina/start/start_commands.h"
#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/run/recipe.h"

namespace patina::cli {

namespace {

struct ImportArguments {
  std::string file, out;
};

void print_list(const char* title, const std::vector<std::string>& lines) {
  if (lines.empty()) return;
  fmt::print("{}:\n", title);
  for (const auto& line : lines) fmt::print("  {}\n", line);
}

void import_pilot(const ImportArguments& arguments) {
  const fs::path file = arguments.file;
  const Json config = parse_json(read_text(file, 1 << 20), file.string());
  const std::string name = file.stem().string();
  const PilotRecipe made = recipe_of_pilot(config, name, file.filename().string());
  const fs::path out = arguments.out.empty() ? fs::path(name + ".toml") : fs::path(arguments.out);
  write_new(out, made.text);
  try {
    read_recipe(out, {});
  } catch (const Error&) {  // a value that patina does not take
    std::error_code ignored;
    fs::remove(out, ignored);
    throw;
  }
  print_list("mapped", made.settings);
  print_list("set as PILOT's code does it", made.chosen);
  print_list("not needed", made.not_needed);
  print_list("NOT mapped", made.not_mapped);
  fmt::print("{}: {} keys are not mapped; next: patina check {}\n", out.string(),
             made.not_mapped.size(), out.string());
}

}  // namespace

void add_import_pilot(Command& program) {
  auto arguments = std::make_shared<ImportArguments>();
  const auto command = program.command(
      "import-pilot", "Make a recipe of a configuration of LAMDA-PILOT's (exps/*.json)");
  command.option("file", arguments->file, "A JSON file as those in PILOT's exps/").required();
  command.option("-o,--out", arguments->out,
                 "The recipe to write; one that exists is not changed (default: NAME.toml)");
  command.footer(
      "Prints which key became what, what PILOT's code does without a key, and what patina has no "
      "counterpart for.\nNothing of PILOT is needed beside the file. Weights and data are yours to "
      "name: --set model.path=FILE and\n--set data.path=FOLDER.\n\n"
      "example: patina import-pilot exps/ranpac.json");
  command.action([arguments] { import_pilot(*arguments); });
}

}  // namespace patina::cli
