// `patina bench` in a program built without the benchmarks.
#include "apps/patina/commands.h"
#include "patina/base/error.h"

namespace patina::cli {

void add_bench(Command& program) {
  const auto command =
      program.command("bench", "Not in this program: it was built without benchmarks");
  command.takes_anything();
  command.action([] {
    fail(ErrorKind::usage,
         "this program was built without benchmarks (PATINA_BENCH=OFF), so it has no bench");
  });
}

}  // namespace patina::cli
