// Records of runs that never happened, as the report's tests need them: three learners on five
// tasks.
#pragma once

#include "patina/base/json.h"
#include "patina/report/report.h"

namespace patina {

/// A complete, valid record: CIFAR-100 in five tasks of 20 classes, a matrix of the learner's
/// manner. Knows "finetune" (forgets), "simplecil" (does not learn) and "ranpac" (does neither).
Json fake_record(const std::string& learner);

/// The same as read from a folder of that name.
RunRecord fake_run(const std::string& learner);

/// A metric's value in a record that has it, to be changed.
Score& metric_in(RunRecord& run, const std::string& name);

}  // namespace patina
