#include "patina/learners/registry.h"

namespace patina {

#define LEARNER(family, name) LearnerRow name##_learner();
#include "patina/learners/learners.def"
#undef LEARNER

const std::vector<LearnerRow>& learners() {
  static const std::vector<LearnerRow> rows = [] {
    std::vector<LearnerRow> list;
    const auto add = [&](const char* family, const char* name, LearnerRow row) {
      row.family = family;
      row.name = name;
      list.push_back(std::move(row));
    };
#define LEARNER(family, name) add(#family, #name, name##_learner());
#include "patina/learners/learners.def"
#undef LEARNER
    return list;
  }();
  return rows;
}

const LearnerRow* find_learner(std::string_view name) {
  for (const auto& row : learners())
    if (row.name == name) return &row;
  return nullptr;
}

std::vector<std::string> learner_names() {
  std::vector<std::string> names;
  for (const auto& row : learners()) names.push_back(row.name);
  return names;
}

}  // namespace patina
