// Opens data sets by name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "patina/data/options.h"
#include "patina/data/source.h"

namespace patina {

/// Opens a data set, or several joined, as `prepared` by the options. Throws Error(data): names the
/// file and the remedy if something is missing, truncated, corrupt or empty, or a class has no
/// samples; names the option if options contradict each other.
DataSplits open_data(const DataOptions& options);

/// One row of `patina list datasets`.
struct DataSetInfo {
  std::string name;
  std::string about;    // "clothing, 28x28 grey, 10 classes, 60000 / 10000"
  std::string files;    // the files it expects, for people
  std::string how;      // how to get it: an apt package or the publisher's page
  int64_t classes = 0;  // 0: depends on the files
  bool texts = false;   // its samples are texts, some of them with an image
};
const std::vector<DataSetInfo>& data_sets();
/// Null: none has this name.
const DataSetInfo* find_data_set(std::string_view name);

/// The names of those that are in a usual place or in $PATINA_DATA, so that they need no data.path.
/// No sample is read.
std::vector<std::string> data_sets_found();

}  // namespace patina
