// The subcommands: each file adds one to the program.
#pragma once

#include <CLI/CLI.hpp>

namespace patina::cli {

void add_pretrain(CLI::App& app);

/// `--set key=value`, which may be repeated.
inline void add_overrides(CLI::App& command, std::vector<std::string>& overrides) {
  command
      .add_option("--set", overrides,
                  "Override one option of the recipe, for example --set trainer.lr=0.01; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

}  // namespace patina::cli
