#include "apps/patina/listening.h"

#include <fmt/core.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "apps/patina/commands.h"

namespace patina::cli {

std::string token_or_environment(const std::string& token) {
  const char* set = std::getenv("PATINA_TOKEN");
  return token.empty() && set ? set : token;
}

void listen_until_stopped(const std::string& said, const std::string& host, int port) {
  const bool is_ipv6 = host.find(':') != host.npos;
  fmt::print("{} at http://{}:{}/\n", said, is_ipv6 ? "[" + host + "]" : host, port);
  std::fflush(stdout);
  while (stopped_by() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(50));
}

}  // namespace patina::cli
