// The subcommands: each file adds one to the program.
#pragma once

#include <string>
#include <vector>

#include "apps/patina/command.h"

namespace patina::cli {

void add_run(Command& program);
void add_sweep(Command& program);
void add_predict(Command& program);
void add_learn(Command& program);
void add_forget(Command& program);
void add_eval(Command& program);
void add_report(Command& program);
void add_list(Command& program);  // and explain
void add_features(Command& program);
void add_generate(Command& program);
void add_inspect(Command& program);
void add_pretrain(Command& program);
void add_bench(Command& program);

/// What `patina list` takes, and every name that `patina explain` knows.
const std::vector<std::string>& list_names();
std::vector<std::string> explained_names();

/// From now on SIGINT and SIGTERM ask a run to stop: the current step or batch is finished before
/// the program leaves, and a checkpoint made where there is something new to keep. The second ends
/// the program at once.
void stop_on_signals();
/// The signal that asked, or 0.
int stopped_by();

}  // namespace patina::cli
