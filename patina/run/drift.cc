#include "patina/run/drift.h"

#include <algorithm>
#include <utility>

#include "patina/base/error.h"
#include "patina/data/answer_feed.h"
#include "patina/data/sample_access.h"
#include "patina/eval/text/token_loss.h"
#include "patina/models/experts.h"
#include "patina/ops.h"
#include "patina/session/feed.h"

namespace patina {

namespace {

constexpr int64_t kPromptTokens = 32;    // of each held prompt, behind its image
constexpr int64_t kGeneralTokens = 128;  // in a piece of the general text
constexpr int64_t kRows = 16;            // held prompts in a pass

// Every token but the first of each row carries loss.
AnswerTokens all_of(std::vector<int64_t> ids) {
  AnswerTokens tokens{.ids = std::move(ids)};
  tokens.loss.assign(tokens.ids.size(), 1);
  if (!tokens.loss.empty()) tokens.loss.front() = 0;
  return tokens;
}

// The number of tokens up to the last one with this id; 0: there is none.
int64_t behind_last(const std::vector<int64_t>& ids, int64_t id) {
  return std::find(ids.rbegin(), ids.rend(), id).base() - ids.begin();
}

Experts experts_of(const Generator* learner, const Input& input) {
  return learner ? learner->experts(input) : Experts();
}

// Mean over rows of KL(p ‖ q), of log p and log q [N,V].
double divergence(const Tensor& p, const Tensor& q) {
  return (p.exp() * (p - q)).sum(1, false, at::kDouble).mean().item<double>();
}

}  // namespace

Drift::Drift(const Asking& asking, const Scenario& scenario, int64_t tokens,
             const std::string& general)
    : backbone_(asking.backbone) {
  const Tokenizer& tokenizer = *backbone_.tokenizer();
  const auto device = backbone_.place().device;
  const auto feed = make_answer_feed(backbone_, asking.text, AnswerRows::prompts);
  std::vector<AnswerTokens> prompts;
  std::vector<Tensor> images;
  bool more = true;
  for (int64_t sample = 0; tokens > 0 && std::exchange(more, false); ++sample)
    for (int task = 0; task < scenario.tasks() && tokens > 0; ++task) {
      const Dataset& test = scenario.test(task);
      if (sample >= test.size()) continue;
      more = true;
      const Source& source = SampleAccess::source(test);
      const int64_t position = SampleAccess::position(test, sample);
      auto ids = feed->tokens(source, position).ids;
      const Tensor image = feed->images(source, std::span(&position, 1));
      const int64_t seen = image.defined() ? backbone_.image_tokens()->id : -1;
      const int64_t kept = behind_last(ids, seen) + std::min(kPromptTokens, tokens + 1);
      ids.resize(std::min(ids.size(), size_t(kept)));
      AnswerTokens prompt = all_of(std::move(ids));
      for (size_t i = 0; i < prompt.ids.size(); ++i)
        if (prompt.ids[i] == seen) prompt.loss[i] = 0;
      if (prompt.counted() == 0) continue;
      tokens -= prompt.counted();
      prompts.push_back(std::move(prompt));
      if (image.defined()) images.push_back(image);
    }
  if (prompts.empty())
    fail(ErrorKind::data, "no test sample has a prompt of two tokens, on which drift is measured");
  Input held = answer_rows(prompts, tokenizer, /*packed=*/false);
  if (!images.empty()) held.images = at::cat(images);
  held_ = held.on(device);
  const std::string text = general.empty() ? general_text() : general;
  general_bytes_ = int64_t(text.size());
  const auto ids = tokenizer.encode(text);
  const auto& before = tokenizer.frame().before;
  for (size_t start = 0; start < ids.size(); start += size_t(kGeneralTokens)) {
    // A piece begins with the model's token for that or, without one, with the last of the piece
    // before, so that all tokens but perhaps the text's first are predicted.
    std::vector<int64_t> piece = before;
    if (before.empty() && start > 0) piece.push_back(ids[start - 1]);
    const size_t end = std::min(ids.size(), start + size_t(kGeneralTokens));
    const auto asked = int64_t(piece.size());
    piece.insert(piece.end(), ids.begin() + ptrdiff_t(start), ids.begin() + ptrdiff_t(end));
    AnswerTokens whole = all_of(std::move(piece));
    std::fill_n(whole.loss.begin(), asked, 0);
    if (whole.counted() > 0)
      general_.push_back(answer_rows({{whole}}, tokenizer, /*packed=*/false).on(device));
  }
  base_ = distributions(nullptr);
  before_ = base_.clone();  // loading a state writes into it
}

Tensor Drift::distributions(const Generator* learner) const {
  NoGrad no_grad;
  std::vector<Tensor> parts;
  for (int64_t from = 0; from < held_.size(); from += kRows) {
    const Input rows = held_.slice(from, std::min(held_.size(), from + kRows));
    const auto answers = mixed_scores(backbone_, rows, experts_of(learner, rows));
    parts.push_back(on_host(at::log_softmax(answers.scores, -1, at::kFloat)));
  }
  return at::cat(parts);
}

void Drift::measure(const Generator& learner) {
  NoGrad no_grad;
  const Tensor now = distributions(&learner);
  TokenLoss loss;
  for (const Input& piece : general_) {
    const Tensor losses = mixed_losses(backbone_, piece, learner.experts(piece));
    loss.add(losses.sum(at::kDouble).item<double>(), losses.size(0));
  }
  loss.add(0, 0, general_bytes_);
  points_.push_back({.from_base = divergence(base_, now),
                     .from_before = divergence(before_, now),
                     .general_loss = loss.mean().value_or(0),
                     .general_bits_per_byte = loss.bits_per_byte().value_or(0)});
  before_ = now;
}

// The model before learning is read again from the network when a run is resumed.
void Drift::state(Archive& a) {
  a("before", before_);
  std::vector<double> numbers;
  for (const auto& point : points_)
    numbers.insert(numbers.end(), {point.from_base, point.from_before, point.general_loss,
                                   point.general_bits_per_byte});
  a("points", numbers);
  if (!a.loading()) return;
  points_.clear();
  for (size_t i = 0; i + 4 <= numbers.size(); i += 4)
    points_.push_back({numbers[i], numbers[i + 1], numbers[i + 2], numbers[i + 3]});
}

std::string general_text() {
  return R"(Bread is made from flour, water, salt and time. The baker mixes them in the evening, and in the morning the dough has grown to twice its size. It is folded, shaped and put into a hot oven, where the crust turns brown within half an hour.

The town lies where two rivers meet. In spring the water is high and the boats are tied to the trees along the bank. In summer children swim near the old bridge, and their parents sit in the shade and talk about the harvest, the school and the price of fuel.

A clock shows the time, but it does not make it. Long before there were clocks, people looked at the sun and the stars. They knew that the days grow shorter in autumn, and that the moon needs about a month to become full again.

To find the area of a rectangle, multiply its length by its width. A field of forty by thirty metres has an area of twelve hundred square metres. If one side becomes twice as long and the other stays the same, the area doubles as well.

She wrote a letter to her brother, who had moved to another country to work as a nurse. In it she said that the garden was full of apples, that their father could walk again without a stick, and that the dog still waited for him at the gate every evening at six.

When water freezes, it expands. That is why a full bottle breaks when it is left outside on a cold night, and why ice floats on a lake while the fish live on below it.
)";
}

}  // namespace patina
