// What the commands that listen have in common: `patina serve` and `patina board`.
#pragma once

#include <string>

#include "apps/patina/command.h"

namespace patina::cli {

/// --host, --port and --token, whose default is the environment's PATINA_TOKEN. `shown` says how a
/// token is shown.
template <class Options>
void add_address(const Command& command, Options& options, const std::string& shown) {
  command
      .option("--host", options.host,
              "Address to listen on; one that other machines reach needs --token")
      .shows_default();
  command.option("--port", options.port, "Port; 0: one that is free")
      .range(0, 65535)
      .shows_default();
  command.option("--token", options.token,
                 shown +
                     "; the environment variable PATINA_TOKEN says the same, and is not in the "
                     "list of processes");
}

/// `token`, or what PATINA_TOKEN says if it is empty.
std::string token_or_environment(const std::string& token);

/// Prints "`said` at http://HOST:PORT/" and returns once a signal asks to stop.
void listen_until_stopped(const std::string& said, const std::string& host, int port);

}  // namespace patina::cli
