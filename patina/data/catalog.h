// The data sets patina knows by name, and how one is opened.
#pragma once

#include <string>
#include <vector>

#include "patina/data/options.h"
#include "patina/data/source.h"

namespace patina {

/// Opens a data set, or several side by side. Cut in this order: the first of each class, the long
/// tail, then (with the domains made) those drawn of each domain. Throws Error(data) naming the
/// file and the remedy when something is missing, truncated, corrupt, empty, or a class has no
/// samples; and naming the option when options contradict each other.
DataSplits open_data(const DataOptions& options);

/// One row of `patina list datasets`.
struct DataSetInfo {
  std::string name;
  std::string about;    // "clothing, 28x28 grey, 10 classes, 60000 / 10000"
  std::string files;    // the files it expects, for people
  std::string how;      // how to get it: an apt package or the publisher's page
  int64_t classes = 0;  // 0: whatever is there
};
const std::vector<DataSetInfo>& data_sets();

}  // namespace patina
