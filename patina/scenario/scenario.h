// Scenarios: rules that turn a data set into a stream of tasks and define what a learner may know.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "patina/checkpoint/archive.h"
#include "patina/data/dataset.h"

namespace patina {

/// What a learner may know of the current stretch. Test samples and future tasks are not members,
/// so they cannot be read.
struct Task {
  int index = 0;                   // 0-based
  std::vector<int64_t> classes;    // occurring in it, numbered over the whole stream
  std::vector<int64_t> fresh;      // those of them that are new
  std::vector<int64_t> seen;       // all classes so far, including the new ones
  std::vector<std::string> names;  // of the new classes
  const Dataset* train = nullptr;  // null in single-pass scenarios: samples come in batches

  /// The number of classes of earlier tasks; the new classes have the numbers from there on.
  int64_t known() const { return int64_t(seen.size() - fresh.size()); }
};

/// What a scenario lets a learner know; also, what a learner requires.
struct Grant {
  bool task_id_at_train = false;
  bool task_id_at_test = false;
  bool boundaries = false;   // knows when a task ends
  bool many_passes = false;  // may see a task's samples more than once
  bool new_classes = false;  // every task adds classes of its own
  bool past_data = false;    // gets the samples of all tasks so far (upper bounds only)

  /// The names of everything granted: "task_id_at_train", ...
  std::vector<std::string> names() const;
};

/// Nothing if `grant` covers `needs`; otherwise what is missing, as the end of a sentence.
std::optional<std::string> missing(const Grant& needs, const Grant& grant);

/// One stretch of a stream: its training samples in order of arrival, and its test samples.
struct Stretch {
  std::vector<int64_t> classes;  // of its test samples; these compete if the task is known at test
                                 // time
  std::vector<int64_t> fresh;    // new in it: the next numbers of the stream
  Dataset train, test;           // either may be empty
  std::string name = {};         // of the data set it is; "": a part of one
};

class Stream;

/// A data set with a rule. Streams refer to its datasets, so it must outlive them.
class Scenario {
 public:
  /// `class_order`: for each of the stream's classes its number in the source.
  Scenario(std::string name, const Grant& grant, const Source& source,
           std::vector<int64_t> class_order, std::vector<Stretch> stretches);

  const std::string& name() const { return name_; }
  const Grant& grant() const { return grant_; }
  int tasks() const { return int(stretches_.size()); }
  Stream stream() const;
  const Dataset& train(int task) const { return stretches_[size_t(task)].train; }
  /// The test samples of task `task`: for evaluation only.
  const Dataset& test(int task) const { return stretches_[size_t(task)].test; }
  /// The name of the data set that task `task` is; "" if it is a part of one.
  const std::string& task_name(int task) const { return stretches_[size_t(task)].name; }
  const std::vector<int64_t>& task_classes(int task) const {
    return stretches_[size_t(task)].classes;
  }
  const std::vector<int64_t>& fresh_classes(int task) const {
    return stretches_[size_t(task)].fresh;
  }
  /// The number of classes in the first `tasks` tasks.
  int64_t seen_after(int tasks) const;
  /// Whether there are later tasks and all of them have exactly the classes of the first.
  bool classes_stay() const { return tasks() > 1 && seen_after(1) == seen_after(tasks()); }
  /// Class names by the stream's numbers.
  const std::vector<std::string>& classes() const { return classes_; }
  /// Whether each domain's classes have numbers of their own: with K classes, class y of domain t
  /// (from 0) is t K + y. Test samples keep y: a class's score is the best over the domains.
  bool domains_apart() const { return seen_after(tasks()) > int64_t(classes_.size()); }
  const std::vector<int64_t>& class_order() const { return class_order_; }

 private:
  std::string name_;
  Grant grant_;
  std::vector<int64_t> class_order_;
  std::vector<std::string> classes_;
  std::vector<Stretch> stretches_;
};

/// The order in which data arrives: task after task; if past data are granted, each task's samples
/// follow those of the earlier ones.
class Stream {
 public:
  /// `scenario` is lent.
  explicit Stream(const Scenario& scenario) : scenario_(&scenario) {}
  /// The next task, valid until the next call; nothing at the end.
  std::optional<Task> next();
  /// The task returned by the last next(), again: for resuming, after the state was loaded.
  Task current();
  int given() const { return next_; }  // number of tasks so far
  void state(Archive& a) { a("next", next_); }

 private:
  const Scenario* scenario_;
  int next_ = 0;  // number of tasks returned
  std::optional<Dataset> joined_;
};

struct ScenarioOptions {
  std::string name = "class_incremental";
  int64_t initial_classes = 0;  // of the first task; 0: as in the others
  int64_t classes_per_task = 10;
  int64_t class_order_seed = 1993;    // for NumPy's RandomState; -1: the data set's order
  std::vector<int64_t> class_order;   // an explicit order; overrides the seed
  std::vector<int64_t> domain_order;  // empty: the data set's order
  std::string domain_classes = "shared";
  int64_t rounds = 1;  // of data_sets
  int64_t blurry_tasks = 5;
  double disjoint_percent = 50;  // N
  double blurry_percent = 10;    // M
  int64_t stream_seed = 1;       // for the order of samples in single-pass scenarios
  std::string compat;

  void bind(Fields& f);
};

/// One row of `patina list scenarios`.
struct ScenarioInfo {
  std::string name, about;
  Grant grant;
  /// Throws Error(scenario) if the options do not fit the data.
  std::function<Scenario(const ScenarioOptions&, const DataSplits&, const ScenarioInfo&)> make;
};
const std::vector<ScenarioInfo>& scenario_list();

/// The option with which a scenario grants what is missing; nothing if there is none.
std::optional<std::string> remedy(const Grant& needs, const std::string& scenario);

/// `past_data` is granted only to learners that are upper bounds and request it.
Scenario make_scenario(const ScenarioOptions& options, const DataSplits& data,
                       bool past_data = false);

}  // namespace patina
