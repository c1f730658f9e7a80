// Scenarios: rules that make a stream of tasks from a data set, and say what a learner may know of
// it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "patina/checkpoint/archive.h"
#include "patina/data/dataset.h"

namespace patina {

/// What a learner may know of the stretch it trains on. The test split and the tasks to come are
/// not members, so none can be read.
struct Task {
  int index = 0;                   // 0-based
  std::vector<int64_t> classes;    // that occur in it, numbered over the whole stream
  std::vector<int64_t> fresh;      // those of them that were never met before
  std::vector<int64_t> seen;       // classes met so far, the fresh ones included
  std::vector<std::string> names;  // of the fresh classes
  const Dataset* train = nullptr;  // null where samples come once: batches bring them

  /// How many classes are of earlier tasks; the fresh ones follow them.
  int64_t known() const { return int64_t(seen.size() - fresh.size()); }
};

/// What a scenario lets a learner know; and, of a learner, what it cannot do without.
struct Grant {
  bool task_id_at_train = false;
  bool task_id_at_test = false;
  bool boundaries = false;   // is told when a task ends
  bool many_passes = false;  // may see a task's samples more than once
  bool new_classes = false;  // every task brings classes of its own
  bool past_data = false;    // is handed the samples of all tasks so far (upper bounds only)

  /// "task_id_at_train", ... of everything granted.
  std::vector<std::string> names() const;
};

/// Nothing when `grant` covers `needs`; otherwise what is missing, as the end of a sentence.
std::optional<std::string> missing(const Grant& needs, const Grant& grant);

/// One stretch of a stream: what is learned in it, in the order of arrival, and what is asked about
/// it.
struct Stretch {
  std::vector<int64_t> classes;  // of its test samples; all that compete where the task is told
  std::vector<int64_t> fresh;    // those first met in it: the next numbers of the stream
  Dataset train, test;           // either may be empty
};

class Stream;

/// One data set under one rule. Lends its datasets to streams, so it must outlive them.
class Scenario {
 public:
  /// `class_order`: the source's class number of each of the stream's classes.
  Scenario(std::string name, const Grant& grant, const Source& source,
           std::vector<int64_t> class_order, std::vector<Stretch> stretches);

  const std::string& name() const { return name_; }
  const Grant& grant() const { return grant_; }
  int tasks() const { return int(stretches_.size()); }
  Stream stream() const;
  const Dataset& train(int task) const { return stretches_[size_t(task)].train; }
  /// Task j's test samples: for evaluation only.
  const Dataset& test(int task) const { return stretches_[size_t(task)].test; }
  const std::vector<int64_t>& task_classes(int task) const {
    return stretches_[size_t(task)].classes;
  }
  const std::vector<int64_t>& fresh_classes(int task) const {
    return stretches_[size_t(task)].fresh;
  }
  /// How many classes are met in the first `tasks` tasks: 0 to that number exclusive.
  int64_t seen_after(int tasks) const;
  /// Names in the stream's numbering.
  const std::vector<std::string>& classes() const { return classes_; }
  /// Whether every domain's classes are learned under numbers of their own: of K classes, y of the
  /// stream's domain t (from 0) is t K + y. Test samples keep y: a class is the best of its
  /// domains.
  bool domains_apart() const { return seen_after(tasks()) > int64_t(classes_.size()); }
  const std::vector<int64_t>& class_order() const { return class_order_; }

 private:
  std::string name_;
  Grant grant_;
  std::vector<int64_t> class_order_;
  std::vector<std::string> classes_;
  std::vector<Stretch> stretches_;
};

/// The order in which data arrives: the tasks in turn; with past data, each task's samples after
/// those of the earlier ones.
class Stream {
 public:
  /// `scenario` is lent.
  explicit Stream(const Scenario& scenario) : scenario_(&scenario) {}
  /// The next task, valid until the following call; nothing at the end.
  std::optional<Task> next();
  /// The task that the last next() gave, again: what a run continues with after its state was
  /// loaded.
  Task current();
  int given() const { return next_; }  // tasks so far
  void state(Archive& a) { a("next", next_); }

 private:
  const Scenario* scenario_;
  int next_ = 0;  // tasks handed out
  std::optional<Dataset> joined_;
};

struct ScenarioOptions {
  std::string name = "class_incremental";
  int64_t initial_classes = 0;  // of the first task; 0: as many as the others
  int64_t classes_per_task = 10;
  int64_t class_order_seed = 1993;    // NumPy's RandomState; -1: the data set's own order
  std::vector<int64_t> class_order;   // an explicit order instead of a seed
  std::vector<int64_t> domain_order;  // empty: the data set's own
  std::string domain_classes = "shared";
  int64_t blurry_tasks = 5;
  double disjoint_percent = 50;  // N
  double blurry_percent = 10;    // M
  int64_t stream_seed = 1;       // order of samples where they come once
  std::string compat;

  void bind(Fields& f);
};

/// One row of `patina list scenarios`.
struct ScenarioInfo {
  std::string name, about;
  Grant grant;
  /// Throws Error(scenario) when the options do not fit the data.
  std::function<Scenario(const ScenarioOptions&, const DataSplits&, const ScenarioInfo&)> make;
};
const std::vector<ScenarioInfo>& scenario_list();

/// The option under which a scenario grants what it otherwise does not; nothing where none would
/// do.
std::optional<std::string> remedy(const Grant& needs, const std::string& scenario);

/// `past_data` is granted only to a learner that is an upper bound and asks for it.
Scenario make_scenario(const ScenarioOptions& options, const DataSplits& data,
                       bool past_data = false);

}  // namespace patina
