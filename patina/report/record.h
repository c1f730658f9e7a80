// The runs of a report: records that were read from their folders.
#pragma once

#include <string>
#include <vector>

#include "patina/base/file.h"
#include "patina/record/record.h"

namespace patina {

/// One run as the report sees it.
struct RunRecord {
  fs::path folder;
  std::string label;  // the learner's name, made unique by the folder when two runs share it
  Record record;
};

/// Reads `folder/record.json` (or the file itself). Throws Error(file) when it cannot be read or is
/// larger than 64 MiB, Error(format) naming the file and the field when it is not a record.
RunRecord read_record(const fs::path& folder);
/// Reads several and makes their labels unique. A folder without a record stands for the runs in
/// it and in its folders, by name: that of a sweep.
std::vector<RunRecord> read_records(const std::vector<fs::path>& folders);

/// The tasks of the stream, and those learned so far.
int task_count(const RunRecord& run);
int tasks_learned(const RunRecord& run);
bool interrupted(const RunRecord& run);

/// A metric by its name in the record; nothing if it is missing or null.
Score metric_of(const RunRecord& run, const char* name);
/// After each task the accuracy over the classes seen so far; of texts, the mean score of the tasks
/// learned, where all have one metric.
std::vector<Score> curve_of(const RunRecord& run);
/// The accuracy matrix with its test sample counts.
AccuracyMatrix accuracy_matrix(const RunRecord& run);

}  // namespace patina
