// Pieces of the HTML pages. Every string from a record passes through escape() on its way in.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "patina/report/record.h"
#include "patina/report/seeds.h"

namespace patina::page {

/// `text` for HTML content and quoted attributes.
std::string escape(std::string_view text);

/// A table cell; `classes` may be empty. `html` is already escaped. `value`: what the column is
/// sorted by, where that cannot be read from the text.
std::string cell(std::string_view html, std::string_view classes = "", Score value = {});
/// A table's head of these titles, the first over the rows' names.
std::string head_row(const std::vector<std::string>& titles);
/// A table that a click on its head sorts; `head` and `rows` are HTML.
std::string sortable_table(std::string_view head, std::string_view rows,
                           std::string_view classes = "");
/// A cell of a heat map (page.css). `depth` of its colour, 0 to 1; `title` is shown on hover,
/// `text` in the cell. Both are already escaped.
std::string heat_cell(std::string_view classes, double depth, std::string_view title,
                      std::string_view text);
/// A table behind a click: a chart's numbers, for those who cannot see it, copy them, or have no
/// script.
std::string folded(std::string_view title, std::string_view table);

/// What must be seen beside a run's name: that it was interrupted, that it was not tested.
std::string badges(const RunRecord& run);
/// A score as a run's tables show it: an accuracy in percent, a probe's score in its own unit.
std::string score_text(const Record& run, Score score, int decimals = 1);
/// "test" or "validation": the split of a run's scores.
const char* split_of(const Record& run);

/// What a chart draws as one line or bar: a run, or the runs of a recipe with several seeds.
struct Series {
  std::string label;
  std::vector<const RunRecord*> runs;  // lent
};
std::vector<Series> series_of(const std::vector<RunRecord>& runs);
/// What page.js draws; also, for each run, in which series it is.
Json chart_data(const std::vector<RunRecord>& runs);
/// The charts over all runs, each in a section.
std::string chart_sections(const std::vector<RunRecord>& runs);

/// The tables over all runs.
std::string comparison_section(const std::vector<RunRecord>& runs);
std::string seeds_section(const std::vector<RunRecord>& runs);
std::string differences_section(const std::vector<RunRecord>& runs);
std::string cost_section(const std::vector<RunRecord>& runs);

/// The section of one run: heat map, tasks, metrics, classes, recipe, machine.
std::string run_section(const RunRecord& run, size_t number);
/// Accuracy of each class and which was taken for which; "" without predictions.
std::string classes_of_run(const RunRecord& run);
/// How far a language model moved; "" for other runs.
std::string drift_of_run(const Record& run);
/// What the learner shows of its inside: how often each prompt was chosen, and so on; or "".
std::string inside_of_run(const Record& run);

/// A whole page: `body` between head and scripts, the style, Chart.js and page.js inside, `data`
/// for them, and `script` after them. With `live` it may ask its own server, otherwise nobody.
struct Document {
  std::string title, body;
  const Json& data;
  std::string_view script = "";
  bool live = false;
};
std::string document(const Document& document);

}  // namespace patina::page
