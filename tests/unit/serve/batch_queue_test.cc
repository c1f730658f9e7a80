// Batches of several clients' requests.
#include "patina/serve/batch_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <stdexcept>

#include "patina/serve/metrics.h"
#include "tests/support/errors.h"

namespace patina::serve {
namespace {

using Queue = BatchQueue<int, int>;

// Answers every number by its double, and notes the batches.
struct Doubling {
  std::mutex mutex;
  std::vector<std::vector<int>> batches;

  std::vector<int> operator()(std::vector<int>& items) {
    const std::lock_guard lock(mutex);
    batches.push_back(items);
    std::vector<int> results;
    for (const int item : items) results.push_back(2 * item);
    return results;
  }
};

TEST(BatchQueue, GivesEveryRequestItsOwnResults) {
  Doubling work;
  Queue queue({.max_batch = 4, .max_wait_ms = 10000, .capacity = 100}, std::ref(work));
  auto a = queue.push({1, 2}, ""), b = queue.push({}, ""), c = queue.push({3, 4}, "");
  EXPECT_EQ(a->get(), (std::vector<int>{2, 4}));
  EXPECT_EQ(b->get(), std::vector<int>{});
  EXPECT_EQ(c->get(), (std::vector<int>{6, 8}));
  EXPECT_EQ(work.batches, (std::vector<std::vector<int>>{{1, 2, 3, 4}}))
      << "a full batch does not wait";
}

TEST(BatchQueue, ARequestIsNotSplit) {
  Doubling work;
  Queue queue({.max_batch = 3, .max_wait_ms = 20, .capacity = 100}, std::ref(work));
  auto a = queue.push({1, 2}, ""), b = queue.push({3, 4}, ""), c = queue.push({5, 6, 7, 8, 9}, "");
  for (auto* one : {&a, &b, &c}) (*one)->wait();
  EXPECT_EQ(work.batches, (std::vector<std::vector<int>>{{1, 2}, {3, 4}, {5, 6, 7, 8, 9}}));
}

TEST(BatchQueue, KindsAreNotMixed) {
  Doubling work;
  {
    Queue queue({.max_batch = 100, .max_wait_ms = 50, .capacity = 100}, std::ref(work));
    queue.push({1}, "x");
    queue.push({2}, "y");
    queue.push({3}, "x");
  }  // what was taken is answered before it ends
  EXPECT_EQ(work.batches, (std::vector<std::vector<int>>{{1, 3}, {2}}));
}

TEST(BatchQueue, WaitsNoLongerThanItSays) {
  Doubling work;
  Queue queue({.max_batch = 100, .max_wait_ms = 50, .capacity = 100}, std::ref(work));
  const auto begin = std::chrono::steady_clock::now();
  queue.push({1}, "")->get();
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(took.count(), 50);
  EXPECT_LT(took.count(), 5000);  // tests share their machine
}

TEST(BatchQueue, IsFullAndThenStopped) {
  std::latch begun(1), go(1);
  Queue queue({.max_batch = 1, .max_wait_ms = 0, .capacity = 3}, [&](std::vector<int>& items) {
    if (items.front() == 0) {
      begun.count_down();
      go.wait();
    }
    return items;
  });
  auto first = queue.push({0}, "");
  begun.wait();
  auto large = queue.push({1, 2, 3, 4}, "");
  ASSERT_TRUE(large) << "an empty queue takes a request of any size";
  EXPECT_EQ(queue.length(), 4);
  EXPECT_FALSE(queue.push({5}, ""));
  go.count_down();
  EXPECT_EQ(large->get().size(), 4u);
  EXPECT_EQ(queue.length(), 0);
  queue.stop();
  EXPECT_FALSE(queue.push({6}, ""));
}

TEST(BatchQueue, OneRequestsFaultIsNotTheOthers) {
  std::atomic<int> calls{0};
  Queue queue({.max_batch = 3, .max_wait_ms = 10000, .capacity = 100},
              [&](std::vector<int>& items) {
                ++calls;
                for (const int item : items)
                  if (item < 0) throw std::runtime_error("it is negative");
                return items;
              });
  auto a = queue.push({1}, ""), b = queue.push({-1}, ""), c = queue.push({3}, "");
  EXPECT_EQ(a->get(), std::vector<int>{1});
  EXPECT_THROW(b->get(), std::runtime_error);
  EXPECT_EQ(c->get(), std::vector<int>{3});
  EXPECT_EQ(calls, 4);
}

TEST(BatchQueue, OfManyThreads) {
  Doubling work;
  Queue queue({.max_batch = 8, .max_wait_ms = 1, .capacity = 10000}, std::ref(work));
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const int value = 1000 * t + i;
        EXPECT_EQ(queue.push({value, value + 1}, "")->get(),
                  (std::vector<int>{2 * value, 2 * value + 2}));
      }
    });
}

TEST(Metrics, AreWhatPrometheusReads) {
  Metrics metrics;
  metrics.counter("patina_x_total", "X.");
  metrics.gauge("patina_y", "Y.", [] { return 2.5; });
  metrics.add("patina_x_total", 3);
  metrics.answered("/v1/predict", 200, 0.003);
  metrics.answered("/v1/predict", 200, 0.5);
  metrics.answered("/v1/predict", 429, 20);
  metrics.batch(4);
  metrics.batch(5);
  const std::string text = metrics.text();
  for (const char* line :
       {"# TYPE patina_y gauge\npatina_y 2.5\n",
        "# TYPE patina_x_total counter\npatina_x_total 3\n",
        "patina_requests_total{route=\"/v1/predict\",status=\"200\"} 2\n",
        "patina_requests_total{route=\"/v1/predict\",status=\"429\"} 1\n",
        "patina_request_seconds_bucket{route=\"/v1/predict\",le=\"0.0025\"} 0\n",
        "patina_request_seconds_bucket{route=\"/v1/predict\",le=\"0.005\"} 1\n",
        "patina_request_seconds_bucket{route=\"/v1/predict\",le=\"0.5\"} 2\n",
        "patina_request_seconds_bucket{route=\"/v1/predict\",le=\"10\"} 2\n",
        "patina_request_seconds_bucket{route=\"/v1/predict\",le=\"+Inf\"} 3\n",
        "patina_request_seconds_sum{route=\"/v1/predict\"} 20.503\n",
        "patina_request_seconds_count{route=\"/v1/predict\"} 3\n",
        "patina_batch_size_bucket{le=\"4\"} 1\n", "patina_batch_size_bucket{le=\"8\"} 2\n",
        "patina_batch_size_sum 9\n", "patina_batch_size_count 2\n"})
    EXPECT_TRUE(contains(text, line)) << line << "\n" << text;
}

}  // namespace
}  // namespace patina::serve
