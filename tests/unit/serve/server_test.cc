// The server on real sockets: limits, slow clients, and a stop that loses nothing.
#include "patina/serve/server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <latch>

#include "tests/support/errors.h"

namespace patina::serve {
namespace {

/// A client that sends bytes as they are.
class Client {
 public:
  explicit Client(int port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(uint16_t(port));
    ::inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    const timeval patience{20, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  ~Client() { ::close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool connected() const { return connected_; }
  Client& send(std::string_view bytes) {
    [[maybe_unused]] const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return *this;
  }
  /// What comes until the server closes the connection.
  std::string rest() {
    std::string all;
    char bytes[4096];
    for (ssize_t got; (got = ::recv(socket_, bytes, sizeof bytes, 0)) > 0;)
      all.append(bytes, size_t(got));
    return all;
  }

 private:
  int socket_;
  bool connected_ = false;
};

Handlers echoing() {
  return {.admit = [](const Request& request) -> std::optional<Response> {
            if (request.path == "/closed") return Response{.status = 401, .body = "closed"};
            return std::nullopt;
          },
          .answer =
              [](const Request& request) {
                return Response{.body = request.method + " " + request.path + " " + request.body};
              },
          .refused =
              [](int status, const std::string& message) {
                return Response{.status = status, .body = message};
              }};
}

struct Quick : Limits {
  Quick() {
    body_bytes = 100;
    message_s = 0.3;
    slowest_bytes_per_s = 1000;
    idle_s = 5;
  }
};

const std::string kEnd = "Host: a\r\nConnection: close\r\n";

TEST(Server, AnswersOneRequestAfterTheOther) {
  Server server("127.0.0.1", 0, Quick(), echoing());
  Client client(server.port());
  client.send(
      "GET /a HTTP/1.1\r\nHost: a\r\n\r\nPOST /b HTTP/1.1\r\nHost: a\r\nContent-Length: "
      "3\r\n\r\nabc");
  client.send("POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + kEnd + "\r\n2\r\nde\r\n");
  client.send("1\r\nf\r\n0\r\n\r\n");
  const std::string got = client.rest();
  EXPECT_TRUE(contains(got, "GET /a ")) << got;
  EXPECT_TRUE(contains(got, "POST /b abc")) << got;
  EXPECT_TRUE(contains(got, "POST /c def")) << got;
  EXPECT_TRUE(contains(got, "Connection: close")) << got;
}

TEST(Server, SendsPartsAsTheyCome) {
  Handlers handlers = echoing();
  handlers.answer = [](const Request&) {
    return Response{.stream = [](const Send& send) {
      send("one");
      send("");
      send("two");
    }};
  };
  Server server("127.0.0.1", 0, Quick(), handlers);
  const std::string got = Client(server.port()).send("GET / HTTP/1.1\r\n" + kEnd + "\r\n").rest();
  EXPECT_TRUE(contains(got, "\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")) << got;
  const std::string old = Client(server.port()).send("GET / HTTP/1.0\r\n\r\n").rest();
  EXPECT_TRUE(contains(old, "Content-Length: 6\r\n")) << old;
  EXPECT_TRUE(contains(old, "\r\n\r\nonetwo")) << old;
}

TEST(Server, RefusesBeforeItReadsABody) {
  Server server("127.0.0.1", 0, Quick(), echoing());
  const auto asked = [&](const std::string& text) {
    return Client(server.port()).send(text).rest();
  };
  EXPECT_TRUE(
      contains(asked("POST / HTTP/1.1\r\nContent-Length: 101\r\n" + kEnd + "\r\n"), " 413 "));
  EXPECT_TRUE(
      contains(asked("POST /closed HTTP/1.1\r\nContent-Length: 100\r\n" + kEnd + "\r\n"), " 401 "));
  EXPECT_TRUE(contains(
      asked("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + kEnd + "\r\n65\r\n"), " 413 "));
  EXPECT_TRUE(contains(asked("nonsense\r\n\r\n"), " 400 "));
  EXPECT_TRUE(contains(asked("GET /" + std::string(20000, 'x') + " HTTP/1.1\r\n" + kEnd + "\r\n"),
                       " 431 "));
  EXPECT_TRUE(contains(
      asked("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n" + kEnd + "\r\nok"),
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"));
  EXPECT_TRUE(contains(asked("GET /still HTTP/1.1\r\n" + kEnd + "\r\n"), "GET /still"));
}

// A client that sends a byte now and then is cut off: the time is of the whole message.
TEST(Server, ASlowClientIsToldAndLeft) {
  Server server("127.0.0.1", 0, Quick(), echoing());
  const auto begin = std::chrono::steady_clock::now();
  Client client(server.port());
  client.send("POST / HTTP/1.1\r\nContent-Length: 90\r\n" + kEnd + "\r\n");
  std::atomic<bool> done{false};
  std::jthread drips([&] {
    while (!done) {
      client.send("x");
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  });
  EXPECT_TRUE(contains(client.rest(), " 408 "));
  done = true;
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(took.count(), 0.3);
  EXPECT_LT(took.count(), 10);
}

TEST(Server, MoreConnectionsThanItServesAreTold) {
  std::latch begun(1), go(1);
  Handlers handlers = echoing();
  handlers.answer = [&](const Request&) {
    begun.count_down();
    go.wait();
    return Response{.body = "done"};
  };
  Quick limits;
  limits.connections = 1;
  Server server("127.0.0.1", 0, limits, handlers);
  Client first(server.port());
  first.send("GET / HTTP/1.1\r\n" + kEnd + "\r\n");
  begun.wait();
  const std::string told = Client(server.port()).send("GET / HTTP/1.1\r\n" + kEnd + "\r\n").rest();
  EXPECT_TRUE(contains(told, " 503 ")) << told;
  EXPECT_TRUE(contains(told, "Retry-After: 1")) << told;
  go.count_down();
  EXPECT_TRUE(contains(first.rest(), "done"));
}

TEST(Server, StoppingItAnswersWhatHasBegun) {
  std::latch begun(1);
  Handlers handlers = echoing();
  handlers.answer = [&](const Request&) {
    begun.count_down();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return Response{.body = "done"};
  };
  Server server("127.0.0.1", 0, Quick(), handlers);
  const int port = server.port();
  Client idle(port), busy(port);
  busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  begun.wait();
  server.stop();
  EXPECT_TRUE(contains(busy.rest(), "done"));
  EXPECT_EQ(idle.rest(), "");
  EXPECT_FALSE(Client(port).connected());
}

TEST(Server, APortThatIsTakenIsAMistake) {
  Server server("127.0.0.1", 0, Limits(), echoing());
  EXPECT_TRUE(contains(error_of([&] { Server("127.0.0.1", server.port(), Limits(), echoing()); }),
                       "choose another --port"));
  EXPECT_TRUE(contains(error_of([] { Server("no.such.host.invalid", 0, Limits(), echoing()); }),
                       "no address of this machine"));
}

}  // namespace
}  // namespace patina::serve
