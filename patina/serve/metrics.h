// What the server counts, as Prometheus reads it (text format 0.0.4).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace patina::serve {

/// Thread-safe. Names of metrics begin with "patina_".
class Metrics {
 public:
  /// A request for `route`, a pattern such as "/v1/predict", was answered.
  void answered(const std::string& route, int status, double seconds);
  /// A batch was computed.
  void batch(int64_t items);
  void add(const std::string& counter, int64_t count);

  /// A value that is read when it is asked for. `help` is one line.
  void gauge(const std::string& name, const std::string& help, std::function<double()> value);
  /// A counter for add(), which starts at 0.
  void counter(const std::string& name, const std::string& help);

  std::string text() const;

 private:
  template <size_t N>
  struct Histogram {
    std::array<int64_t, N + 1> counts{};  // of each bucket; the last: beyond all bounds
    double sum = 0;
    void add(const std::array<double, N>& bounds, double value);
  };
  static constexpr std::array<double, 12> kSeconds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                   0.1,   0.25,   0.5,   1,    2.5,   10};
  static constexpr std::array<double, 8> kItems{1, 2, 4, 8, 16, 32, 64, 128};
  template <size_t N>
  static void write(std::string& to, const std::string& name, const std::string& labels,
                    const std::array<double, N>& bounds, const Histogram<N>& histogram);

  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, int64_t> requests_;
  std::map<std::string, Histogram<12>> latencies_;
  Histogram<8> batches_;
  struct Counter {
    std::string name, help;
    int64_t value;
  };
  struct Gauge {
    std::string name, help;
    std::function<double()> value;
  };
  std::vector<Counter> counters_;
  std::vector<Gauge> gauges_;
};

}  // namespace patina::serve
