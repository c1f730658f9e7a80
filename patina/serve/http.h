// HTTP/1.1 (RFC 9110 and 9112): requests as values, and the parser of what stands before a body.
// Strict where two readers of the same bytes could disagree: behind a proxy that would let one
// request hide in another.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace patina::serve {

using Headers = std::vector<std::pair<std::string, std::string>>;

/// The value of the header `name` (lower case); null: there is none.
const std::string* find_header(const Headers& headers, std::string_view name);

/// A request. Names of headers are in lower case.
struct Request {
  std::string method, path;        // the path as it was sent, without the query
  std::vector<std::string> parts;  // of the path, decoded: "/v2/models/a%20b" has "v2", "models",
                                   // "a b"
  std::vector<std::pair<std::string, std::string>> query;  // decoded
  int minor = 1;                                           // of the version
  Headers headers;
  std::string body;

  const std::string* header(std::string_view name) const { return find_header(headers, name); }
  /// The value of `name` in the query; null: there is none.
  const std::string* asked(std::string_view name) const;
  /// The type of the body in lower case without parameters: "application/json"; "": none.
  std::string type() const;
};

/// Sends a part of a body; false: nobody listens any more.
using Send = std::function<bool(std::string_view part)>;

struct Response {
  int status = 200;
  std::string body;
  std::string type = "application/json";
  Headers headers = {};
  /// Sends the body piece by piece instead of `body`.
  std::function<void(const Send&)> stream = {};
};

/// A request that is refused: becomes a response with this status.
class HttpError : public std::exception {
 public:
  HttpError(int status, std::string message) : status_(status), message_(std::move(message)) {}
  int status() const { return status_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  int status_;
  std::string message_;
};

/// How a body is delimited.
struct Framing {
  bool chunked = false;
  uint64_t length = 0;  // where it is not chunked
};

inline constexpr size_t kMostHeaders = 100;

/// Parses a request line and headers, without the empty line at the end. Throws HttpError.
Request parse_head(std::string_view head);
/// How the body of a request ends. Throws HttpError where that is not certain.
Framing framing_of(const Request& request);
/// Whether the connection serves more requests after this one.
bool keeps_alive(const Request& request);

/// Decodes %XX. Nothing if a % is followed by anything else or the result has a NUL.
std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_space = false);

/// Decodes a chunked body as its bytes arrive (RFC 9112, 7.1).
class Chunks {
 public:
  explicit Chunks(uint64_t limit) : limit_(limit) {}
  /// Takes bytes from the front of `bytes`, appends what they carry to `body`, and returns how many
  /// were taken: all of them unless the body has ended. Throws HttpError(413) when the body becomes
  /// longer than the limit, HttpError(400) when it is malformed.
  size_t take(std::string_view bytes, std::string& body);
  bool done() const { return state_ == State::done; }

 private:
  enum class State { size, data, data_end, trailer, done };
  void end_line();

  State state_ = State::size;
  std::string line_;
  uint64_t left_ = 0, limit_, total_ = 0;
};

/// The head of a response with a body of `length` bytes; chunked: of one without a known length.
std::string response_head(const Response& response, std::optional<uint64_t> length, bool keep);
std::string_view reason_of(int status);

}  // namespace patina::serve
