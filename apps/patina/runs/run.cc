// `patina run`: runs a recipe.
#include "patina/run/run.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include "apps/patina/commands.h"
#include "apps/patina/runs/workers.h"
#include "patina/base/cores.h"
#include "patina/base/error.h"
#include "patina/base/work.h"
#include "patina/dist/membership.h"
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

namespace {

void check_workers(const Recipe& recipe, const std::optional<Membership>& member, int64_t wanted) {
  const int64_t count = member ? member->size : wanted;
  if (count <= 1) return;
  if (!workers_available()) join({});  // says why not
  if (member && wanted > 1 && wanted != count)
    fail(ErrorKind::usage, "--workers {}, but {} has started {}: leave --workers out", wanted,
         member->told_by, count);
  const int64_t shards = recipe.training.shards;
  if (member && member->rank > 0) return;
  if (!recipe.learner.row().trains) return;
  if (shards == 1)
    warn(
        "training.shards is 1, so every worker computes every training step: with --set "
        "training.shards=8 they share it (and results are those of 8 shards, for any number of "
        "workers)");
  else if (shards < count)
    warn(
        fmt::format("training.shards is {}, so {} of {} workers have nothing to do in a training "
                    "step",
                    shards, count - shards, count));
}

}  // namespace

void add_run(Command& program) {
  struct Arguments {
    std::string recipe, out;
    std::vector<std::string> overrides;
    int64_t workers = 1;
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
  command
      .option("--workers", arguments->workers,
              "Processes of this machine that do the run together, with the results of one; "
              "training.shards is what they share of a training step")
      .range(1, 1024)
      .shows_default();
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
    follow_launcher();
    const auto member = membership([](const char* name) { return std::getenv(name); });
    check_workers(recipe, member, arguments->workers);
    if (!member && arguments->workers > 1) return run_with_workers(arguments->workers);
    RunControl control{.mode = arguments->resume      ? RunMode::resume
                               : arguments->overwrite ? RunMode::overwrite
                                                      : RunMode::fresh,
                       .should_stop = [] { return stopped_by() != 0; },
                       .stop_between_batches = true,
                       .cache = !arguments->no_cache};
    // A launcher that starts the workers again means them to go on.
    if (member && member->attempt != "0") control.mode = RunMode::resume;
    if (member && !member->file.empty())
      control.data_threads = std::max(1, usable_cores() / member->size);
    std::unique_ptr<Workers> workers;
    if (member) workers = join(*member);
    control.workers = workers.get();
    if (workers && !workers->first()) {
      Work unheard;
      const WorkScope scope(&unheard);
      run(recipe, folder, control);
      return;
    }
    run(recipe, folder, control);
    fmt::print("{}\nrun: {}\nreport: patina report {} -o report.html\n",
               report_text({read_record(folder)}), folder.string(), folder.string());
  });
}

}  // namespace patina::cli
