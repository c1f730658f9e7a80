// Scenarios: rules that make a stream of tasks from a data set, and say what a learner may know of
// it.
#pragma once

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
  std::vector<int64_t> fresh;      // classes first met in this task, numbered over the whole stream
  std::vector<int64_t> seen;       // classes met so far, the fresh ones included
  std::vector<std::string> names;  // of the fresh classes
  const Dataset* train = nullptr;

  /// How many classes are of earlier tasks; the fresh ones follow them.
  int64_t known() const { return int64_t(seen.size() - fresh.size()); }
};

/// What a scenario lets a learner know; and, of a learner, what it cannot do without.
struct Grant {
  bool task_id_at_train = false;
  bool task_id_at_test = false;
  bool boundaries = false;   // is told when a task ends
  bool many_passes = false;  // may see a task's samples more than once
  bool past_data = false;    // is handed the samples of all tasks so far (upper bounds only)

  /// "task_id_at_train", ... of everything granted.
  std::vector<std::string> names() const;
};

/// Nothing when `grant` covers `needs`; otherwise what is missing, as the end of a sentence.
std::optional<std::string> missing(const Grant& needs, const Grant& grant);

/// The order in which data arrives.
class Stream {
 public:
  virtual ~Stream() = default;
  /// The next task, valid until the following call; nothing at the end.
  virtual std::optional<Task> next() = 0;
  /// The task that the last next() gave, again: what a run continues with after its state was
  /// loaded.
  virtual Task current() = 0;
  virtual void state(Archive& a) = 0;
};

/// One data set under one rule. Lends its datasets to streams, so it must outlive them.
class Scenario {
 public:
  virtual ~Scenario() = default;

  virtual std::string name() const = 0;
  virtual const Grant& grant() const = 0;
  virtual int tasks() const = 0;
  virtual std::unique_ptr<Stream> stream() const = 0;
  /// Task j's test samples: for evaluation only.
  virtual const Dataset& test(int task) const = 0;
  virtual const std::vector<int64_t>& task_classes(int task) const = 0;
  /// Names in the stream's numbering.
  virtual const std::vector<std::string>& classes() const = 0;
  /// The source's class number of each of the stream's classes.
  virtual const std::vector<int64_t>& class_order() const = 0;
};

struct ScenarioOptions {
  std::string name = "class_incremental";
  int64_t initial_classes = 0;  // of the first task; 0: as many as the others
  int64_t classes_per_task = 10;
  int64_t class_order_seed = 1993;   // NumPy's RandomState; -1: the data set's own order
  std::vector<int64_t> class_order;  // an explicit order instead of a seed

  void bind(Fields& f);
};

/// One row of `patina list scenarios`.
struct ScenarioInfo {
  std::string name, about;
  Grant grant;
};
const std::vector<ScenarioInfo>& scenario_list();

/// `past_data` is granted only to a learner that is an upper bound and asks for it.
std::unique_ptr<Scenario> make_scenario(const ScenarioOptions& options, const DataSplits& data,
                                        bool past_data = false);

}  // namespace patina
