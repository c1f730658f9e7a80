#include <algorithm>
#include <numeric>

#include "patina/base/error.h"
#include "patina/scenario/rules.h"

namespace patina {

void check_order(const std::vector<int64_t>& order, int64_t count, const char* option,
                 const char* thing, const std::string& rule) {
  std::vector<bool> used(size_t(count), false);
  for (const int64_t item : order) {
    const bool known = item >= 0 && item < count;
    if (!known || used[size_t(item)])
      fail(ErrorKind::scenario, "{}: {} is {}; {}", option, item,
           known ? "there twice" : fmt::format("not {}", thing), rule);
    used[size_t(item)] = true;
  }
}

std::vector<int64_t> order_of_classes(const ScenarioOptions& options, int64_t count) {
  if (options.class_order.empty()) {
    if (options.class_order_seed >= 0)
      return numpy_permutation(uint32_t(options.class_order_seed), count);
    std::vector<int64_t> order(size_t(count), 0);
    std::iota(order.begin(), order.end(), int64_t{0});
    return order;
  }
  check_order(options.class_order, count, "scenario.class_order", "a class",
              fmt::format("a class order uses class numbers below {} once each", count));
  return options.class_order;
}

std::vector<int64_t> numbers_of_classes(const std::vector<int64_t>& order, int64_t count) {
  std::vector<int64_t> numbers(size_t(count), -1);
  for (size_t i = 0; i < order.size(); ++i) numbers[size_t(order[i])] = int64_t(i);
  return numbers;
}

namespace {

// Divides the samples of a split among the tasks by their classes.
std::vector<Dataset> split(const Source& source, const std::vector<int64_t>& number,
                           const std::vector<size_t>& task_of, size_t tasks) {
  std::vector<Part> parts(tasks);
  for (int64_t i = 0; i < source.size(); ++i) {
    const int64_t target = number[size_t(source.label(i))];
    if (target >= 0) parts[task_of[size_t(target)]].add(i, target);
  }
  std::vector<Dataset> datasets;
  for (auto& part : parts) datasets.push_back(std::move(part).of(source));
  return datasets;
}

}  // namespace

Scenario class_incremental(const ScenarioOptions& options, const DataSplits& data,
                           const ScenarioInfo& info) {
  const int64_t classes = int64_t(data.train->classes().size());
  const auto order = order_of_classes(options, classes);
  const int64_t count = int64_t(order.size());
  const int64_t initial =
      options.initial_classes > 0 ? options.initial_classes : options.classes_per_task;
  if (initial > count)
    fail(ErrorKind::scenario, "a first task of {} classes, but {} has {}: lower {}", initial,
         data.name, count,
         options.initial_classes > 0 ? "scenario.initial_classes" : "scenario.classes_per_task");

  std::vector<std::vector<int64_t>> task_classes;
  std::vector<size_t> task_of(size_t(count), 0);
  for (int64_t first = 0; first < count;) {
    const int64_t size = std::min(first == 0 ? initial : options.classes_per_task, count - first);
    std::vector<int64_t> members(size_t(size), 0);
    std::iota(members.begin(), members.end(), first);
    for (const int64_t member : members) task_of[size_t(member)] = task_classes.size();
    task_classes.push_back(std::move(members));
    first += size;
  }

  const auto number = numbers_of_classes(order, classes);
  auto train = split(*data.train, number, task_of, task_classes.size());
  const auto test = split(*data.test, number, task_of, task_classes.size());
  const Seeds seeds(uint64_t(options.stream_seed));
  std::vector<Stretch> stretches;
  for (size_t i = 0; i < task_classes.size(); ++i) {
    if (!info.grant.many_passes)
      train[i] = train[i].select(seeds("order", i).permutation(train[i].size()));
    stretches.push_back({task_classes[i], task_classes[i], train[i], test[i]});
  }
  return {info.name, info.grant, *data.train, order, std::move(stretches)};
}

}  // namespace patina
