// `patina board`: a folder of runs in the browser, live.
#include "patina/board/board.h"

#include "apps/patina/commands.h"
#include "apps/patina/listening.h"

namespace patina::cli {

void add_board(Command& program) {
  auto options = std::make_shared<board::BoardOptions>();
  auto folder = std::make_shared<std::string>("runs");
  const auto command =
      program.command("board", "Show the runs in a folder in the browser, live while they run");
  command.option("runs", *folder, "The folder; runs/ by default");
  add_address(command, *options, "Browsers must show it once, as /?token=TOKEN");
  command.footer(
      "It only reads. A run is there as soon as it has begun.\n"
      "example: patina board runs/ --port 8090");
  command.action([options, folder] {
    options->token = token_or_environment(options->token);
    options->folder = *folder;
    stop_on_signals("the board stops; once more ends at once");
    board::Board board(*options);
    listen_until_stopped("showing " + *folder, options->host, board.port());
    board.stop();
  });
}

}  // namespace patina::cli
