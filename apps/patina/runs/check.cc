// `patina check`: what a run of a recipe would do and take; nothing is written.
#include <fmt/core.h>

#include "apps/patina/commands.h"
#include "patina/base/json.h"
#include "patina/base/progress.h"
#include "patina/run/forecast.h"
#include "patina/run/run_folder.h"

namespace patina::cli {

namespace {

struct CheckArguments {
  std::vector<std::string> recipes, overrides;
  double seconds = 10;
};

std::string counted(int64_t count, const char* one, const char* several) {
  return fmt::format("{} {}", count, count == 1 ? one : several);
}

void print_parts(const std::vector<Forecast::Part>& parts) {
  constexpr size_t kShown = 12;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts.size() > kShown && i == kShown - 2) {
      fmt::print("  ... {} more\n", parts.size() - kShown + 1);
      i = parts.size() - 1;
    }
    const auto& part = parts[i];
    fmt::print("  task {}{}: {} ({} new), {} to learn from, {} to test\n", i + 1,
               part.name.empty() ? "" : " (" + part.name + ")",
               counted(part.classes, "class", "classes"), part.fresh, part.train, part.test);
  }
}

std::string time_of(const Forecast& expected) {
  if (!expected.learning) return "time: not known; the trial was too short to tell";
  const std::string learning = format_seconds(*expected.learning);
  if (!expected.evaluation) return fmt::format("time: learning up to about {}", learning);
  return fmt::format("time: up to about {} (learning {}, evaluation {})",
                     format_seconds(*expected.learning + *expected.evaluation), learning,
                     format_seconds(*expected.evaluation));
}

void check(const std::string& path, const CheckArguments& arguments) {
  Recipe recipe = read_recipe(path, arguments.overrides);
  const Forecast expected = forecast(recipe, arguments.seconds);
  fmt::print("{}: it can run\n{} on {} (of {}, {})\n", path, recipe.learner.name, expected.scenario,
             recipe.data.name, counted(int64_t(expected.parts.size()), "task", "tasks"));
  fmt::print("network: {}, {} parameters\n", expected.network, format_count(expected.parameters));
  print_parts(expected.parts);
  if (expected.steps > 0) fmt::print("steps: up to {}\n", expected.steps);
  fmt::print("{}\nmemory: {} or more\n", time_of(expected),
             format_bytes(uint64_t(expected.memory_bytes)));
  const fs::path folder = fs::path("runs") / recipe.name;
  if (RunFolder{folder}.used())
    fmt::print(
        "{} holds a run: --resume continues it, --overwrite deletes it, --out names another\n",
        folder.string());
}

}  // namespace

void add_check(Command& program) {
  auto arguments = std::make_shared<CheckArguments>();
  const auto command = program.command(
      "check", "Check recipes without running them: weights, data, stream, time and memory");
  command.option("recipes", arguments->recipes, "TOML files; see recipes/").required();
  command.overrides(arguments->overrides);
  command
      .option("--seconds", arguments->seconds,
              "How long each recipe's first task is tried, to estimate the time")
      .between(0, 86400)
      .shows_default();
  command.footer("example: patina check recipes/fashion_mnist/ranpac.toml");
  command.action([arguments] {
    for (const auto& recipe : arguments->recipes) check(recipe, *arguments);
  });
}

}  // namespace patina::cli
