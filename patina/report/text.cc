// The comparison as a table for a terminal.
#include <algorithm>

#include "patina/report/comparison.h"
#include "patina/report/report.h"
#include "patina/report/seeds.h"
#include "patina/report/table.h"

namespace patina {
std::string report_text(const std::vector<RunRecord>& runs) {
  std::vector<std::vector<std::string>> rows(1, {"learner"});
  for (const auto& column : comparison_columns()) rows[0].push_back(column.brief);
  const auto cells = compare(runs);
  for (size_t i = 0; i < runs.size(); ++i) {
    rows.push_back({printable(runs[i].label)});
    if (runs[i].record.is_validation()) rows.back().front() += " (validation)";
    for (const auto& cell : cells[i]) rows.back().push_back(cell.text + (cell.best ? "*" : " "));
  }
  for (size_t k = 1; k < rows[0].size(); ++k) rows[0][k] += " ";  // above the marks

  std::string text = table(rows);
  const auto has_best = [](const auto& row) {
    return std::any_of(row.begin(), row.end(), [](const auto& cell) { return cell.best; });
  };
  if (std::any_of(cells.begin(), cells.end(), has_best)) text += "* the best of its column\n";
  for (const auto& run : runs)
    if (const auto& drift = run.record.drift; !drift.empty())
      text += fmt::format(
          "drift of {}: {} nats a token from the base model; general text {} bits a byte, before "
          "{}\n",
          printable(run.label), number(drift.back().from_base),
          number(drift.back().general_bits_per_byte), number(drift.front().general_bits_per_byte));
  for (const auto& sentence : cautions(runs)) text += "note: " + printable(sentence) + "\n";
  if (over_seeds(seed_groups(runs))) text += "\nover seeds:\n" + summary_text(runs);
  return text;
}

}  // namespace patina
