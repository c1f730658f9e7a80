// `patina run`: runs a recipe.
#include "patina/run/run.h"

#include <fmt/core.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "apps/patina/commands.h"
#include "patina/base/work.h"
#include "patina/report/report.h"
#include "patina/run/run_folder.h"

namespace patina::cli {

namespace {
volatile std::sig_atomic_t stop_signal = 0;
std::string stop_text;
}  // namespace

int stopped_by() {
  return stop_signal;
}

void stop_on_signals(const char* said) {
  stop_text = fmt::format("patina: {}\n", said);
  for (const int signal : {SIGINT, SIGTERM})
    std::signal(signal, [](int caught) {
      // Only async-signal-safe functions may be called in a handler.
      if (stop_signal != 0) ::_exit(128 + caught);
      stop_signal = caught;
      [[maybe_unused]] const auto put = ::write(STDERR_FILENO, stop_text.data(), stop_text.size());
    });
}

void add_run(Command& program) {
  struct Arguments {
    std::string recipe, out;
    std::vector<std::string> overrides;
    bool resume = false, overwrite = false, skip_bad_images = false, no_cache = false;
  };
  auto arguments = std::make_shared<Arguments>();
  const auto command =
      program.command("run", "Run a recipe: learn a stream of tasks from start to end");
  command.option("recipe", arguments->recipe, "A TOML file; see recipes/").required();
  command.option("--out", arguments->out, "Folder of the run (default: runs/<recipe's name>)");
  const auto resume =
      command.flag("--resume", arguments->resume, "Continue from the last checkpoint in --out");
  command.flag("--overwrite", arguments->overwrite, "Delete an existing run in --out")
      .excludes(resume);
  command.flag("--skip-bad-images", arguments->skip_bad_images,
               "Count and leave out images that cannot be decoded (data.skip_bad_images)");
  command.no_cache(arguments->no_cache);
  command.overrides(arguments->overrides);
  command.footer("example: patina run recipes/fashion_mnist/ranpac.toml --out runs/mine");
  command.action([arguments] {
    if (arguments->skip_bad_images) arguments->overrides.push_back("data.skip_bad_images=true");
    Recipe recipe = read_recipe(arguments->recipe, arguments->overrides);
    const fs::path folder =
        arguments->out.empty() ? fs::path("runs") / recipe.name : fs::path(arguments->out);
    if (arguments->resume && !RunFolder{folder}.used())
      note(fmt::format("{}: no run to resume here; it begins now", folder.string()));
    stop_on_signals();
    run(recipe, folder,
        {.mode = arguments->resume      ? RunMode::resume
                 : arguments->overwrite ? RunMode::overwrite
                                        : RunMode::fresh,
         .should_stop = [] { return stopped_by() != 0; },
         .stop_between_batches = true,
         .cache = !arguments->no_cache});
    fmt::print("{}\nrun: {}\nreport: patina report {} -o report.html\n",
               report_text({read_record(folder)}), folder.string(), folder.string());
  });
}

}  // namespace patina::cli
