#include "patina/scenario/class_incremental.h"

#include <algorithm>
#include <numeric>

#include "patina/base/error.h"

namespace patina {

// Hands out the tasks in order; with past data, each task's samples after those of the earlier
// ones.
class ClassIncrementalStream : public Stream {
 public:
  explicit ClassIncrementalStream(const ClassIncremental& scenario) : scenario_(scenario) {}

  std::optional<Task> next() override {
    if (next_ >= scenario_.tasks()) return std::nullopt;
    ++next_;
    return current();
  }

  Task current() override {
    const int index = next_ - 1;
    Task task{.index = index, .fresh = scenario_.task_classes(index)};
    for (int i = 0; i <= index; ++i) {
      const auto& classes = scenario_.task_classes(i);
      task.seen.insert(task.seen.end(), classes.begin(), classes.end());
    }
    for (const int64_t c : task.fresh) task.names.push_back(scenario_.classes()[size_t(c)]);
    task.train = &scenario_.train_[size_t(index)];
    if (scenario_.grant().past_data) {
      joined_ = scenario_.train_[0];
      for (int i = 1; i <= index; ++i) joined_ = joined_->joined(scenario_.train_[size_t(i)]);
      task.train = &*joined_;
    }
    return task;
  }

  void state(Archive& a) override { a("next", next_); }

 private:
  const ClassIncremental& scenario_;
  int next_ = 0;  // tasks handed out
  std::optional<Dataset> joined_;
};

namespace {

std::vector<int64_t> order_of_classes(const ScenarioOptions& options, int64_t count) {
  if (options.class_order.empty()) {
    if (options.class_order_seed >= 0)
      return numpy_permutation(uint32_t(options.class_order_seed), count);
    std::vector<int64_t> order(size_t(count), 0);
    std::iota(order.begin(), order.end(), int64_t{0});
    return order;
  }
  std::vector<bool> used(size_t(count), false);
  for (const int64_t item : options.class_order) {
    if (item < 0 || item >= count || used[size_t(item)])
      fail(ErrorKind::scenario,
           "scenario.class_order: {} is {}; a class order uses class numbers below {} once each",
           item, item >= 0 && item < count ? "there twice" : "not a class", count);
    used[size_t(item)] = true;
  }
  return options.class_order;  // may leave classes out
}

}  // namespace

ClassIncremental::ClassIncremental(const ScenarioOptions& options, const DataSplits& data,
                                   bool past_data, const Grant& grant)
    : grant_(grant),
      class_order_(order_of_classes(options, int64_t(data.train->classes().size()))) {
  grant_.past_data = past_data;
  const int64_t count = int64_t(class_order_.size());
  const int64_t initial =
      options.initial_classes > 0 ? options.initial_classes : options.classes_per_task;
  if (initial > count)
    fail(ErrorKind::scenario, "a first task of {} classes, but {} has {}: lower {}", initial,
         data.name, count,
         options.initial_classes > 0 ? "scenario.initial_classes" : "scenario.classes_per_task");

  std::vector<int64_t> number(data.train->classes().size(), -1);  // source class -> stream class
  for (int64_t i = 0; i < count; ++i) {
    number[size_t(class_order_[size_t(i)])] = i;
    classes_.push_back(data.train->classes()[size_t(class_order_[size_t(i)])]);
  }
  std::vector<size_t> task_of(size_t(count), 0);
  for (int64_t first = 0; first < count;) {
    const int64_t size = std::min(first == 0 ? initial : options.classes_per_task, count - first);
    std::vector<int64_t> members(size_t(size), 0);
    std::iota(members.begin(), members.end(), first);
    for (const int64_t member : members) task_of[size_t(member)] = task_classes_.size();
    task_classes_.push_back(std::move(members));
    first += size;
  }

  const auto split = [&](const Source& source) {
    struct Part {
      std::vector<int64_t> positions, targets;
    };
    std::vector<Part> parts(task_classes_.size());
    for (int64_t i = 0; i < source.size(); ++i) {
      const int64_t target = number[size_t(source.label(i))];
      if (target < 0) continue;
      auto& part = parts[task_of[size_t(target)]];
      part.positions.push_back(i);
      part.targets.push_back(target);
    }
    std::vector<Dataset> datasets;
    for (auto& part : parts)
      datasets.emplace_back(source, std::move(part.positions), std::move(part.targets));
    return datasets;
  };
  train_ = split(*data.train);
  test_ = split(*data.test);
}

std::unique_ptr<Stream> ClassIncremental::stream() const {
  return std::make_unique<ClassIncrementalStream>(*this);
}

}  // namespace patina
