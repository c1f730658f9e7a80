#include "patina/learners/pretraining/round_memory.h"

#include <fmt/format.h>

#include <numeric>

#include "patina/base/error.h"
#include "patina/checkpoint/archive.h"
#include "patina/data/mixer.h"
#include "patina/memory/sample_memory.h"
#include "patina/ops.h"

namespace patina {

void RoundMemory::begin(const Task& task) {
  tokens_.clear();
  for (int64_t i = 0; i < task.train->size(); ++i) {
    SampleHandles one;
    one.add(task.train->handle(i));
    tokens_.push_back(samples_(one, Random()).input.loss.sum().item<int64_t>());
  }
}

void RoundMemory::end(const Task& task) {
  Round round;
  for (const size_t i : drawn(size_t(per_round_), size_t(task.train->size()),
                              seeds_("memory", uint64_t(task.index)))) {
    round.samples.add(task.train->handle(int64_t(i)));
    round.tokens.push_back(tokens_[i]);
  }
  kept_.push_back(std::move(round));
}

SampleHandles RoundMemory::samples() const {
  SampleHandles all;
  for (const Round& round : kept_) all.add(round.samples);
  return all;
}

std::vector<double> RoundMemory::divided(double part) const {
  std::vector<double> parts;
  for (const Round& round : kept_)
    parts.push_back(std::accumulate(round.tokens.begin(), round.tokens.end(), 0.0));
  const double all = std::accumulate(parts.begin(), parts.end(), 0.0);
  for (double& of_round : parts) of_round *= part / all;
  return parts;
}

Dataset RoundMemory::mixed(const Task& task, int64_t epoch, double part,
                           const std::vector<double>& parts) const {
  PATINA_REQUIRE(parts.size() <= kept_.size(), "{} parts of {} rounds", parts.size(), kept_.size());
  std::vector<TokenSource> sources = {{tokens_, part}};
  std::vector<int64_t> first = {0};  // of each source in `all`
  SampleHandles kept;
  for (size_t i = 0; i < parts.size(); ++i) {
    first.push_back(task.train->size() + kept.size());
    kept.add(kept_[i].samples);
    sources.push_back({kept_[i].tokens, parts[i]});
  }
  const Dataset all = task.train->joined(samples_.dataset(kept));
  const int64_t budget = std::accumulate(tokens_.begin(), tokens_.end(), int64_t{0});
  std::vector<int64_t> rows;
  for (const auto& [source, sample] :
       rows_by_tokens(sources, budget, Seeds(seeds_("mix", uint64_t(task.index)).bits()), epoch))
    rows.push_back(first[size_t(source)] + sample);
  return all.select(rows);
}

void RoundMemory::state(Archive& a) {
  a("tokens", tokens_);
  int64_t rounds = this->rounds();
  a("rounds", rounds);
  if (a.loading()) kept_.assign(size_t(rounds), {});
  for (size_t i = 0; i < kept_.size(); ++i) a(fmt::format("round_{}", i), kept_[i]);
}

void RoundMemory::Round::state(Archive& a) {
  a("samples", samples);
  a("of_each", tokens);
}

}  // namespace patina
