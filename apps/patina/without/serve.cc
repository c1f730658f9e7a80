// `patina serve` in a program built without the server.
#include "apps/patina/commands.h"
#include "patina/base/error.h"

namespace patina::cli {

void add_serve(Command& program) {
  const auto command =
      program.command("serve", "Not in this program: it was built without the server");
  command.takes_anything();
  command.action([] {
    fail(ErrorKind::usage,
         "this program was built without the server (PATINA_SERVE=OFF), so it has no serve");
  });
}

}  // namespace patina::cli
