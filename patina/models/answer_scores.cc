#include "patina/models/answer_scores.h"

#include "patina/base/error.h"
#include "patina/ops.h"

namespace patina {

namespace {

// The tokens that carry loss, and what the network makes of those before them.
struct Answers {
  Tensor before;  // [N,D]
  Tensor word;    // [N]
  Tensor row;     // [N]
};

Answers answers_of(const Input& input, const Tensor& tokens) {
  PATINA_REQUIRE(input.loss.defined(), "a text of which no token carries loss");
  const int64_t length = input.data.size(1);
  // Token t is predicted at t-1, which is of the same text: a text's first token carries no loss.
  const Tensor place = input.loss.flatten().nonzero().squeeze(1);  // [N]
  return {.before = tokens.flatten(0, 1).index_select(0, place - 1),
          .word = input.data.flatten().index_select(0, place),
          .row = place.div(length, "floor")};
}

Tensor scores_of(const Backbone& backbone, const Tensor& before) {
  return backbone.word_scores(before.unsqueeze(0)).squeeze(0);
}

}  // namespace

AnswerScores answer_scores(const Backbone& backbone, const Input& input,
                           const nn::Adaptations& adaptations) {
  return answer_scores_of(backbone, input, backbone.tokens(input, adaptations));
}

AnswerScores answer_scores_of(const Backbone& backbone, const Input& input, const Tensor& tokens) {
  const Answers answers = answers_of(input, tokens);
  return {.scores = scores_of(backbone, answers.before), .word = answers.word, .row = answers.row};
}

Tensor answer_losses(const AnswerScores& answers) {
  return -at::log_softmax(answers.scores, -1, at::kFloat)
              .gather(1, answers.word.unsqueeze(1))
              .squeeze(1);
}

Tensor answer_losses(const Backbone& backbone, const Input& input,
                     const nn::Adaptations& adaptations, int64_t at_once) {
  const Answers answers = answers_of(input, backbone.tokens(input, adaptations));
  const Tensor& before = answers.before;
  const int64_t tokens = before.size(0),
                part = std::max<int64_t>(1, at_once / backbone.text_input()->vocabulary);
  const auto losses_of = [&](const Tensor& rows, int64_t from) {
    return answer_losses({.scores = scores_of(backbone, rows),
                          .word = answers.word.slice(0, from, from + rows.size(0))});
  };
  const bool learning = at::GradMode::is_enabled();
  // Weights that learn need the gradient that the losses will get.
  if (learning && losses_of(before.slice(0, 0, 1).detach(), 0).requires_grad())
    return losses_of(before, 0);
  const bool graph = learning && before.requires_grad();
  std::vector<Tensor> losses, gradients;
  for (int64_t from = 0; from < tokens; from += part) {
    const Tensor rows = before.slice(0, from, from + part).detach().requires_grad_(graph);
    const Tensor here = losses_of(rows, from);
    if (graph) {
      here.sum().backward();
      gradients.push_back(rows.grad());
    }
    losses.push_back(here.detach());
  }
  Tensor values = at::cat(losses);
  if (!graph) return values;
  // Adds zeros, whose gradients are those.
  return values + ((before - before.detach()) * at::cat(gradients)).sum(1);
}

}  // namespace patina
