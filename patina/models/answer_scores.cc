#include "patina/models/answer_scores.h"

#include <algorithm>

#include "patina/base/error.h"
#include "patina/models/text/encoder_decoder.h"
#include "patina/ops.h"
#include "patina/place.h"

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

// Lists of ids as an input, padded on the right.
Input padded(const std::vector<std::vector<int64_t>>& lists, const at::Device& device) {
  size_t longest = 0;
  for (const auto& list : lists) longest = std::max(longest, list.size());
  const std::vector<int64_t> shape = {int64_t(lists.size()), int64_t(longest)};
  Input input(at::zeros(shape, at::kLong), at::zeros(shape, at::kLong));
  for (size_t i = 0; i < lists.size(); ++i) {
    std::ranges::copy(lists[i], host_items(input.data).data() + i * longest);
    std::fill_n(host_items(input.mask).data() + i * longest, lists[i].size(), 1);
  }
  return input.on(device);
}

// The decoder begins with a token of its own and has read the answer up to the one it predicts.
Answers answers_of(const EncoderDecoder& network, const Input& input,
                   const nn::Adaptations& adaptations) {
  PATINA_REQUIRE(input.loss.defined(), "a text of which no token carries loss");
  PATINA_REQUIRE(!input.positions.defined(), "packed rows for an encoder-decoder");
  const int64_t rows = input.size(), length = input.data.size(1);
  const auto host = [](const Tensor& t) { return on_host(t).contiguous(); };
  const Tensor ids = host(input.data), loss = host(input.loss),
               mask = input.mask.defined() ? host(input.mask) : at::ones_like(ids);
  const auto count = size_t(rows);
  std::vector<std::vector<int64_t>> asked(count), read(count);
  std::vector<int64_t> words, row_of, places, counted(count, 0);
  for (int64_t row = 0; row < rows; ++row) {
    read[size_t(row)] = {network.start()};
    bool answered = false;
    for (int64_t i = 0; i < length; ++i) {
      const auto at = size_t(row * length + i);
      if (host_items(mask)[at] == 0) continue;
      const int64_t id = host_items(ids)[at];
      if (host_items(loss)[at] == 0) {
        if (answered)
          fail(ErrorKind::data,
               "a text goes on behind its answer, and an encoder-decoder ends with it: give it "
               "prompts of one turn");
        asked[size_t(row)].push_back(id);
        continue;
      }
      answered = true;
      words.push_back(id);
      row_of.push_back(row);
      read[size_t(row)].push_back(id);
    }
    read[size_t(row)].pop_back();  // the last one is predicted and not read
    if (!answered) read[size_t(row)] = {network.start()};
  }
  const auto device = input.data.device();
  const Input answers = padded(read, device);
  for (const int64_t row : row_of)
    places.push_back(row * answers.data.size(1) + counted[size_t(row)]++);
  const Tensor decoded = network.decoded(answers, padded(asked, device), adaptations);
  return {.before = decoded.flatten(0, 1).index_select(0, tensor_of(places, device)),
          .word = tensor_of(words, device),
          .row = tensor_of(row_of, device)};
}

Answers answers_of(const Backbone& backbone, const Input& input,
                   const nn::Adaptations& adaptations) {
  if (const auto* both = dynamic_cast<const EncoderDecoder*>(&backbone))
    return answers_of(*both, input, adaptations);
  return answers_of(input, backbone.tokens(input, adaptations));
}

Tensor scores_of(const Backbone& backbone, const Tensor& before) {
  return backbone.word_scores(before.unsqueeze(0)).squeeze(0);
}

}  // namespace

AnswerScores answer_scores(const Backbone& backbone, const Input& input,
                           const nn::Adaptations& adaptations) {
  const Answers answers = answers_of(backbone, input, adaptations);
  return {.scores = scores_of(backbone, answers.before), .word = answers.word, .row = answers.row};
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
  const Answers answers = answers_of(backbone, input, adaptations);
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
