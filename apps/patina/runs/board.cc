// `patina board`: a folder of runs in the browser, live.
#include "patina/board/board.h"

#include <fmt/core.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "apps/patina/commands.h"

namespace patina::cli {

void add_board(Command& program) {
  auto options = std::make_shared<board::BoardOptions>();
  auto folder = std::make_shared<std::string>("runs");
  const auto command =
      program.command("board", "Show the runs in a folder in the browser, live while they run");
  command.option("runs", *folder, "The folder; runs/ by default");
  command
      .option("--host", options->host,
              "Address to listen on; one that other machines reach needs --token")
      .shows_default();
  command.option("--port", options->port, "Port; 0: one that is free")
      .range(0, 65535)
      .shows_default();
  command.option("--token", options->token,
                 "Browsers must show it once, as /?token=TOKEN; the environment variable "
                 "PATINA_TOKEN says the same, and is not in the list of processes");
  command.footer(
      "It only reads. A run is there as soon as it has begun.\n"
      "example: patina board runs/ --port 8090");
  command.action([options, folder] {
    if (const char* token = std::getenv("PATINA_TOKEN"); token && options->token.empty())
      options->token = token;
    options->folder = *folder;
    stop_on_signals("the board stops; once more ends at once");
    board::Board board(*options);
    const std::string host =
        options->host.find(':') == std::string::npos ? options->host : "[" + options->host + "]";
    fmt::print("showing {} at http://{}:{}/\n", *folder, host, board.port());
    std::fflush(stdout);
    while (stopped_by() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    board.stop();
  });
}

}  // namespace patina::cli
