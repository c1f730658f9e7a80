// Blurry streams without task boundaries. Si-Blurry's sampler drops classes and samples that do not
// divide evenly, moves the first samples of each stretch in file order, and moves fewer where a
// stretch has too few. Here nothing is dropped, the moved samples are random, and other stretches
// give what one lacks. `compat = "original"` restores all three.
#include <algorithm>
#include <numeric>

#include "patina/base/error.h"
#include "patina/scenario/rules.h"

namespace patina {

namespace {

using Indices = std::vector<int64_t>;

struct Sizes {
  int64_t disjoint = 0, blurry = 0;  // classes
};

Sizes sizes(const ScenarioOptions& options, int64_t classes) {
  const int64_t tasks = options.blurry_tasks;
  const auto disjoint = int64_t(double(classes) * options.disjoint_percent / 100);
  if (options.compat != "original") return {disjoint, classes - disjoint};
  const int64_t even = disjoint / tasks * tasks;
  return {even, (classes - even) / tasks * tasks};
}

// T+1 borders from 0 to n that divide [0,n] as evenly as possible.
Indices even_borders(int64_t n, int64_t tasks) {
  Indices borders;
  for (int64_t i = 0; i <= tasks; ++i) borders.push_back(n * i / tasks);
  return borders;
}

// The same with T-1 random cut points, uniform in [0,n): parts may be empty.
Indices drawn_borders(int64_t n, int64_t tasks, Random random) {
  Indices borders = {0, n};
  for (int64_t i = 1; i < tasks; ++i)
    borders.push_back(n > 0 ? int64_t(random.below(uint64_t(n))) : 0);
  std::ranges::sort(borders);
  return borders;
}

// The stretch of `borders` that contains item i.
int64_t part_of(const Indices& borders, int64_t i) {
  return std::ranges::upper_bound(borders, i) - borders.begin() - 1;
}

void shuffle(Indices& items, Random random) {
  random.shuffle(std::span(items));
}

// i-Blurry: each stretch gives M percent of its samples to a pool, and all take equally many from
// it. In the original the remainder of that division stays in the pool.
Spill even_spill(const Indices& has, double percent, bool original) {
  const auto tasks = int64_t(has.size());
  Spill moved;
  for (const int64_t n : has) moved.gives.push_back(int64_t(double(n) * percent / 100));
  const int64_t pool = std::accumulate(moved.gives.begin(), moved.gives.end(), int64_t{0});
  for (int64_t t = 0; t < tasks; ++t)
    moved.takes.push_back(original ? pool / tasks : pool * (t + 1) / tasks - pool * t / tasks);
  return moved;
}

// Moves samples between the stretches: each gives the first samples of its list to a pool; the pool
// is shuffled, and each takes samples from its front.
void spill(std::vector<Indices>& blurry, const Spill& moved, Random random) {
  Indices pool;
  for (size_t t = 0; t < blurry.size(); ++t) {
    pool.insert(pool.end(), blurry[t].begin(), blurry[t].begin() + moved.gives[t]);
    blurry[t].erase(blurry[t].begin(), blurry[t].begin() + moved.gives[t]);
  }
  shuffle(pool, random);
  auto next = pool.begin();
  for (size_t t = 0; t < blurry.size(); ++t) {
    blurry[t].insert(blurry[t].end(), next, next + moved.takes[t]);
    next += moved.takes[t];
  }
}

Scenario blurry(const ScenarioOptions& options, const DataSplits& data, const ScenarioInfo& info,
                bool drawn) {
  const int64_t tasks = options.blurry_tasks;
  const bool original = options.compat == "original";
  const Seeds seeds(uint64_t(options.stream_seed));
  const int64_t all_classes = int64_t(data.train->classes().size());
  const auto order = order_of_classes(options, all_classes);
  const Sizes size = sizes(options, int64_t(order.size()));
  if (size.disjoint + size.blurry == 0)
    fail(ErrorKind::scenario,
         "{} has {} classes, too few for {} stretches without leaving any out: lower "
         "scenario.blurry_tasks, or leave scenario.compat out",
         data.name, order.size(), tasks);
  const auto borders = [&](int64_t n, const char* name) {
    return drawn ? drawn_borders(n, tasks, seeds(name)) : even_borders(n, tasks);
  };
  const Indices disjoint_borders = borders(size.disjoint, "disjoint");
  const Indices blurry_borders = borders(size.blurry, "blurry");

  // Assigns every sample to its class's main stretch.
  const auto place = numbers_of_classes(order, all_classes);  // by class: its index in the order
  std::vector<Indices> disjoint(static_cast<size_t>(tasks)), blurred(static_cast<size_t>(tasks));
  int64_t blurred_samples = 0;
  for (int64_t i = 0; i < data.train->size(); ++i) {
    const int64_t c = place[size_t(data.train->label(i))];
    if (c < 0 || c >= size.disjoint + size.blurry) continue;
    if (c < size.disjoint) {
      disjoint[size_t(part_of(disjoint_borders, c))].push_back(i);
    } else {
      blurred[size_t(part_of(blurry_borders, c - size.disjoint))].push_back(i);
      ++blurred_samples;
    }
  }
  if (!original)
    for (size_t t = 0; t < blurred.size(); ++t) shuffle(blurred[t], seeds("spilled", t));

  Indices has;
  for (const auto& part : blurred) has.push_back(int64_t(part.size()));
  Spill moved;
  if (drawn) {
    const auto spilled = int64_t(double(blurred_samples) * options.blurry_percent / 100);
    const Indices cuts = drawn_borders(spilled, tasks, seeds("spill"));
    moved = original ? capped_spill(has, cuts) : full_spill(has, cuts);
  } else {
    moved = even_spill(has, options.blurry_percent, original);
  }
  spill(blurred, moved, seeds("pool"));

  // Classes are numbered in order of appearance.
  std::vector<int64_t> number(size_t(all_classes), -1), class_order;
  std::vector<Part> train(static_cast<size_t>(tasks)), test(static_cast<size_t>(tasks));
  std::vector<Indices> fresh(static_cast<size_t>(tasks));
  for (size_t t = 0; t < train.size(); ++t) {
    Indices samples = disjoint[t];
    samples.insert(samples.end(), blurred[t].begin(), blurred[t].end());
    shuffle(samples, seeds("order", t));
    for (const int64_t i : samples) {
      const int64_t label = data.train->label(i);
      int64_t& target = number[size_t(label)];
      if (target < 0) {
        target = int64_t(class_order.size());
        class_order.push_back(label);
        fresh[t].push_back(target);
      }
      train[t].add(i, target);
    }
  }
  std::vector<size_t> met(class_order.size());
  for (size_t t = 0; t < fresh.size(); ++t)
    for (const int64_t c : fresh[t]) met[size_t(c)] = t;
  for (int64_t i = 0; i < data.test->size(); ++i)
    if (const int64_t target = number[size_t(data.test->label(i))]; target >= 0)
      test[met[size_t(target)]].add(i, target);
  std::vector<Stretch> stretches;
  for (size_t t = 0; t < train.size(); ++t)
    stretches.push_back({fresh[t], fresh[t], std::move(train[t]).of(*data.train),
                         std::move(test[t]).of(*data.test)});
  return {info.name, info.grant, *data.train, class_order, std::move(stretches)};
}

}  // namespace

// Each stretch's part of the missing samples is a difference of rounded running sums over what is
// left. So no stretch gives more than it has, and rounding loses no sample.
Spill full_spill(const std::vector<int64_t>& has, const std::vector<int64_t>& cuts) {
  Spill moved;
  int64_t lacking = 0, all_left = 0;
  for (size_t t = 0; t < has.size(); ++t) {
    moved.takes.push_back(cuts[t + 1] - cuts[t]);
    moved.gives.push_back(std::min(moved.takes[t], has[t]));
    lacking += moved.takes[t] - moved.gives[t];
    all_left += has[t] - moved.gives[t];
  }
  if (lacking == 0) return moved;
  PATINA_CHECK(lacking <= all_left, "{} samples to spill, {} left", lacking, all_left);
  for (int64_t t = 0, before = 0; t < int64_t(has.size()); ++t) {
    const int64_t after = before + has[size_t(t)] - moved.gives[size_t(t)];
    moved.gives[size_t(t)] += lacking * after / all_left - lacking * before / all_left;
    before = after;
  }
  return moved;
}

Spill capped_spill(const std::vector<int64_t>& has, const std::vector<int64_t>& cuts) {
  Spill moved;
  int64_t pool = 0;
  for (size_t t = 0; t < has.size(); ++t) {
    moved.gives.push_back(std::min(cuts[t + 1] - cuts[t], has[t]));
    pool += moved.gives[t];
  }
  for (size_t t = 0; t < has.size(); ++t) {
    moved.takes.push_back(std::min(cuts[t + 1] - cuts[t], pool));
    pool -= moved.takes[t];
  }
  return moved;
}

Scenario i_blurry(const ScenarioOptions& options, const DataSplits& data,
                  const ScenarioInfo& info) {
  return blurry(options, data, info, false);
}

Scenario si_blurry(const ScenarioOptions& options, const DataSplits& data,
                   const ScenarioInfo& info) {
  return blurry(options, data, info, true);
}

}  // namespace patina
