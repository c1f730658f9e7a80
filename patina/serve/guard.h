// Who may ask the server.
#pragma once

#include <optional>
#include <string>

#include "patina/serve/http.h"

namespace patina::serve {

/// Lets requests pass that show the token. Without a token the server answers to this machine
/// alone, and not to pages of other sites that a browser on it shows: neither to their own requests
/// nor under a name of theirs that leads to this machine.
class Guard {
 public:
  struct Refusal {
    int status;
    std::string why;
  };

  /// `host`: what the server listens on. Throws Error(usage) if other machines reach it and there
  /// is no token.
  Guard(std::string host, std::string token);

  /// Nothing if the request may be answered.
  std::optional<Refusal> refusal(const Request& request) const;

 private:
  const std::string host_, token_;
};

}  // namespace patina::serve
