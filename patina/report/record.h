// A run record: what a finished or interrupted run left behind in record.json. Reading checks it
// against the schema of docs/reference/record.md, so whoever holds a RunRecord may rely on its
// shape.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "patina/base/file.h"
#include "patina/base/json.h"
#include "patina/eval/matrix.h"

namespace patina {

/// The schema that this version writes and reads.
inline constexpr int kRecordSchema = 1;

/// One run as the report sees it.
struct RunRecord {
  fs::path folder;
  std::string label;  // the learner's name, made unique by the folder when two runs share it
  Json json;          // record.json, checked
};

/// Throws Error(format) naming `origin` and the field when `record` is not a run record.
void check_record(const Json& record, std::string_view origin);

/// Reads `folder/record.json` (or the file itself) and checks it. Throws Error(file) when it cannot
/// be read or is larger than 64 MiB, Error(format) naming the file and the field otherwise.
RunRecord read_record(const fs::path& folder);
/// Reads several and makes their labels unique.
std::vector<RunRecord> read_records(const std::vector<fs::path>& folders);

/// The tasks of the stream, and those learned so far.
int task_count(const RunRecord& run);
int tasks_learned(const RunRecord& run);
bool interrupted(const RunRecord& run);

/// A number or null of a checked record.
Score score_of(const Json& value);
/// A metric by its name in the record; one that the record lacks is as unknown as null.
Score metric_of(const RunRecord& run, const char* name);
/// The accuracy matrix with its test sample counts.
AccuracyMatrix accuracy_matrix(const RunRecord& run);

}  // namespace patina
