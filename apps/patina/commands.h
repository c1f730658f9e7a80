// The subcommands; each source file adds one to the program.
#pragma once

#include <string>
#include <vector>

#include "apps/patina/command.h"

namespace patina::cli {

void add_run(Command& program);
void add_sweep(Command& program);
void add_tune(Command& program);
void add_check(Command& program);
void add_predict(Command& program);
void add_learn(Command& program);
void add_forget(Command& program);
void add_eval(Command& program);
void add_report(Command& program);
void add_list(Command& program);  // and explain
void add_data(Command& program);
void add_features(Command& program);
void add_generate(Command& program);
void add_inspect(Command& program);
void add_pretrain(Command& program);
void add_export(Command& program);
void add_merge(Command& program);
void add_serve(Command& program);
void add_board(Command& program);
void add_bench(Command& program);
void add_doctor(Command& program);

/// What a shell reads to complete patina's commands: `shell` is bash, zsh or fish.
std::string completion_script(const std::vector<CommandInfo>& commands, const std::string& shell);
/// The manual page, in the language of man.
std::string manual_page(const std::vector<CommandInfo>& commands, const std::string& version);
const std::vector<std::string>& shells();

/// The arguments of `patina list`, and all names that `patina explain` knows.
const std::vector<std::string>& list_names();
std::vector<std::string> explained_names();

/// Makes SIGINT and SIGTERM ask the command to stop, which says `said`, by default that a run
/// finishes its step or batch, and then writes a checkpoint if there is anything new. A second
/// signal ends the program at once.
void stop_on_signals(
    const char* said = "stopping after this step or batch; once more ends at once");
/// The signal that was received, or 0.
int stopped_by();

}  // namespace patina::cli
