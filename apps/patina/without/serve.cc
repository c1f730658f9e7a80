// `patina serve` and `patina board` in a program built without the server.
#include "apps/patina/commands.h"
#include "patina/base/error.h"

namespace patina::cli {

namespace {

void add_missing(Command& program, const std::string& name) {
  const auto command =
      program.command(name, "Not in this program: it was built without the server");
  command.takes_anything();
  command.action([name] {
    fail(ErrorKind::usage,
         "this program was built without the server (PATINA_SERVE=OFF), so it has no {}", name);
  });
}

}  // namespace

void add_serve(Command& program) {
  add_missing(program, "serve");
}
void add_board(Command& program) {
  add_missing(program, "board");
}

}  // namespace patina::cli
