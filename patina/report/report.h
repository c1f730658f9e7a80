// The report: run records in, one self-contained HTML page or a terminal's table out. It reads
// record.json files only, so a page can be made on any machine and from runs of any age.
#pragma once

#include <string>
#include <vector>

#include "patina/report/record.h"

namespace patina {

/// One HTML page that opens offline: styles, script and chart library are inside. Where a recipe
/// was run with several seeds, charts show means of its complete runs, with their deviation.
std::string report_html(const std::vector<RunRecord>& runs);

/// The same comparison as a table for a terminal, and one over seeds if there are several. Ends in
/// a newline.
std::string report_text(const std::vector<RunRecord>& runs);

}  // namespace patina
