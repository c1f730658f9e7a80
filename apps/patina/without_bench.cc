// `patina bench` of a program that was built without the benchmarks.
#include "apps/patina/commands.h"
#include "patina/base/error.h"

namespace patina::cli {

void add_bench(CLI::App& app) {
  auto* command =
      app.add_subcommand("bench", "Not in this program: it was built without benchmarks");
  command->allow_extras()->callback([] {
    fail(ErrorKind::usage,
         "this program was built without benchmarks (PATINA_BENCH=OFF), so it has no bench");
  });
}

}  // namespace patina::cli
