#include "patina/serve/server.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "patina/base/error.h"
#include "patina/base/file.h"

namespace patina::serve {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

int milliseconds(double seconds) {
  return int(std::clamp(seconds * 1000 + 1, 0.0, 1e9));
}

std::string reason() {
  return std::strerror(errno);
}

// A listening socket on the first of a host's addresses that can be had.
int listen_on(const std::string& host, int port) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  const int status = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (status != 0)
    fail(ErrorKind::usage, "--host {}: no address of this machine: {}", host,
         ::gai_strerror(status));
  const Finally free([&] { ::freeaddrinfo(found); });
  std::string why;
  for (const addrinfo* one = found; one; one = one->ai_next) {
    const int made = ::socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, one->ai_protocol);
    if (made < 0) {
      why = reason();
      continue;
    }
    const int yes = 1;
    ::setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (::bind(made, one->ai_addr, one->ai_addrlen) == 0 && ::listen(made, SOMAXCONN) == 0)
      return made;
    why = reason();
    ::close(made);
  }
  fail(ErrorKind::usage, "cannot listen on {} port {}: {}: choose another --port, or 0 for any",
       host, port, why);
}

int port_of(int listening) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

}  // namespace

/// A client's socket, and what it sent that was not taken yet.
class Server::Connection {
 public:
  Connection(int socket, int wake, const Limits& limits)
      : socket_(socket), wake_(wake), limits_(limits) {}
  ~Connection() { ::close(socket_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Waits for the first byte of a request; false: the client is gone, slow, or the server stops.
  bool wait() {
    while (buffer_.empty()) {
      std::array<pollfd, 2> watched{{{socket_, POLLIN, 0}, {wake_, POLLIN, 0}}};
      const int ready = ::poll(watched.data(), watched.size(), milliseconds(limits_.idle_s));
      if (ready < 0 && errno == EINTR) continue;
      // What was sent before the server stopped is answered.
      if (ready <= 0 || !(watched[0].revents & (POLLIN | POLLHUP | POLLERR))) return false;
      if (!read_some()) return false;
    }
    return true;
  }

  void begin_message() {
    began_ = Clock::now();
    received_ = 0;
  }

  /// The request's head, without the empty line. Throws HttpError.
  std::string head() {
    size_t looked = 0;
    while (true) {
      const size_t end = buffer_.find("\r\n\r\n", looked);
      if (std::min(end, buffer_.size()) > limits_.head_bytes)
        throw HttpError(
            431, fmt::format("the request's headers are longer than {} bytes", limits_.head_bytes));
      if (end != buffer_.npos) {
        std::string head = buffer_.substr(0, end);
        buffer_.erase(0, end + 4);
        return head;
      }
      looked = buffer_.size() < 3 ? 0 : buffer_.size() - 3;
      receive();
    }
  }

  void body(const Framing& framing, std::string& body, const std::function<void()>& grown) {
    if (framing.chunked) {
      Chunks chunks(limits_.body_bytes);
      while (true) {
        buffer_.erase(0, chunks.take(buffer_, body));
        grown();
        if (chunks.done()) return;
        receive();
      }
    }
    while (true) {
      const size_t count = size_t(std::min<uint64_t>(framing.length - body.size(), buffer_.size()));
      body.append(buffer_, 0, count);
      buffer_.erase(0, count);
      grown();
      if (body.size() == framing.length) return;
      receive();
    }
  }

  /// Sends all of it; false: the client is gone or too slow.
  bool send(std::string_view bytes) {
    const auto begin = Clock::now();
    const size_t all = bytes.size();
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent >= 0) {
        bytes.remove_prefix(size_t(sent));
        continue;
      }
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) return false;
      const double left = allowed(all - bytes.size()) - seconds_since(begin);
      if (left <= 0 || !poll_for(POLLOUT, left)) return false;
    }
    return true;
  }

  /// Reads over what a refused client still sends: if the socket were closed before, the client
  /// might lose the response.
  void drain() {
    ::shutdown(socket_, SHUT_WR);
    const auto begin = Clock::now();
    constexpr double kLongest = 2;
    std::array<char, 16384> ignored;
    while (const double left = std::max(0.0, kLongest - seconds_since(begin))) {
      if (!poll_for(POLLIN, left)) return;
      const ssize_t got = ::recv(socket_, ignored.data(), ignored.size(), MSG_DONTWAIT);
      if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) return;
    }
  }

 private:
  // How long a message of so many bytes may take.
  double allowed(size_t bytes) const {
    return limits_.message_s + double(bytes) / limits_.slowest_bytes_per_s;
  }

  bool poll_for(short event, double seconds) const {
    pollfd watched{socket_, event, 0};
    int ready;
    do ready = ::poll(&watched, 1, milliseconds(seconds));
    while (ready < 0 && errno == EINTR);
    return ready > 0;
  }

  bool read_some() {
    std::array<char, 16384> bytes;
    const ssize_t got = ::recv(socket_, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    buffer_.append(bytes.data(), size_t(got));
    received_ += size_t(got);
    return got > 0;
  }

  void receive() {
    const double left = allowed(received_) - seconds_since(began_);
    if (left <= 0 || !poll_for(POLLIN, left))
      throw HttpError(408, "the request took too long to arrive: send it faster, or in parts");
    if (!read_some()) throw Gone{};
  }

 public:
  /// The client closed the connection within a request.
  struct Gone {};

 private:
  const int socket_, wake_;
  const Limits& limits_;
  std::string buffer_;
  Clock::time_point began_;
  size_t received_ = 0;
};

Server::Server(const std::string& host, int port, Limits limits, Handlers handlers)
    : limits_(limits), handlers_(std::move(handlers)) {
  listening_ = listen_on(host, port);
  port_ = port_of(listening_);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_ < 0) {
    ::close(listening_);
    fail(ErrorKind::file, "cannot make an event: {}", reason());
  }
  acceptor_ = std::thread([this] { accept_all(); });
}

Server::~Server() {
  stop();
  ::close(wake_);
}

void Server::stop() {
  if (stopping_.exchange(true)) return;
  const uint64_t one = 1;
  [[maybe_unused]] const auto put = ::write(wake_, &one, sizeof one);
  acceptor_.join();
  waiting_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void Server::accept_all() {
  while (!stopping_) {
    std::array<pollfd, 2> watched{{{listening_, POLLIN, 0}, {wake_, POLLIN, 0}}};
    if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) break;
    if (stopping_ || !(watched[0].revents & POLLIN)) continue;
    const int socket = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) {
      // Out of descriptors or memory: the connections that are open free some when they end.
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      continue;
    }
    // Some more than are served are told so; beyond those there is no thread to tell them.
    constexpr int kTold = 32;
    if (busy_ < limits_.connections + kTold)
      take(socket);
    else
      ::close(socket);
  }
  ::close(listening_);
}

void Server::take(int socket) {
  const int yes = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  const std::lock_guard lock(mutex_);
  ++busy_;
  accepted_.push_back(socket);
  if (size_t(idle_) < accepted_.size()) threads_.emplace_back([this] { work(); });
  waiting_.notify_one();
}

void Server::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    waiting_.wait(lock, [this] { return stopping_ || !accepted_.empty(); });
    --idle_;
    if (accepted_.empty()) return;
    const int socket = accepted_.front();
    accepted_.pop_front();
    lock.unlock();
    serve(socket);
    --busy_;
    lock.lock();
  }
}

void Server::serve(int socket) {
  Connection client(socket, wake_, limits_);
  const bool too_many = busy_ > limits_.connections;
  uint64_t held = 0;  // bytes of this request's body
  const auto release = [&] {
    bodies_ -= held;
    held = 0;
  };
  const Finally at_end(release);
  const auto put = [&](Response response, const Request* request, bool keep) {
    const bool head_only = request && request->method == "HEAD";
    if (!response.stream) {
      std::string text = response_head(response, response.body.size(), keep);
      if (!head_only) text += response.body;
      return client.send(text);
    }
    if (request->minor == 0) {  // knows no chunks
      response.stream([&](std::string_view part) {
        response.body += part;
        return true;
      });
      return client.send(response_head(response, response.body.size(), keep) + response.body);
    }
    bool heard = client.send(response_head(response, std::nullopt, keep));
    response.stream([&](std::string_view part) {
      if (!part.empty() && heard)
        heard = client.send(fmt::format("{:x}\r\n", part.size()) + std::string(part) + "\r\n");
      return heard;
    });
    return heard && client.send("0\r\n\r\n");
  };
  try {
    while (client.wait()) {
      client.begin_message();
      Request request;
      try {
        request = parse_head(client.head());
        if (too_many)
          throw HttpError(503, fmt::format("{} connections are open, and no more are served: try "
                                           "again later",
                                           limits_.connections));
        const Framing framing = framing_of(request);
        if (framing.length > limits_.body_bytes)
          throw HttpError(413, fmt::format("the body has {} bytes, and at most {} are taken: send "
                                           "less at once, or start the server with a larger "
                                           "--max-body-mb",
                                           framing.length, limits_.body_bytes));
        if (auto refusal = handlers_.admit(request)) {
          put(std::move(*refusal), &request, /*keep=*/false);
          return client.drain();
        }
        const std::string* expects = request.header("expect");
        if (expects && *expects == "100-continue" && !client.send("HTTP/1.1 100 Continue\r\n\r\n"))
          return;
        client.body(framing, request.body, [&] {
          const uint64_t more = request.body.size() - held;
          held += more;
          if (bodies_.fetch_add(more) + more > limits_.bodies_bytes)
            throw HttpError(503,
                            "the requests that are served at the moment hold all memory that "
                            "is allowed for them: try again later");
        });
      } catch (const HttpError& error) {
        Response response = handlers_.refused(error.status(), error.what());
        if (error.status() == 503) response.headers.emplace_back("Retry-After", "1");
        put(std::move(response), nullptr, /*keep=*/false);
        return client.drain();
      }
      Response response = handlers_.answer(request);
      const bool keep = keeps_alive(request) && !stopping_;
      if (!put(std::move(response), &request, keep)) return;
      release();
      if (!keep) return;
    }
  } catch (const Connection::Gone&) {
    // Nobody is left to tell.
  }
}

}  // namespace patina::serve
