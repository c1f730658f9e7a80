// Records of runs that never took place, for the report's tests: three learners on five tasks.
#pragma once

#include "patina/base/json.h"
#include "patina/report/report.h"

namespace patina {

/// A complete, valid record: CIFAR-100 in five tasks of 20 classes, with a matrix typical of the
/// learner. Accepts "finetune" (forgets), "simplecil" (does not learn) and "ranpac" (does neither).
Json fake_record(const std::string& learner);

/// The same as read from a folder of that name.
RunRecord fake_run(const std::string& learner);

/// The value of a metric that the record has, for tests to change.
Score& metric_in(RunRecord& run, const std::string& name);

}  // namespace patina
