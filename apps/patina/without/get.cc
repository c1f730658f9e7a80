// `patina get` in a program built without downloads.
#include "apps/patina/start/start_commands.h"
#include "patina/base/error.h"

namespace patina::cli {

void add_get(Command& program) {
  const auto command = program.command("get", "Not in this program: it was built without libcurl");
  command.takes_anything();
  command.action([] {
    fail(ErrorKind::usage,
         "this program was built without downloads: install libcurl's headers "
         "(libcurl4-openssl-dev; libcurl-devel; curl), configure again with PATINA_GET=ON and "
         "build");
  });
}

}  // namespace patina::cli
