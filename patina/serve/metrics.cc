#include "patina/serve/metrics.h"

#include <fmt/format.h>

#include <algorithm>

namespace patina::serve {

namespace {

void title(std::string& to, const std::string& name, const std::string& help, const char* type) {
  to += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

}  // namespace

template <size_t N>
void Metrics::Histogram<N>::add(const std::array<double, N>& bounds, double value) {
  ++counts[size_t(std::ranges::lower_bound(bounds, value) - bounds.begin())];
  sum += value;
}

void Metrics::answered(const std::string& route, int status, double seconds) {
  const std::lock_guard lock(mutex_);
  ++requests_[{route, status}];
  latencies_[route].add(kSeconds, seconds);
}

void Metrics::batch(int64_t items) {
  const std::lock_guard lock(mutex_);
  batches_.add(kItems, double(items));
}

void Metrics::add(const std::string& counter, int64_t count) {
  const std::lock_guard lock(mutex_);
  for (auto& one : counters_)
    if (one.name == counter) one.value += count;
}

void Metrics::gauge(const std::string& name, const std::string& help,
                    std::function<double()> value) {
  const std::lock_guard lock(mutex_);
  gauges_.push_back({name, help, std::move(value)});
}

void Metrics::counter(const std::string& name, const std::string& help) {
  const std::lock_guard lock(mutex_);
  counters_.push_back({name, help, 0});
}

template <size_t N>
void Metrics::write(std::string& to, const std::string& name, const std::string& labels,
                    const std::array<double, N>& bounds, const Histogram<N>& histogram) {
  const std::string comma = labels.empty() ? "" : ",";
  int64_t below = 0;
  for (size_t i = 0; i < N; ++i) {
    below += histogram.counts[i];
    to += fmt::format("{}_bucket{{{}{}le=\"{}\"}} {}\n", name, labels, comma, bounds[i], below);
  }
  below += histogram.counts[N];
  to += fmt::format("{}_bucket{{{}{}le=\"+Inf\"}} {}\n", name, labels, comma, below);
  const std::string all = labels.empty() ? "" : "{" + labels + "}";
  to += fmt::format("{}_sum{} {}\n{}_count{} {}\n", name, all, histogram.sum, name, all, below);
}

std::string Metrics::text() const {
  std::string out;
  // Not under the lock: a gauge may ask what itself counts here.
  for (const auto& gauge : gauges_) {
    title(out, gauge.name, gauge.help, "gauge");
    out += fmt::format("{} {}\n", gauge.name, gauge.value());
  }
  const std::lock_guard lock(mutex_);
  title(out, "patina_requests_total", "Requests answered, by route and status.", "counter");
  for (const auto& [key, count] : requests_)
    out += fmt::format("patina_requests_total{{route=\"{}\",status=\"{}\"}} {}\n", key.first,
                       key.second, count);
  title(out, "patina_request_seconds", "Time from a request's last byte to its answer.",
        "histogram");
  for (const auto& [route, histogram] : latencies_)
    write(out, "patina_request_seconds", fmt::format("route=\"{}\"", route), kSeconds, histogram);
  title(out, "patina_batch_size", "Samples or prompts computed at once.", "histogram");
  write(out, "patina_batch_size", "", kItems, batches_);
  for (const auto& counter : counters_) {
    title(out, counter.name, counter.help, "counter");
    out += fmt::format("{} {}\n", counter.name, counter.value);
  }
  return out;
}

}  // namespace patina::serve
