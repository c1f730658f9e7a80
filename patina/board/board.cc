#include "patina/board/board.h"

#include <algorithm>

#include "patina/base/error.h"
#include "patina/board/pages.h"
#include "patina/serve/guard.h"

namespace patina::board {

namespace {

using serve::Request;
using serve::Response;

constexpr std::string_view kCookie = "patina_board=";

// A cookie's characters (RFC 6265, 4.1.1), and none that a query would need encoded.
void check_token(const std::string& token) {
  const auto plain = [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.';
  };
  if (!std::ranges::all_of(token, plain))
    fail(ErrorKind::usage,
         "--token: the board's consists of letters, digits, '-', '_' and '.', since a browser "
         "sends it as a cookie");
}

// The value of the board's cookie; "" if the browser sends none.
std::string cookie_of(const Request& request) {
  const std::string* header = request.header("cookie");
  if (!header) return "";
  std::string_view rest = *header;
  while (!rest.empty()) {
    std::string_view one = rest.substr(0, rest.find(';'));
    rest.remove_prefix(std::min(one.size() + 1, rest.size()));
    one.remove_prefix(std::min(one.find_first_not_of(' '), one.size()));
    if (one.starts_with(kCookie)) return std::string(one.substr(kCookie.size()));
  }
  return "";
}

// A browser cannot show a token in a header of its own: it comes once in the address, and then as
// a cookie.
class Door {
 public:
  Door(const std::string& host, const std::string& token)
      : guard_(host, token), asks_(!token.empty()) {
    check_token(token);
  }

  std::optional<Response> admit(const Request& request) const {
    if (!asks_) return refused(guard_.refusal(request));
    if (const std::string* given = request.asked("token")) {
      if (auto refusal = refused(guard_.refusal(with(*given, request)))) return refusal;
      return Response{
          .status = 303,
          .type = "",
          .headers = {{"Location", "/"},
                      {"Set-Cookie",
                       fmt::format("{}{}; Path=/; HttpOnly; SameSite=Strict", kCookie, *given)}}};
    }
    return refused(guard_.refusal(with(cookie_of(request), request)));
  }

 private:
  // The guard leaves the first page of `patina serve` open; here it has the list of runs.
  static Request with(const std::string& token, Request request) {
    if (!token.empty()) {
      std::erase_if(request.headers,
                    [](const auto& header) { return header.first == "authorization"; });
      request.headers.emplace_back("authorization", "Bearer " + token);
    }
    if (request.path == "/") request.path = "/runs";
    return request;
  }

  static std::optional<Response> refused(const std::optional<serve::Guard::Refusal>& refusal) {
    if (!refusal) return std::nullopt;
    return Pages::refusal(refusal->status,
                          refusal->status == 401
                              ? "open the board with its token: /?token=TOKEN, or send "
                                "Authorization: Bearer TOKEN"
                              : refusal->why);
  }

  serve::Guard guard_;
  bool asks_;
};

serve::Limits limits() {
  serve::Limits limits;
  limits.body_bytes = 1 << 10;  // nothing that is asked has a body
  limits.connections = 64;
  return limits;
}

}  // namespace

struct Board::State {
  explicit State(const BoardOptions& options)
      : door(options.host, options.token),
        pages(options.folder),
        server(options.host, options.port, limits(),
               {.admit = [this](const Request& request) { return door.admit(request); },
                .answer = [this](const Request& request) { return pages.answer(request); },
                .refused =
                    [](int status, const std::string& message) {
                      return Pages::refusal(status, message);
                    }}) {}

  Door door;
  Pages pages;
  serve::Server server;  // the last: it asks the others
};

Board::Board(const BoardOptions& options) : state_(std::make_unique<State>(options)) {}
Board::~Board() = default;

int Board::port() const {
  return state_->server.port();
}

void Board::stop() {
  state_->server.stop();
}

}  // namespace patina::board
