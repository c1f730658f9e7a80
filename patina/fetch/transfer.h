// One request over HTTP or HTTPS: the only door to libcurl.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

#include "patina/base/error.h"

namespace patina::fetch {

struct Asked {
  std::string address;
  uint64_t from = 0;      // the byte to begin with
  std::string validator;  // the ETag of what is there already; the server sends all if it changed
  std::string token;      // for the first host alone, never for one it leads to; "": none
  double connect_s = 30;
  double silent_s = 60;  // so long without a byte, and the transfer is given up
};

/// What a server said before the bytes: after all redirects, with status 200 or 206.
struct Answer {
  int status = 0;
  std::string address;            // the last one
  uint64_t from = 0;              // the byte that comes first
  std::optional<uint64_t> bytes;  // of the whole file
  std::string validator;          // a strong ETag; "": none
  std::string sha256;             // that the hub tells of large files; "": none
  std::string commit;             // of the hub's repository; "": not told
};

struct Receiver {
  std::function<void(const Answer&)> begin;
  std::function<void(const char*, size_t)> bytes;
};

/// The server has no such file.
struct NoSuchFile : Error {
  using Error::Error;
};

/// The connection broke or the server is busy: worth another try.
struct Interrupted : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What was there already is longer than the server's file, or all of it.
struct RangeRefused : Interrupted {
  using Interrupted::Interrupted;
};

/// Follows 10 redirects at most, to HTTP and HTTPS alone, and from HTTPS to HTTPS alone. The
/// variables http_proxy, https_proxy, all_proxy and no_proxy are heeded, and
/// CURL_CA_BUNDLE and SSL_CERT_FILE name the certificates that are trusted. An exception of the
/// receiver ends the transfer and is thrown again. Throws Interrupted; and Error(file) for
/// everything that another try does not help, with the address and what to do.
void transfer(const Asked& asked, const Receiver& receiver);

constexpr int kMostRedirects = 10;

}  // namespace patina::fetch
