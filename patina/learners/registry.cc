#include "patina/learners/registry.h"

#include <algorithm>
#include <deque>
#include <mutex>

#include "patina/base/error.h"
#include "patina/learners/add_learner.h"

namespace patina {

namespace {

// Learners of applications. A row that another took the place of stays, since it may be in use.
struct Added {
  std::mutex mutex;
  std::deque<LearnerRow> rows;
};

Added& added() {
  static auto& all = *new Added;  // never destroyed: rows may hold objects of an interpreter
  return all;
}

const LearnerRow* find_own(std::string_view name) {
  const auto row = std::ranges::find(learners(), name, &LearnerRow::name);
  return row == learners().end() ? nullptr : &*row;
}

}  // namespace

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

void add_learner(LearnerRow row) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  if (row.name.empty() || !std::ranges::all_of(row.name, is_letter))
    fail(ErrorKind::usage,
         "\"{}\" cannot be the name of a learner: use lower-case letters, digits and _", row.name);
  if (find_own(row.name))
    fail(ErrorKind::usage, "{} is one of patina's own learners: choose another name", row.name);
  const std::lock_guard lock(added().mutex);
  added().rows.push_back(std::move(row));
}

const LearnerRow* find_learner(std::string_view name) {
  if (const LearnerRow* own = find_own(name)) return own;
  const std::lock_guard lock(added().mutex);
  const auto& rows = added().rows;
  const auto last = std::find_if(rows.rbegin(), rows.rend(),
                                 [&](const LearnerRow& row) { return row.name == name; });
  return last == rows.rend() ? nullptr : &*last;
}

std::vector<std::string> learner_names() {
  std::vector<std::string> names;
  for (const auto& row : learners()) names.push_back(row.name);
  const std::lock_guard lock(added().mutex);
  for (const auto& row : added().rows)
    if (std::ranges::count(names, row.name) == 0) names.push_back(row.name);
  return names;
}

}  // namespace patina
