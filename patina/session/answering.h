// How prompts are answered by a network and what was learned on it.
#pragma once

#include <vector>

#include "patina/learn/learner.h"
#include "patina/session/session.h"

namespace patina {

/// What answers; lent.
struct Answering {
  const Backbone* backbone = nullptr;
  const Generator* learner = nullptr;
  TextOptions text;        // as the samples were learned
  bool continues = false;  // samples were plain text: a prompt is continued as it is
};

/// An answer to every prompt, in order. Each is what the prompt would get alone, but for the
/// rounding of products of other sizes.
std::vector<Answer> answers_to(const Source& prompts, const Answering& by,
                               const AnswerOptions& options);

}  // namespace patina
