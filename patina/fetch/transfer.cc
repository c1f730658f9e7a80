#include "patina/fetch/transfer.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <exception>
#include <map>
#include <memory>
#include <string_view>

#include "patina/version.h"

namespace patina::fetch {

namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return std::tolower(c); });
  return result;
}

std::string_view stripped(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::optional<uint64_t> number_in(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 &&
         std::ranges::all_of(text, [](unsigned char c) { return std::isxdigit(c) != 0; });
}

// A validator that says that bytes are the same, and not only the meaning.
std::string strong(const std::string& etag) {
  return etag.size() > 2 && etag.front() == '"' && etag.back() == '"' ? etag : "";
}

std::string unquoted(std::string text) {
  std::erase(text, '"');
  return text;
}

// One transfer as libcurl's callbacks see it. No exception may leave them.
class Transfer {
 public:
  Transfer(CURL* handle, const Asked& asked, const Receiver& receiver)
      : handle_(handle), asked_(asked), receiver_(receiver) {}

  std::exception_ptr thrown;

  void header(std::string_view line) {
    if (line.starts_with("HTTP/")) {
      headers_.clear();  // of one answer after the other, as redirects lead on
      return;
    }
    const size_t colon = line.find(':');
    if (colon == line.npos) return;
    const std::string name = lower(line.substr(0, colon));
    headers_[name] = stripped(line.substr(colon + 1));
    // The hub tells these in the answer that redirects to the file.
    if (name == "x-linked-etag") linked_ = unquoted(headers_[name]);
    if (name == "x-repo-commit") commit_ = headers_[name];
  }

  void body(const char* data, size_t size) {
    if (!has_begun_) {
      has_begun_ = true;
      begin();
    }
    if (is_wanted_) receiver_.bytes(data, size);
  }

  // An empty file has no body.
  void end() {
    if (!has_begun_) body("", 0);
  }

  int status() const {
    long status = 0;
    curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
    return int(status);
  }
  std::string address() const {
    const char* address = nullptr;
    curl_easy_getinfo(handle_, CURLINFO_EFFECTIVE_URL, &address);
    return address ? address : asked_.address;
  }

 private:
  std::string value(const char* name) const {
    const auto found = headers_.find(name);
    return found == headers_.end() ? "" : found->second;
  }

  void begin() {
    Answer answer{.status = status(),
                  .address = address(),
                  .validator = strong(value("etag")),
                  .sha256 = is_sha256(linked_) ? lower(linked_) : "",
                  .commit = commit_};
    is_wanted_ = answer.status == 200 || answer.status == 206;
    if (!is_wanted_) return;
    const auto length = number_in(value("content-length"));
    if (answer.status == 206) {
      // "bytes 100-199/200"
      const std::string range = value("content-range");
      const size_t dash = range.find('-'), slash = range.find('/');
      const auto from = range.starts_with("bytes ") && dash != range.npos
                            ? number_in(std::string_view(range).substr(6, dash - 6))
                            : std::nullopt;
      if (!from || *from != asked_.from)
        fail(ErrorKind::file, "{}: the server sent another part than it was asked for", address());
      answer.from = *from;
      if (slash != range.npos) answer.bytes = number_in(std::string_view(range).substr(slash + 1));
    } else {
      answer.bytes = length;
    }
    receiver_.begin(answer);
  }

  CURL* handle_;
  const Asked& asked_;
  const Receiver& receiver_;
  std::map<std::string, std::string> headers_;
  std::string linked_, commit_;
  bool has_begun_ = false, is_wanted_ = false;
};

template <class Call>
size_t guarded(Transfer& transfer, size_t size, Call call) {
  try {
    call();
    return size;
  } catch (...) {
    transfer.thrown = std::current_exception();
    return size + 1;  // what was not taken: libcurl ends the transfer
  }
}

size_t on_header(char* data, size_t one, size_t count, void* transfer) {
  auto& to = *static_cast<Transfer*>(transfer);
  return guarded(to, one * count, [&] { to.header({data, one * count}); });
}

size_t on_body(char* data, size_t one, size_t count, void* transfer) {
  auto& to = *static_cast<Transfer*>(transfer);
  return guarded(to, one * count, [&] { to.body(data, one * count); });
}

struct Once {
  Once() { curl_global_init(CURL_GLOBAL_DEFAULT); }
};

[[noreturn]] void refuse(int status, const std::string& address, const Asked& asked) {
  if (status == 404 || status == 410)
    throw NoSuchFile(
        ErrorKind::file,
        fmt::format("{}: the server has no such file (status {}); it may have moved, or the mirror "
                    "lacks it",
                    address, status));
  if (status == 401 || status == 403)
    fail(ErrorKind::file, "{}: the server does not hand it out (status {}){}", address, status,
         asked.token.empty() ? ": of the hub, accept the model's terms on its page and set HF_TOKEN"
                             : "; HF_TOKEN was sent, and may lack the right to it");
  if (status == 416)
    throw RangeRefused(fmt::format("{}: there is nothing from byte {} on", address, asked.from));
  if (status == 429 || status >= 500)
    throw Interrupted(fmt::format("{}: the server is busy (status {})", address, status));
  fail(ErrorKind::file, "{}: the server answered with status {}", address, status);
}

[[noreturn]] void report(CURLcode code, const char* said, const std::string& address) {
  const std::string why = said[0] ? said : curl_easy_strerror(code);
  switch (code) {
    case CURLE_TOO_MANY_REDIRECTS:
      fail(ErrorKind::file, "{}: more than {} redirects: the addresses lead in a circle", address,
           kMostRedirects);
    case CURLE_UNSUPPORTED_PROTOCOL:
      fail(ErrorKind::file, "{}: it leads to what is not HTTP or HTTPS, which is not followed",
           address);
    case CURLE_URL_MALFORMAT:
      fail(ErrorKind::file, "{}: this is no address", address);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      fail(ErrorKind::file,
           "{}: the server's certificate is not trusted ({}); a proxy may be in between, whose "
           "certificate has to be in the system's (ca-certificates), or named by CURL_CA_BUNDLE",
           address, why);
    default:
      throw Interrupted(fmt::format("{}: {}", address, why));
  }
}

}  // namespace

void transfer(const Asked& asked, const Receiver& receiver) {
  static const Once once;
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
  PATINA_CHECK(curl, "no handle of libcurl");
  CURL* handle = curl.get();
  Transfer transfer(handle, asked, receiver);
  char said[CURL_ERROR_SIZE] = {};
  std::unique_ptr<curl_slist, void (*)(curl_slist*)> lines(nullptr, curl_slist_free_all);
  const auto add_header = [&](const std::string& line) {
    lines.reset(curl_slist_append(lines.release(), line.c_str()));
  };
  curl_easy_setopt(handle, CURLOPT_URL, asked.address.c_str());
  curl_easy_setopt(handle, CURLOPT_USERAGENT, (std::string("patina/") + kVersion).c_str());
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, said);
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(handle, CURLOPT_MAXREDIRS, long(kMostRedirects));
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, long(asked.connect_s * 1000));
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, long(std::max(1.0, asked.silent_s)));
  for (const char* name : {"CURL_CA_BUNDLE", "SSL_CERT_FILE"})
    if (const char* file = std::getenv(name); file && *file)
      curl_easy_setopt(handle, CURLOPT_CAINFO, file);
  const char* protocols = "http,https";
  const bool is_secure = lower(asked.address).starts_with("https:");
#if CURL_AT_LEAST_VERSION(7, 85, 0)
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, protocols);
  curl_easy_setopt(handle, CURLOPT_REDIR_PROTOCOLS_STR, is_secure ? "https" : protocols);
#else
  static_cast<void>(protocols);
  const long both = CURLPROTO_HTTP | CURLPROTO_HTTPS;
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS, both);
  curl_easy_setopt(handle, CURLOPT_REDIR_PROTOCOLS, is_secure ? long(CURLPROTO_HTTPS) : both);
#endif
  if (!asked.token.empty()) {
    curl_easy_setopt(handle, CURLOPT_HTTPAUTH, long(CURLAUTH_BEARER));
    curl_easy_setopt(handle, CURLOPT_XOAUTH2_BEARER, asked.token.c_str());
  }
  // Ranges are of the file as it lies there, so no encoding is accepted.
  if (asked.from > 0 && !asked.validator.empty()) {
    curl_easy_setopt(handle, CURLOPT_RANGE, fmt::format("{}-", asked.from).c_str());
    add_header("If-Range: " + asked.validator);
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, lines.get());
  }
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
  const CURLcode code = curl_easy_perform(handle);
  if (transfer.thrown) std::rethrow_exception(transfer.thrown);
  if (code != CURLE_OK) report(code, said, transfer.address());
  const int status = transfer.status();
  if (status != 200 && status != 206) refuse(status, transfer.address(), asked);
  transfer.end();
}

}  // namespace patina::fetch
