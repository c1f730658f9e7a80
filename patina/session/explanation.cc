#include "patina/session/explanation.h"

#include <fmt/ranges.h>

#include "patina/config/recipe_file.h"

namespace patina {

std::string explanation(const LearnerRow& row) {
  std::vector<std::string> fits;
  for (const auto& info : scenario_list()) {
    Grant grant = info.grant;
    grant.past_data = row.needs.past_data;
    if (!missing(row.needs, grant))
      fits.push_back(info.name);
    else if (const auto option = remedy(row.needs, info.name))
      fits.push_back(fmt::format("{} (with {})", info.name, *option));
  }
  const auto needs = row.needs.names();
  std::string text = fmt::format(
      "{} ({}): {}\n{}\n\nNeeds: {}\nRuns on: {}\nKeeps: {}\n", row.name, row.family, row.paper,
      row.about, needs.empty() ? "nothing" : fmt::format("{}", fmt::join(needs, ", ")),
      fmt::join(fits, ", "), row.stores);
  if (!row.differs.empty()) text += fmt::format("Beside other implementations: {}\n", row.differs);
  const auto options = row.options();
  const std::string own = reference_text(*options);
  text += fmt::format("\n[learner]\n{}", own.empty() ? "no options of its own\n" : own);
  TrainingOptions training = row.training;
  return text + fmt::format("\n[training] of this learner\n{}", reference_text(training));
}

}  // namespace patina
