// A server of HTTP requests: connections on threads, each with limits on what a client may send and
// how long it may take.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "patina/serve/http.h"

namespace patina::serve {

struct Limits {
  int connections = 128;                        // at a time; more are answered 503
  size_t head_bytes = 16 << 10;                 // of a request line and its headers
  uint64_t body_bytes = uint64_t{32} << 20;     // of one request
  uint64_t bodies_bytes = uint64_t{512} << 20;  // of all requests at a time
  double idle_s = 60;                           // between two requests
  /// A message may take this long, and as much longer as its bytes need at the slowest rate. So a
  /// client that sends or reads a byte now and then does not keep a thread.
  double message_s = 10;
  double slowest_bytes_per_s = 16 << 10;
};

/// What answers requests. Called from many threads at a time.
struct Handlers {
  /// Sees a request before its body is read. A response refuses it: the body is not read.
  std::function<std::optional<Response>(const Request&)> admit;
  std::function<Response(const Request&)> answer;
  /// The response to a request that is malformed or over a limit.
  std::function<Response(int status, const std::string& message)> refused;
};

class Server {
 public:
  /// Listens on `host`, a name or an address, and `port`; 0: one that is free. Throws Error(usage)
  /// if that is not possible.
  Server(const std::string& host, int port, Limits limits, Handlers handlers);
  /// Stops.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  int port() const { return port_; }
  int connections() const { return busy_; }

  /// Accepts no more connections, answers the requests that have begun, and returns when all
  /// connections are closed.
  void stop();

 private:
  class Connection;
  void accept_all();
  void take(int socket);
  void work();
  void serve(int socket);

  const Limits limits_;
  const Handlers handlers_;
  int listening_ = -1, port_ = 0;
  int wake_ = -1;  // an eventfd that is readable once the server stops
  std::atomic<bool> stopping_{false};
  std::atomic<int> busy_{0};
  std::atomic<uint64_t> bodies_{0};  // bytes of bodies that are held

  std::mutex mutex_;
  std::condition_variable waiting_;
  std::deque<int> accepted_;
  int idle_ = 0;  // threads that wait for a connection
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace patina::serve
