// The subcommands: each file adds one to the program.
#pragma once

#include <CLI/CLI.hpp>

namespace patina::cli {

void add_run(CLI::App& app);
void add_sweep(CLI::App& app);
void add_report(CLI::App& app);
void add_list(CLI::App& app);  // and explain
void add_features(CLI::App& app);
void add_generate(CLI::App& app);
void add_inspect(CLI::App& app);
void add_pretrain(CLI::App& app);
void add_bench(CLI::App& app);

/// What `patina list` takes, and every name that `patina explain` knows.
const std::vector<std::string>& list_names();
std::vector<std::string> explained_names();

/// From now on SIGINT and SIGTERM ask a run to stop: the step in hand is finished and a checkpoint
/// made before the program leaves.
void stop_on_signals();
/// The signal that asked, or 0.
int stopped_by();

/// `--set key=value`, which may be repeated.
inline void add_overrides(CLI::App& command, std::vector<std::string>& overrides) {
  command
      .add_option(
          "--set", overrides,
          "Override one option of the recipe, for example --set training.lr=0.01; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

}  // namespace patina::cli
