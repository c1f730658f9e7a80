#include "patina/models/generate.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "patina/base/error.h"
#include "patina/ops.h"

namespace patina {

void GenerateOptions::bind(Fields& f) {
  f("max_tokens", max_tokens, "Largest number of new tokens.", at_least(1));
  f("temperature", temperature, "Divides the scores before a token is drawn; 0: the likeliest.",
    at_least(0));
  f("top_k", top_k, "Draw from the k likeliest tokens; 0: from all.", at_least(0));
  f("top_p", top_p, "Draw from the likeliest tokens that together have this probability.",
    {.low = 0, .high = 1, .low_open = true});
  f("repetition_penalty", repetition_penalty,
    "Above 1: tokens that are in the text already become less likely.", above(0));
  f("seed", seed, "Seed of the draws.", at_least(0));
  f("cache", cache,
    "Keep the keys and values of earlier tokens: faster, with the same tokens as without.");
}

namespace {

struct Candidate {
  int64_t id;
  double score;
};

bool likelier(const Candidate& a, const Candidate& b) {
  return a.score > b.score || (a.score == b.score && a.id < b.id);
}

// Keeps the most likely candidates whose probabilities together reach top_p. Replaces scores by
// unnormalised probabilities; returns their sum.
double keep_nucleus(std::vector<Candidate>& sorted, double top_p) {
  const double highest = sorted.front().score;
  double all = 0, sum = 0;
  for (auto& candidate : sorted) all += candidate.score = std::exp(candidate.score - highest);
  size_t kept = 0;
  while (kept < sorted.size() && (kept == 0 || sum < top_p * all)) sum += sorted[kept++].score;
  sorted.resize(kept);
  return sum;
}

}  // namespace

int64_t choose(std::span<const float> scores, std::span<const int64_t> there,
               const GenerateOptions& options, Random& random) {
  std::vector<Candidate> candidates(scores.size());
  for (size_t i = 0; i < scores.size(); ++i) {
    // NaN would make the comparisons inconsistent.
    candidates[i] = {int64_t(i), std::isnan(scores[i]) ? -HUGE_VAL : double(scores[i])};
  }
  if (options.repetition_penalty != 1)
    for (const int64_t id : std::set<int64_t>(there.begin(), there.end())) {
      double& score = candidates[size_t(id)].score;
      score *= score > 0 ? 1 / options.repetition_penalty : options.repetition_penalty;
    }
  if (options.temperature == 0)
    return std::min_element(candidates.begin(), candidates.end(), likelier)->id;
  for (auto& candidate : candidates) candidate.score /= options.temperature;
  const size_t most =
      options.top_k > 0 ? std::min(size_t(options.top_k), candidates.size()) : candidates.size();
  std::partial_sort(candidates.begin(), candidates.begin() + ptrdiff_t(most), candidates.end(),
                    likelier);
  candidates.resize(most);
  double left = random.uniform() * keep_nucleus(candidates, options.top_p);
  for (const auto& candidate : candidates)
    if ((left -= candidate.score) < 0) return candidate.id;
  return candidates.back().id;
}

std::vector<std::vector<int64_t>> generate(const Backbone& backbone, const Input& prompts,
                                           const std::vector<int64_t>& stop,
                                           const GenerateOptions& options, const Experts& experts,
                                           const std::function<bool(const ChosenToken&)>& chosen,
                                           std::vector<Random> randoms) {
  const int64_t rows = prompts.size(),
                longest = backbone.text_input().value_or(TextInput{}).longest;
  if (prompts.data.size(1) == 0)
    fail(ErrorKind::data, "an empty prompt: there is nothing to continue");
  if (longest > 0 && prompts.data.size(1) >= longest)
    fail(ErrorKind::data, "a prompt of {} tokens leaves no room: the model takes {}",
         prompts.data.size(1), longest);
  auto text =
      MixedText::begin(backbone, prompts.on(backbone.place().device), experts, options.cache);
  if (!text) fail(ErrorKind::model, "{} does not generate text", backbone.about());
  std::vector<std::vector<int64_t>> fresh{size_t(rows)}, there = text->ids();
  for (int64_t row = int64_t(randoms.size()); row < rows; ++row)
    randoms.push_back(Seeds(uint64_t(options.seed))("generate", options.alike ? 0 : uint64_t(row)));
  std::vector<bool> done(size_t(rows), false);
  const int64_t room = longest > 0 ? longest - text->longest() : options.max_tokens;
  for (int64_t step = 0; step < std::min(options.max_tokens, room); ++step) {
    const Tensor scores = on_host(text->scores()).to(at::kFloat).contiguous();
    const auto all = host_values(scores);
    const size_t words = size_t(scores.size(1));
    std::vector<int64_t> next(size_t(rows), 0);
    for (size_t row = 0; row < size_t(rows); ++row) {
      if (done[row]) continue;
      const auto of_row = all.subspan(row * words, words);
      next[row] = choose(of_row, there[row], options, randoms[row]);
      done[row] = std::count(stop.begin(), stop.end(), next[row]) > 0;
      if (done[row]) continue;
      fresh[row].push_back(next[row]);
      there[row].push_back(next[row]);
      if (chosen) done[row] = !chosen({int64_t(row), next[row], of_row});
    }
    if (std::all_of(done.begin(), done.end(), [](bool row) { return row; })) break;
    if (step + 1 < std::min(options.max_tokens, room)) text->append(tensor_of(next));
  }
  return fresh;
}

}  // namespace patina
