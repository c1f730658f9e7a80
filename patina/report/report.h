// The report: run records in, one self-contained HTML page, a terminal's table, or a table for
// another program out. It reads run folders only, so a page can be made on any machine and from
// runs of any age.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "patina/report/record.h"

namespace patina {

/// One HTML page that opens offline: styles, script and chart library are inside. Where a recipe
/// was run with several seeds, charts show means of its complete runs, with their deviation.
/// `home`: the address of a page above it, which it links to; "": none.
std::string report_html(const std::vector<RunRecord>& runs, std::string_view home = "");

/// The same comparison as a table for a terminal, and one over seeds if there are several. Ends in
/// a newline.
std::string report_text(const std::vector<RunRecord>& runs);

/// A line a run with every metric and cost, in the record's own units (RFC 4180).
std::string report_csv(const std::vector<RunRecord>& runs);
/// A table with a row a recipe, means and deviations over its seeds, the best of each column bold.
std::string report_latex(const std::vector<RunRecord>& runs);
std::string report_markdown(const std::vector<RunRecord>& runs);

}  // namespace patina
