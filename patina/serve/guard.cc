#include "patina/serve/guard.h"

#include "patina/base/error.h"

namespace patina::serve {

namespace {

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host == "[::1]" || host.starts_with("127.");
}

// "example.org" of "example.org:8080", and "[::1]" of "[::1]:8080".
std::string without_port(const std::string& host) {
  const size_t bracket = host.find(']'), colon = host.rfind(':');
  const bool port = colon != host.npos && (bracket == host.npos || colon > bracket);
  return port ? host.substr(0, colon) : host;
}

// Takes as long for a wrong token as for the right one, wherever they differ.
bool same_secret(std::string_view given, std::string_view secret) {
  unsigned char difference = given.size() != secret.size();
  for (size_t i = 0; i < given.size(); ++i)
    difference |= uint8_t(given[i] ^ secret[i % secret.size()]);
  return difference == 0;
}

}  // namespace

Guard::Guard(std::string host, std::string token)
    : host_(std::move(host)), token_(std::move(token)) {
  if (!is_loopback(host_) && token_.empty())
    fail(ErrorKind::usage,
         "--host {} can be reached from other machines: choose a --token (or set PATINA_TOKEN), "
         "which every request must show",
         host_);
}

std::optional<Guard::Refusal> Guard::refusal(const Request& request) const {
  if (!token_.empty()) {
    const bool open = request.path == "/" || request.path == "/healthz" ||
                      request.path.starts_with("/v2/health/");
    constexpr std::string_view kBearer = "Bearer ";
    const std::string* shown = request.header("authorization");
    if (open || (shown && shown->starts_with(kBearer) &&
                 same_secret(std::string_view(*shown).substr(kBearer.size()), token_)))
      return std::nullopt;
    return Refusal{401, "show the server's token: Authorization: Bearer TOKEN"};
  }
  const std::string* host = request.header("host");
  const std::string name = host ? without_port(*host) : host_;
  if (!is_loopback(name) && name != host_)
    return Refusal{403, fmt::format("the Host header names \"{}\": without a --token the server "
                                    "answers to localhost",
                                    name)};
  if (const std::string* origin = request.header("origin"); origin && host) {
    const size_t begin = origin->find("://");
    if (begin == origin->npos || origin->substr(begin + 3) != *host)
      return Refusal{403,
                     "the request comes from the page of another site: start the server with a "
                     "--token to allow that"};
  }
  return std::nullopt;
}

}  // namespace patina::serve
