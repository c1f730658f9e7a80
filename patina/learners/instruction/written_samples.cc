#include "patina/learners/instruction/written_samples.h"

#include <algorithm>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/base/progress.h"
#include "patina/checkpoint/archive.h"
#include "patina/models/answer_scores.h"
#include "patina/ops.h"

namespace patina {

std::vector<int64_t> shares(int64_t all, int64_t tasks) {
  std::vector<int64_t> parts;
  for (int64_t i = 0; i < tasks; ++i) parts.push_back(all * (i + 1) / tasks - all * i / tasks);
  return parts;
}

void WrittenSamples::write(const Backbone& backbone, const nn::Adaptations& adaptations,
                           const WholeSamples& format, const std::vector<std::string>& markers,
                           const std::vector<int64_t>& asked, const GenerateOptions& how,
                           const Seeds& seeds, int64_t task) {
  constexpr int64_t kRows = 16;  // texts at a time
  NoGrad no_grad;
  task_ = task;
  samples_.clear();
  asked_ = asked;
  dropped_.assign(asked.size(), 0);
  int64_t all = 0;
  for (const int64_t count : asked) all += count;
  Progress progress(fmt::format("task {}: writing earlier samples", task + 1), all, "texts");
  const int64_t longest = backbone.text_input()->longest;
  for (size_t old = 0; old < asked.size(); ++old) {
    AnswerTokens begun = format.begun(markers[old]);
    begun.loss.assign(begun.ids.size(), 0);
    const Random random = seeds("write", uint64_t(task)).at(old);
    for (int64_t from = 0; from < asked[old]; from += kRows) {
      const int64_t rows = std::min(kRows, asked[old] - from);
      Random numbered = random.at(uint64_t(from));
      GenerateOptions own = how;
      own.seed = int64_t(numbered.bits());
      Input prompts = rows_of(std::vector<AnswerTokens>(size_t(rows), begun), backbone);
      prompts.loss = Tensor();
      const int64_t room = longest > 0 ? longest - int64_t(begun.ids.size()) : how.max_tokens;
      for (const auto& text : generate(backbone, prompts, {format.end()}, own, adaptations)) {
        const bool ended = int64_t(text.size()) < std::min(room, how.max_tokens);
        if (const auto sample = ended ? format.read(text) : std::nullopt)
          samples_.push_back({int64_t(old), *sample});
        else
          ++dropped_[old];
      }
      progress.advance(rows);
    }
  }
}

std::vector<WrittenSamples::Written> WrittenSamples::of(const Step& step,
                                                        const Seeds& seeds) const {
  std::vector<Written> share;
  if (samples_.empty()) return share;
  const auto order = seeds("written", uint64_t(task_)).at(uint64_t(step.epoch)).permutation(size());
  for (int64_t i = size() * step.step / step.steps; i < size() * (step.step + 1) / step.steps; ++i)
    share.push_back(samples_[size_t(order[size_t(i)])]);
  return share;
}

Input rows_of(const std::vector<AnswerTokens>& samples, const Backbone& backbone) {
  return answer_rows(samples, *backbone.tokenizer(), /*packed=*/false).on(backbone.place().device);
}

ReplayLosses replay_losses(const Backbone& backbone, const nn::Adaptations& adaptations,
                           const WholeSamples& format, const Input& input, const Step& step,
                           const std::vector<WrittenSamples::Written>& past, int64_t task,
                           const std::function<std::string(int64_t task)>& marker,
                           double marker_weight) {
  const auto losses = [&](const Input& rows) {
    return answer_losses(answer_scores(backbone, rows, adaptations));
  };
  std::vector<AnswerTokens> answers, whole;
  int64_t tokens = step.tokens;
  for (const auto& written : past) {
    answers.push_back(format.answer_of(written.sample));
    tokens += answers.back().counted();
  }
  for (const auto& sample : format.samples_of(input))
    whole.push_back(format.whole(marker(task), sample));
  Tensor of_answers = losses(input);
  if (step.part == 0 && !past.empty()) {
    of_answers = at::cat({of_answers, losses(rows_of(answers, backbone))});
    for (const auto& [of_task, sample] : past)
      whole.push_back(format.whole(marker(of_task), sample));
  }
  const Tensor each = losses(rows_of(whole, backbone));
  const Tensor weight = format.marker_weights(whole, marker_weight).to(each.device());
  const double share = double(of_answers.size(0)) / double(tokens);
  return {.answers = of_answers.sum() / double(tokens),
          .whole = (each * weight).sum() / weight.sum() * share};
}

Json WrittenSamples::diagnostics() const {
  if (asked_.empty()) return {};
  return {{"samples_asked", asked_}, {"samples_dropped", dropped_}};
}

void WrittenSamples::state(Archive& a) {
  a("task", task_);
  a("asked", asked_);
  a("dropped", dropped_);
  // Each sample as its task, the two lengths and the tokens.
  std::vector<int64_t> flat;
  for (const auto& [task, sample] : samples_) {
    flat.insert(flat.end(), {task, int64_t(sample.prompt.size()), int64_t(sample.answer.size())});
    flat.insert(flat.end(), sample.prompt.begin(), sample.prompt.end());
    flat.insert(flat.end(), sample.answer.begin(), sample.answer.end());
  }
  a("samples", flat);
  if (!a.loading()) return;
  samples_.clear();
  size_t at = 0;
  const auto take = [&](int64_t count) {
    if (count < 0 || size_t(count) > flat.size() - at)
      fail(ErrorKind::state, "a written sample of {} tokens: the state is damaged", count);
    const auto from = flat.begin() + ptrdiff_t(at);
    at += size_t(count);
    return std::vector<int64_t>(from, from + ptrdiff_t(count));
  };
  while (at < flat.size()) {
    const auto head = take(3);
    Written written{.task = head[0]};
    written.sample.prompt = take(head[1]);
    written.sample.answer = take(head[2]);
    samples_.push_back(std::move(written));
  }
}

}  // namespace patina
