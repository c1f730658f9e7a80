#include "patina/serve/http.h"

#include <fmt/format.h>

#include <algorithm>

namespace patina::serve {

namespace {

// The characters of a token (RFC 9110, 5.6.2).
bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(char(c)) != std::string_view::npos;
  });
}

bool is_control(unsigned char c) {
  return c < 0x20 || c == 0x7f;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
  return out;
}

std::string_view stripped(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

[[noreturn]] void malformed(const std::string& what) {
  throw HttpError(400, "the request is not HTTP/1.1: " + what);
}

void parse_target(std::string_view target, Request& request) {
  if (target.empty() || target.front() != '/')
    malformed("its target is not a path that begins with /");
  const size_t mark = target.find('?');
  request.path = target.substr(0, mark);
  for (size_t at = 1; at <= request.path.size();) {
    const size_t end = std::min(request.path.find('/', at), request.path.size());
    const auto part = percent_decoded(std::string_view(request.path).substr(at, end - at));
    if (!part) malformed("its path has a % that encodes nothing");
    if (!part->empty()) request.parts.push_back(*part);
    at = end + 1;
  }
  if (mark == target.npos) return;
  std::string_view rest = target.substr(mark + 1);
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    const auto name = percent_decoded(pair.substr(0, equals), true);
    const auto value =
        percent_decoded(equals == pair.npos ? std::string_view{} : pair.substr(equals + 1), true);
    if (!name || !value) malformed("its query has a % that encodes nothing");
    request.query.emplace_back(*name, *value);
  }
}

void parse_request_line(std::string_view line, Request& request) {
  const size_t first = line.find(' '), last = line.rfind(' ');
  if (first == line.npos || first == last) malformed("the first line has no method, path, version");
  const std::string_view method = line.substr(0, first), version = line.substr(last + 1);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  if (!is_token(method)) malformed("the method is no word");
  if (std::ranges::any_of(target, [](unsigned char c) { return is_control(c) || c == ' '; }))
    malformed("its target has a space or a control character");
  if (!version.starts_with("HTTP/")) malformed("the first line ends without a version");
  if (version != "HTTP/1.1" && version != "HTTP/1.0")
    throw HttpError(505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
  request.minor = version.back() - '0';
  request.method = method;
  parse_target(target, request);
}

}  // namespace

const std::string* find_header(const Headers& headers, std::string_view name) {
  const auto found =
      std::ranges::find_if(headers, [&](const auto& header) { return header.first == name; });
  return found == headers.end() ? nullptr : &found->second;
}

const std::string* Request::asked(std::string_view name) const {
  return find_header(query, name);
}

std::string Request::type() const {
  const std::string* value = header("content-type");
  if (!value) return "";
  return lower(stripped(std::string_view(*value).substr(0, value->find(';'))));
}

std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_space) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0 || high * 16 + low == 0) return std::nullopt;
      out += char(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

Request parse_head(std::string_view head) {
  Request request;
  bool first = true;
  while (!head.empty()) {
    const size_t end = head.find("\r\n");
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end == head.npos ? head.size() : end + 2);
    if (line.find_first_of("\r\n") != line.npos) malformed("a line ends without CR LF");
    if (first) {
      parse_request_line(line, request);
      first = false;
      continue;
    }
    const size_t colon = line.find(':');
    // A space before the colon, or a line that continues the one before, is read in different ways.
    if (colon == line.npos || !is_token(line.substr(0, colon)))
      malformed("a header has no name, or spaces before its colon");
    const std::string_view value = stripped(line.substr(colon + 1));
    if (std::ranges::any_of(value, [](unsigned char c) { return is_control(c) && c != '\t'; }))
      malformed("a header has a control character");
    if (request.headers.size() == kMostHeaders)
      throw HttpError(431, fmt::format("the request has more than {} headers", kMostHeaders));
    request.headers.emplace_back(lower(line.substr(0, colon)), value);
  }
  if (first) malformed("it is empty");
  const auto hosts = std::ranges::count_if(
      request.headers, [](const auto& header) { return header.first == "host"; });
  if (hosts > 1 || (hosts == 0 && request.minor == 1)) malformed("it needs one Host header");
  return request;
}

Framing framing_of(const Request& request) {
  std::optional<std::string_view> length, encoding;
  for (const auto& [name, value] : request.headers) {
    if (name == "content-length") {
      if (length) malformed("it has two lengths");
      length = value;
    }
    if (name == "transfer-encoding") {
      if (encoding) malformed("it has two transfer encodings");
      encoding = value;
    }
  }
  if (encoding) {
    if (length || request.minor == 0) malformed("it has a transfer encoding beside a length");
    if (lower(*encoding) != "chunked")
      throw HttpError(501, "of transfer encodings only chunked is read");
    return {.chunked = true};
  }
  if (!length) return {};
  constexpr size_t kMostDigits = 18;  // fits 64 bits
  if (length->empty() || length->find_first_not_of("0123456789") != length->npos)
    malformed("its Content-Length is not a number");
  if (length->size() > kMostDigits) throw HttpError(413, "the body is too long");
  return {.length = std::stoull(std::string(*length))};
}

bool keeps_alive(const Request& request) {
  const std::string* connection = request.header("connection");
  const std::string said = connection ? lower(*connection) : "";
  if (said.find("close") != said.npos) return false;
  return request.minor == 1 || said.find("keep-alive") != said.npos;
}

void Chunks::end_line() {
  if (state_ == State::data_end) {
    if (!line_.empty()) malformed("a chunk is longer than its size");
    state_ = State::size;
  } else if (state_ == State::trailer) {
    if (line_.empty()) state_ = State::done;  // trailers are read over
  } else {
    const std::string_view digits = stripped(std::string_view(line_).substr(0, line_.find(';')));
    constexpr size_t kMostDigits = 15;
    if (digits.empty() || digits.size() > kMostDigits) malformed("a chunk has no size");
    left_ = 0;
    for (const char c : digits) {
      const int digit = hex_digit(c);
      if (digit < 0) malformed("a chunk's size is not hexadecimal");
      left_ = left_ * 16 + uint64_t(digit);
    }
    total_ += left_;
    if (total_ > limit_)
      throw HttpError(413, fmt::format("the body is longer than {} bytes", limit_));
    state_ = left_ == 0 ? State::trailer : State::data;
  }
  line_.clear();
}

size_t Chunks::take(std::string_view bytes, std::string& body) {
  constexpr size_t kLongestLine = 4096;
  size_t at = 0;
  while (at < bytes.size() && state_ != State::done) {
    if (state_ == State::data) {
      const size_t count = size_t(std::min<uint64_t>(left_, bytes.size() - at));
      body.append(bytes, at, count);
      at += count;
      left_ -= count;
      if (left_ == 0) state_ = State::data_end;
      continue;
    }
    const char c = bytes[at++];
    if (c == '\n') {
      if (line_.empty() || line_.back() != '\r') malformed("a chunk's line ends without CR LF");
      line_.pop_back();
      end_line();
    } else if (line_.size() == kLongestLine || (!line_.empty() && line_.back() == '\r')) {
      malformed("a chunk's line is too long or has a lone CR");
    } else {
      line_ += c;
    }
  }
  return at;
}

std::string_view reason_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    default:
      return "Status";
  }
}

std::string response_head(const Response& response, std::optional<uint64_t> length, bool keep) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason_of(response.status));
  if (!response.type.empty()) head += fmt::format("Content-Type: {}\r\n", response.type);
  for (const auto& [name, value] : response.headers) head += fmt::format("{}: {}\r\n", name, value);
  head += length ? fmt::format("Content-Length: {}\r\n", *length)
                 : std::string("Transfer-Encoding: chunked\r\n");
  head += keep ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  return head;
}

}  // namespace patina::serve
