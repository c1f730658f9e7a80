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
/// The same to prompts of token ids, which are read as they are.
std::vector<Answer> answers_to(const std::vector<std::vector<int64_t>>& prompts,
                               const Answering& by, const AnswerOptions& options);
/// Throws Error(data) if there are none, or one is outside the network's vocabulary.
void check_ids(const std::vector<int64_t>& ids, const Backbone& network, const std::string& origin);

}  // namespace patina
