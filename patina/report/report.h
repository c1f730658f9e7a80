// The report: run records in, one self-contained HTML page out. It reads record.json files only, so a
// page can be made on any machine and from runs of any age.
#pragma once

#include <string>
#include <vector>

#include "patina/base/file.h"
#include "patina/base/json.h"

namespace patina {

/// One run as the report sees it.
struct RunRecord {
  fs::path folder;
  std::string label;  // the learner's name, made unique by the folder when two runs share it
  Json json;          // record.json
};

/// Reads `folder/record.json` (or the file itself) and checks it against the documented schema. Throws
/// Error(format) naming the file and the field.
RunRecord read_record(const fs::path& folder);
/// Reads several and makes their labels unique.
std::vector<RunRecord> read_records(const std::vector<fs::path>& folders);

/// One HTML page that opens offline.
std::string report_html(const std::vector<RunRecord>& runs);

/// The same comparison as a table for a terminal.
std::string report_text(const std::vector<RunRecord>& runs);

}  // namespace patina
