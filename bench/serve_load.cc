// What serving costs: predictions over HTTP on loopback, from many clients at a time, beside calls
// of a session in this process with batches of the size that the server made.
//
//   serve_load ARTEFACT FOLDER [REQUESTS] [CLIENTS] [MAX_BATCH] [MAX_WAIT_MS]
//
// FOLDER holds images; every request has one of them. Nothing is cached.
#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <thread>

#include "patina/base/error.h"
#include "patina/data/image_folder.h"
#include "patina/serve/service.h"

namespace patina::serve {

namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// A connection that is kept.
class Client {
 public:
  explicit Client(int port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(uint16_t(port));
    ::inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      fail(ErrorKind::usage, "cannot connect to port {}", port);
  }
  ~Client() { ::close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// The response, head and body.
  std::string call(const std::string& request) {
    for (size_t sent = 0; sent < request.size();) {
      const ssize_t put =
          ::send(socket_, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
      if (put <= 0) fail(ErrorKind::usage, "the server closed the connection");
      sent += size_t(put);
    }
    std::string got;
    size_t whole = std::string::npos;
    while (got.size() < whole) {
      char bytes[16384];
      const ssize_t part = ::recv(socket_, bytes, sizeof bytes, 0);
      if (part <= 0) fail(ErrorKind::usage, "the server closed the connection");
      got.append(bytes, size_t(part));
      const size_t end = got.find("\r\n\r\n"), length = got.find("Content-Length: ");
      if (end != got.npos && length < end)
        whole = end + 4 + size_t(std::atoll(got.c_str() + length + 16));
    }
    return got;
  }

 private:
  int socket_;
};

std::string predict_request(const std::string& image) {
  return fmt::format(
             "POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
             "Content-Length: {}\r\n\r\n",
             image.size()) +
         image;
}

// The number behind `name` in the server's metrics.
double metric(const std::string& text, const std::string& name) {
  const size_t at = text.find("\n" + name + " ");
  return at == text.npos ? 0 : std::atof(text.c_str() + at + name.size() + 2);
}

void report(const char* what, std::vector<double> seconds, double all, int64_t images) {
  std::ranges::sort(seconds);
  const auto at = [&](double part) {
    return 1000 * seconds[size_t(part * double(seconds.size() - 1))];
  };
  fmt::print("{:<28} p50 {:8.2f} ms   p99 {:8.2f} ms   {:9.1f} images/s\n", what, at(0.5), at(0.99),
             double(images) / all);
}

Session opened(const std::string& artefact) {
  return Session::open(artefact, {.cache = false});
}

void compare(const std::string& artefact, const std::string& folder, int64_t requests, int clients,
             int64_t max_batch, double max_wait_ms) {
  std::vector<std::string> images;
  UnreadImages unread;
  for (const auto& path : images_below(folder, unread)) {
    const Bytes file = read_file(path);
    images.emplace_back(file.begin(), file.end());
  }
  if (images.empty()) fail(ErrorKind::data, "{}: there are no images in it", folder);

  double batch = 1;
  {
    Service service(opened(artefact), artefact,
                    {.name = "load",
                     .port = 0,
                     .learns = false,
                     .batches = {.max_batch = max_batch, .max_wait_ms = max_wait_ms}});
    Client(service.port()).call(predict_request(images[0]));  // what is made once
    std::atomic<int64_t> next{0};
    std::vector<std::vector<double>> took{size_t(clients)};
    std::atomic<int> wrong{0};
    const auto begin = Clock::now();
    {
      std::vector<std::jthread> threads;
      for (int c = 0; c < clients; ++c)
        threads.emplace_back([&, c] {
          Client client(service.port());
          for (int64_t i; (i = next++) < requests;) {
            const auto start = Clock::now();
            const std::string got = client.call(predict_request(images[size_t(i) % images.size()]));
            took[size_t(c)].push_back(since(start));
            wrong += !got.starts_with("HTTP/1.1 200 ");
          }
        });
    }
    const double all = since(begin);
    if (wrong > 0) fail(ErrorKind::usage, "{} requests were refused", wrong.load());
    std::vector<double> seconds;
    for (const auto& part : took) seconds.insert(seconds.end(), part.begin(), part.end());
    const std::string text =
        Client(service.port()).call("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    batch = metric(text, "patina_batch_size_sum") / metric(text, "patina_batch_size_count");
    report(fmt::format("HTTP, {} clients", clients).c_str(), seconds, all, requests);
  }
  const Session session = opened(artefact);
  for (const int64_t size : {int64_t{1}, std::max<int64_t>(1, std::llround(batch))}) {
    std::vector<double> seconds;
    const auto begin = Clock::now();
    int64_t done = 0;
    while (done < requests) {
      std::vector<Sample> samples;
      for (int64_t i = 0; i < size; ++i)
        samples.push_back({.encoded = images[size_t(done + i) % images.size()]});
      const auto start = Clock::now();
      session.predict(SentSamples(std::move(samples), Taken::images));
      seconds.push_back(since(start));
      done += size;
    }
    report(fmt::format("in this process, {} at once", size).c_str(), seconds, since(begin), done);
  }
  fmt::print("the server's mean batch: {:.1f} images\n", batch);
}

}  // namespace

}  // namespace patina::serve

int main(int argc, char** argv) {
  const auto number = [&](int at, double fallback) {
    return argc > at ? std::atof(argv[at]) : fallback;
  };
  try {
    if (argc < 3)
      patina::fail(
          patina::ErrorKind::usage,
          "usage: serve_load ARTEFACT FOLDER [REQUESTS] [CLIENTS] [MAX_BATCH] [MAX_WAIT_MS]");
    patina::serve::compare(argv[1], argv[2], std::max<int64_t>(1, int64_t(number(3, 500))),
                           std::clamp(int(number(4, 16)), 1, 100),
                           std::max<int64_t>(1, int64_t(number(5, 32))), number(6, 2));
  } catch (const std::exception& error) {
    fmt::print(stderr, "serve_load: {}\n", error.what());
    return 2;
  }
}
