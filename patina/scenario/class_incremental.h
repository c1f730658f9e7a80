// Class-incremental streams: every task brings new classes, and at test time nobody says which task
// a sample belongs to (van de Ven and Tolias, 2019).
#pragma once

#include "patina/scenario/scenario.h"

namespace patina {

class ClassIncremental : public Scenario {
 public:
  static constexpr Grant kGrant{.task_id_at_train = true, .boundaries = true, .many_passes = true};

  /// Throws Error(scenario) when the options do not fit the data.
  ClassIncremental(const ScenarioOptions& options, const DataSplits& data, bool past_data)
      : ClassIncremental(options, data, past_data, kGrant) {}

  std::string name() const override { return "class_incremental"; }
  const Grant& grant() const override { return grant_; }
  int tasks() const override { return int(task_classes_.size()); }
  std::unique_ptr<Stream> stream() const override;
  const Dataset& test(int task) const override { return test_[size_t(task)]; }
  const std::vector<int64_t>& task_classes(int task) const override {
    return task_classes_[size_t(task)];
  }
  const std::vector<std::string>& classes() const override { return classes_; }
  const std::vector<int64_t>& class_order() const override { return class_order_; }

 protected:
  ClassIncremental(const ScenarioOptions& options, const DataSplits& data, bool past_data,
                   const Grant& grant);

 private:
  friend class ClassIncrementalStream;
  Grant grant_;
  std::vector<int64_t> class_order_;
  std::vector<std::string> classes_;
  std::vector<std::vector<int64_t>> task_classes_;
  std::vector<Dataset> train_, test_;
};

/// The same tasks, where every test sample comes with its task: only that task's classes compete.
class TaskIncremental : public ClassIncremental {
 public:
  static constexpr Grant kGrant{
      .task_id_at_train = true, .task_id_at_test = true, .boundaries = true, .many_passes = true};

  TaskIncremental(const ScenarioOptions& options, const DataSplits& data, bool past_data)
      : ClassIncremental(options, data, past_data, kGrant) {}

  std::string name() const override { return "task_incremental"; }
};

}  // namespace patina
