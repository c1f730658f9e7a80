#include "patina/models/answer_scores.h"

#include "patina/base/error.h"
#include "patina/ops.h"

namespace patina {

AnswerScores answer_scores(const Backbone& backbone, const Input& input,
                           const nn::Adaptations& adaptations) {
  return answer_scores(backbone, input, backbone.tokens(input, adaptations));
}

AnswerScores answer_scores(const Backbone& backbone, const Input& input, const Tensor& tokens) {
  PATINA_REQUIRE(input.loss.defined(), "a text of which no token carries loss");
  const int64_t length = input.data.size(1);
  // Token t is predicted at t-1, which is of the same text: a text's first token carries no loss.
  const Tensor place = input.loss.flatten().nonzero().squeeze(1);  // [N]
  const Tensor before = tokens.flatten(0, 1).index_select(0, place - 1);
  return {.scores = backbone.word_scores(before.unsqueeze(0)).squeeze(0),
          .word = input.data.flatten().index_select(0, place),
          .row = place.div(length, "floor")};
}

Tensor answer_losses(const AnswerScores& answers) {
  return -at::log_softmax(answers.scores, -1, at::kFloat)
              .gather(1, answers.word.unsqueeze(1))
              .squeeze(1);
}

}  // namespace patina
