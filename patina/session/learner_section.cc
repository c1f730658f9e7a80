#include "patina/session/learner_section.h"

#include "patina/base/error.h"

namespace patina {

void LearnerSection::bind(Fields& f) {
  f("name", name, "The method; see `patina list learners`.", learner_names());
  const LearnerRow* row = find_learner(name);
  if (!row) return;  // the visitor has already reported it
  if (options_of_ != name) {
    options = row->options();
    options_of_ = name;
  }
  options->bind(f);
}

const LearnerRow& LearnerSection::row() const {
  const LearnerRow* row = find_learner(name);
  if (!row)
    fail(ErrorKind::recipe, "no learner is called \"{}\"{}", name,
         did_you_mean(name, learner_names()));
  return *row;
}

}  // namespace patina
