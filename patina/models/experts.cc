#include "patina/models/experts.h"

#include <algorithm>
#include <cmath>

#include "patina/base/error.h"
#include "patina/ops.h"
#include "patina/place.h"

namespace patina {

namespace {

// Every word but the first of each row: [B,T].
Tensor predicted(const Input& input) {
  const Tensor mask = input.mask.defined() ? input.mask : at::ones_like(input.data);
  return mask * mask.cumsum(1).gt(1).to(at::kLong);
}

// log P(D = j): [J,1] in double.
Tensor log_prior(const Experts& experts, const at::Device& device) {
  const Tensor logs = at::empty({int64_t(experts.prior.size())}, at::kDouble);
  std::ranges::transform(experts.prior, logs.data_ptr<double>(),
                         [](double p) { return std::log(p); });
  return on(device, logs).unsqueeze(1);
}

// log P(D = j | x_<t) of the likelihoods [J,B,T] of all words: [J,B,T].
Tensor posteriors(const Experts& experts, const Tensor& likelihoods) {
  const Tensor before = likelihoods.cumsum(2) - likelihoods;
  return at::log_softmax(before + log_prior(experts, before.device()).unsqueeze(2), 0);
}

// log Σ_j exp(posterior + words): [J,N,1] and [J,N,V] -> [N,V].
Tensor mixed(const Tensor& posterior, const std::vector<Tensor>& words) {
  return at::logsumexp(at::stack(words) + posterior.to(at::kFloat), {0});
}

Tensor log_words(const Tensor& scores) {
  return at::log_softmax(scores, -1, at::kFloat);
}

}  // namespace

Experts::Experts(std::vector<nn::Adaptations> several)
    : each(std::move(several)), prior(each.size(), 1 / double(each.size())) {
  PATINA_REQUIRE(!each.empty(), "no expert");
}

Tensor log_likelihoods(const Backbone& backbone, const Input& input, const Experts& experts) {
  PATINA_REQUIRE(!input.positions.defined(), "experts read rows of one text each");
  NoGrad no_grad;
  Input all = input;
  all.loss = predicted(input);
  const Tensor places = all.loss.flatten().nonzero().squeeze(1);
  std::vector<Tensor> likelihoods;
  for (const auto& adaptations : experts.each) {
    Tensor words = at::zeros(input.data.sizes(), input.data.options().dtype(at::kDouble));
    if (places.size(0) > 0)
      words.view({-1}).index_copy_(0, places,
                                   -answer_losses(backbone, all, adaptations).to(at::kDouble));
    likelihoods.push_back(words);
  }
  return at::stack(likelihoods);
}

Tensor log_posterior(const Backbone& backbone, const Input& input, const Experts& experts) {
  const Tensor text = log_likelihoods(backbone, input, experts).sum(2);
  return at::log_softmax(text + log_prior(experts, text.device()), 0);
}

AnswerScores mixed_scores(const Backbone& backbone, const Input& input, const Experts& experts) {
  if (experts.alone()) return answer_scores(backbone, input, experts.each.front());
  NoGrad no_grad;
  const Tensor posterior = posteriors(experts, log_likelihoods(backbone, input, experts));
  const Tensor places = input.loss.flatten().nonzero().squeeze(1);
  AnswerScores answers;
  std::vector<Tensor> words;
  for (const auto& adaptations : experts.each) {
    answers = answer_scores(backbone, input, adaptations);
    words.push_back(log_words(answers.scores));
  }
  answers.scores = mixed(posterior.flatten(1).index_select(1, places).unsqueeze(2), words);
  return answers;
}

Tensor mixed_losses(const Backbone& backbone, const Input& input, const Experts& experts) {
  if (experts.alone()) return answer_losses(backbone, input, experts.each.front());
  const Tensor likelihoods = log_likelihoods(backbone, input, experts);
  const Tensor words = at::logsumexp(posteriors(experts, likelihoods) + likelihoods, {0});
  return -words.flatten().index_select(0, input.loss.flatten().nonzero().squeeze(1));
}

std::optional<MixedText> MixedText::begin(const Backbone& backbone, const Input& prompts,
                                          const Experts& experts, bool cached) {
  MixedText text;
  for (const auto& adaptations : experts.each) {
    auto one = backbone.begin(prompts, adaptations, cached);
    if (!one) return std::nullopt;
    text.texts_.push_back(std::move(*one));
  }
  if (!experts.alone()) text.posterior_ = log_posterior(backbone, prompts, experts);
  return text;
}

Tensor MixedText::scores() const {
  if (!posterior_.defined()) return texts_.front().scores();
  std::vector<Tensor> words;
  for (const auto& text : texts_) words.push_back(log_words(text.scores()));
  return mixed(at::log_softmax(posterior_, 0).unsqueeze(2), words);
}

void MixedText::append(const Tensor& ids) {
  std::vector<Tensor> likelihoods;
  for (auto& text : texts_) {
    if (posterior_.defined())
      likelihoods.push_back(log_words(text.scores())
                                .gather(1, on(text.scores().device(), ids).unsqueeze(1))
                                .squeeze(1));
    text.append(ids);
  }
  if (posterior_.defined()) posterior_ = posterior_ + at::stack(likelihoods).to(at::kDouble);
}

}  // namespace patina
