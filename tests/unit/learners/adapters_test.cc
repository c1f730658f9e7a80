// EASE, SSIAT, MOS and TUNA, compared with their papers' formulas, which are computed from the
// learners' state sample by sample and class by class.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "patina/adapt/adapter.h"
#include "patina/ops.h"
#include "patina/store/feature_store.h"
#include "tests/support/toy_learning.h"

namespace patina {
namespace {

using State = std::map<std::string, Tensor>;
using Made = std::unique_ptr<adapt::Adapter>;

constexpr int64_t kClasses = ToyLearning::kClasses, kTasks = 3, kWidth = kTinyViT.width;
const std::string kQuick = "[alignment]\nepochs = 3\nsamples = 16\n";
const TrainingOptions kAdaptersTraining{.epochs = 3, .batch_size = 8, .optimizer = {.lr = 0.05}};

/// The adapter that a learner keeps under `key`, frozen.
Made adapter_of(const State& state, const std::string& key, int64_t bottleneck) {
  Random random;
  auto adapter = std::make_unique<adapt::Adapter>(adapt::AdapterOptions{.bottleneck = bottleneck},
                                                  kWidth, kTinyViT.depth, random);
  nn::freeze(*adapter);
  for (auto& item : nn::tensors(*adapter)) item.tensor.copy_(state.at(key + "." + item.name));
  return adapter;
}
std::vector<Made> adapters_of(const State& state, int64_t tasks, int64_t bottleneck) {
  std::vector<Made> adapters;
  for (int64_t task = 0; task < tasks; ++task)
    adapters.push_back(adapter_of(state, fmt::format("adapters.{}", task), bottleneck));
  return adapters;
}

double cosine(const Tensor& a, const Tensor& b) {
  const auto norm = [](const Tensor& t) { return std::sqrt(t.square().sum().item<double>()); };
  return (a * b).sum().item<double>() / (norm(a) * norm(b));
}
Tensor doubles(const Tensor& t) {
  return t.to(at::kDouble);
}

/// Training features of every task under `adaptations`, in double; a task has 16 samples.
std::vector<FeatureSet> training_features(ToyLearning& toy, const nn::Adaptations& adaptations) {
  std::vector<FeatureSet> sets;
  auto stream = toy.scenario.stream();
  while (const auto task = stream.next()) {
    sets.push_back(toy.trainer.features(*toy.vit, *task->train, adaptations));
    sets.back().features = doubles(sets.back().features);
  }
  return sets;
}
/// Mean training features of every class: [K,D].
Tensor class_means_of(ToyLearning& toy, const nn::Adaptations& adaptations) {
  Tensor means = at::zeros({kClasses, kWidth}, at::kDouble);
  for (const auto& set : training_features(toy, adaptations))
    for (int64_t i = 0; i < set.targets.size(0); ++i)
      means[set.targets[i].item<int64_t>()] += set.features[i] / 8.0;
  return means;
}
Batch batch_of(ToyLearning& toy) {
  return *Loader(*toy.task->train, toy.test, toy.pool, 6).next();
}

TEST(Ease, ScoresAreWeightedCosinesInEverySubspace) {
  for (const bool recompute : {true, false}) {
    ToyLearning toy("ease", fmt::format("alpha = 0.3\nbeta = 0.5\nrecompute = {}\n", recompute),
                    kAdaptersTraining);
    for (int task = 0; task < kTasks; ++task) toy.learn();
    const auto adapters = adapters_of(toy.state(), kTasks, 64);
    std::vector<Tensor> means, features;
    for (const auto& adapter : adapters) {
      means.push_back(class_means_of(toy, {adapter.get()}));
      features.push_back(doubles(toy.features({adapter.get()})));
    }
    // Subspace j has no samples of classes from before task j.
    for (int64_t j = 1; j < kTasks; ++j)
      for (int64_t c = 0; c < 2 * j; ++c) {
        const int64_t own = c / 2, end = recompute ? kClasses : 2 * j + 2;
        double sum = 0;
        Tensor mixed = at::zeros({kWidth}, at::kDouble);
        for (int64_t d = 2 * j; d < end; ++d) {
          const double weight = std::exp(cosine(means[size_t(own)][c], means[size_t(own)][d]));
          sum += weight;
          mixed += weight * means[size_t(j)][d];
        }
        means[size_t(j)][c].copy_(mixed / sum);
      }
    const Tensor plain = doubles(toy.features()), plain_means = class_means_of(toy, {});
    const Tensor scores = toy.scores();
    Tensor expected = at::zeros_like(doubles(scores));
    for (int64_t i = 0; i < scores.size(0); ++i)
      for (int64_t c = 0; c < kClasses; ++c) {
        double score = 0.5 * cosine(plain[i], plain_means[c]);
        for (int64_t j = 0; j < kTasks; ++j)
          score += (j == c / 2 ? 1 : 0.3 / 2) * cosine(features[size_t(j)][i], means[size_t(j)][c]);
        expected[i][c] = score;
      }
    EXPECT_LT(relative_error(scores, expected), 1e-5) << recompute;
  }
}

std::shared_ptr<FeatureStore> store_for(ToyLearning& toy) {
  auto store = std::make_shared<FeatureStore>(
      FeatureStoreOptions{.cache_bytes = 1 << 20, .cache_folder = "", .cache_disk_bytes = 0});
  toy.vit->set_cache(store);
  return store;
}

// AdaptFormer's adapters are all trained with a tenth of their hidden units dropped; the same seed
// gives the same result. FeCAM adapts the network only if the option says so.
TEST(AdapterDropout, IsPartOfTraining) {
  for (const std::string name : {"aper", "ranpac", "fecam", "ease", "ssiat", "mos", "tuna"}) {
    const std::string adapted = name == "fecam" ? "adaptation = \"adapter\"\n" : "",
                      quick = name == "ssiat" || name == "mos" || name == "tuna" ? kQuick : "";
    const auto learned = [&](const std::string& dropout) {
      ToyLearning toy(name, adapted + dropout + quick, kAdaptersTraining);
      toy.learn();
      State adapters;
      for (const auto& [key, tensor] : toy.state())
        if (key.ends_with("up.weight")) adapters[key] = tensor;
      return adapters;
    };
    const State with = learned(""), again = learned("[adapter]\ndropout = 0.1\n"),
                without = learned("[adapter]\ndropout = 0.0\n");
    ASSERT_GE(with.size(), 2u) << name;
    bool differs = false;
    for (const auto& [key, tensor] : with) {
      EXPECT_TRUE(at::equal(tensor, again.at(key))) << name << " " << key;
      if (!at::equal(tensor, without.at(key))) differs = true;
    }
    EXPECT_TRUE(differs) << name;
  }
}

TEST(Ease, RunsNoEarlierAdapterOnASampleTwice) {
  ToyLearning toy("ease", "", kAdaptersTraining);
  const auto store = store_for(toy);
  auto misses = [&, before = int64_t(0)]() mutable {
    return store->counts().misses - std::exchange(before, store->counts().misses);
  };
  toy.learn();
  EXPECT_EQ(misses(), 16);  // the prototypes'
  const Tensor first = toy.scores();
  EXPECT_EQ(misses(), 8);
  toy.learn();
  EXPECT_EQ(misses(), 2 * 16);
  (void)toy.scores();
  EXPECT_EQ(misses(), 8 + 16);  // adapter 0 on the new samples, adapter 1 on all
  (void)toy.scores();
  EXPECT_EQ(misses(), 0);
}

TEST(Ssiat, ShiftsTheMeansOfEarlierClasses) {
  ToyLearning toy("ssiat", kQuick, kAdaptersTraining);
  toy.learn();
  const State first = toy.state();
  toy.learn();
  const State second = toy.state();
  const auto before = adapter_of(second, "before", 64), now = adapter_of(second, "adapter", 64);
  for (const auto& item : nn::tensors(*before))
    EXPECT_TRUE(at::equal(item.tensor, first.at("adapter." + item.name))) << item.name;
  const auto old_set = training_features(toy, {before.get()}),
             new_set = training_features(toy, {now.get()});
  for (int64_t c = 0; c < 2; ++c) {
    const std::string key = fmt::format("gaussians.means.{}", c);
    const Tensor mean = doubles(first.at(key));
    Tensor shift = at::zeros({kWidth}, at::kDouble);
    double sum = 0;
    for (int64_t i = 0; i < 16; ++i) {
      const Tensor f = old_set[1].features[i];
      const double weight =
          std::exp(-(f - mean).square().sum().item<double>() / (2 * 4 * 4)) + 1e-5;
      shift += weight * (new_set[1].features[i] - f);
      sum += weight;
    }
    EXPECT_LT(relative_error(second.at(key), mean + shift / sum), 1e-5) << c;
    EXPECT_GT(relative_error(second.at(key), mean), 1e-3) << c;
    EXPECT_TRUE(at::equal(second.at(fmt::format("gaussians.factors.{}", c)),
                          first.at(fmt::format("gaussians.factors.{}", c))));
  }
  const Tensor means = class_means_of(toy, {now.get()});
  for (int64_t c = 2; c < 4; ++c)
    EXPECT_LT(relative_error(second.at(fmt::format("gaussians.means.{}", c)), means[c]), 1e-5);
}

TEST(Ssiat, AMarginMakesItsLossHarder) {
  ToyLearning plain("ssiat", "", kAdaptersTraining),
      with("ssiat", "margin = 0.3", kAdaptersTraining);
  plain.begin(), with.begin();
  const Batch batch = batch_of(plain);
  const Tensor features = plain.trainer.features(*plain.vit, *plain.task->train).features;
  double expected = 0, lowered = 0;
  const Tensor weight = plain.state().at("heads.weights.0");
  for (int64_t i = 0; i < 6; ++i) {
    const int64_t target = batch.target[i].item<int64_t>();
    const double own = cosine(features[i], weight[target]);
    const double other = cosine(features[i], weight[1 - target]);
    expected += std::log1p(std::exp(20 * (other - own))) / 6;
    lowered += std::log1p(std::exp(20 * (other - own + 0.3))) / 6;
  }
  EXPECT_NEAR(plain.learner->loss(batch, {}).item<double>(), expected, 1e-4);
  EXPECT_NEAR(with.learner->loss(batch, {}).item<double>(), lowered, 1e-4);
}

/// MOS's scores of the samples so far, one sample at a time, and under which adapters each was
/// scored.
struct PlainMos {
  Tensor scores;
  std::set<std::pair<int64_t, int64_t>> seen;  // (adapter, sample)
  int64_t switches = 0;

  PlainMos(ToyLearning& toy, int64_t tasks) {
    const State state = toy.state();
    const auto adapters = adapters_of(state, tasks, 16);
    const Tensor weight = doubles(state.at("head.weight")), bias = doubles(state.at("head.bias"));
    const Tensor prototypes = class_means_of(toy, {adapters[0].get()});
    std::vector<Tensor> features;
    for (const auto& adapter : adapters) features.push_back(doubles(toy.features({adapter.get()})));
    const int64_t samples = features[0].size(0), classes = 2 * tasks;
    scores = at::zeros({samples, classes}, at::kDouble);
    for (int64_t i = 0; i < samples; ++i) {
      Tensor guess = at::zeros({classes}, at::kDouble);
      for (int64_t c = 0; c < classes; ++c) guess[c] = cosine(features[0][i], prototypes[c]);
      int64_t task = guess.argmax().item<int64_t>() / 2;
      Tensor z;
      for (int round = 1;; ++round) {
        seen.insert({task, i});
        z = at::matmul(weight, features[size_t(task)][i]) + bias;
        const int64_t wanted = z.argmax().item<int64_t>() / 2;
        if (round == 4 || wanted == task) break;
        task = wanted;
        ++switches;
      }
      scores[i].copy_(at::softmax(z, 0) + at::softmax(guess * double(tasks), 0));
    }
  }
};

TEST(Mos, RefinesEachSampleAndRunsAnAdapterOnlyWhereItIsAsked) {
  ToyLearning toy("mos", kQuick, kAdaptersTraining);
  const auto store = store_for(toy);
  std::set<std::pair<int64_t, int64_t>> known;
  int64_t switches = 0;
  for (int64_t tasks = 1; tasks <= kTasks; ++tasks) {
    toy.learn();
    const auto misses = [&, before = store->counts().misses] {
      return store->counts().misses - before;
    };
    const Tensor scores = toy.scores();
    const int64_t missed = misses();
    toy.vit->set_cache(nullptr);
    const PlainMos plain(toy, tasks);
    toy.vit->set_cache(store);
    EXPECT_LT(relative_error(scores, plain.scores), 1e-5);
    switches += plain.switches;
    const size_t before = known.size();
    known.insert(plain.seen.begin(), plain.seen.end());
    for (int64_t i = 0; i < scores.size(0); ++i) known.insert({0, i});  // the first guess
    EXPECT_EQ(missed, int64_t(known.size() - before)) << tasks;
  }
  EXPECT_GT(switches, 0);
}

// With a learning rate of zero, A after n steps is mean + 0.9^n (A before - mean). With three pulls
// per step, one for each block and one more, as in the authors' release and LAMDA-PILOT, it is
// 0.9^3n.
TEST(Mos, PullsOnceAStepAndNeverOtherwise) {
  for (const std::string compat : {"paper", "authors", "pilot"}) {
    ToyLearning toy("mos", fmt::format("compat = '{}'\n{}", compat, kQuick), kAdaptersTraining);
    toy.learn(), toy.learn();
    const auto earlier = adapters_of(toy.state(), 2, 16);
    toy.begin();
    int steps = 0;
    Trainer still({.epochs = 2, .batch_size = 8, .optimizer = {.lr = 1e-30}}, toy.train, toy.test,
                  toy.pool, toy.seeds, [&] {
                    ++steps;
                    const State now = toy.state();
                    const double kept = std::pow(0.9, compat == "paper" ? steps : 3 * steps);
                    const auto first = nn::tensors(*earlier[0]), second = nn::tensors(*earlier[1]);
                    for (size_t i = 0; i < first.size(); ++i) {
                      const Tensor mean = (first[i].tensor + second[i].tensor) / 2;
                      EXPECT_LT(relative_error(now.at("adapters.2." + first[i].name),
                                               mean + kept * (second[i].tensor - mean)),
                                1e-6)
                          << compat << " " << steps;
                    }
                  });
    toy.learner->fit(*toy.task, still);
    EXPECT_EQ(steps, 4);
    const State before = toy.state();
    (void)toy.scores();
    for (const auto& [key, tensor] : toy.state()) EXPECT_TRUE(at::equal(tensor, before.at(key)));
  }
}

TEST(Mos, KeepsSamplesApartFromEachOtherAndFromClassMeans) {
  ToyLearning toy("mos", "separation = 0.5\n" + kQuick, kAdaptersTraining);
  toy.learn();
  toy.begin();
  const State state = toy.state();
  const Batch batch = batch_of(toy);
  const auto adapter = adapter_of(state, "adapters.1", 16);
  const Tensor f = doubles(toy.vit->features(batch.input, {adapter.get()}));
  std::vector<Tensor> rows = {doubles(state.at("gaussians.means.0")),
                              doubles(state.at("gaussians.means.1"))};
  const Tensor head = doubles(state.at("head.weight"));
  double own = 0, apart = 0;
  for (int64_t i = 0; i < 6; ++i) {
    rows.push_back(f[i]);
    const Tensor z = at::matmul(head.slice(0, 2), f[i]);  // zero bias
    own += (z.logsumexp(0) - z[batch.target[i].item<int64_t>() - 2]).item<double>() / 6;
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    const double self = (rows[i] * rows[i]).sum().item<double>() / 0.8;
    double sum = 0;
    for (const auto& row : rows) sum += std::exp((rows[i] * row).sum().item<double>() / 0.8 - self);
    apart += std::log(sum) / double(rows.size());
  }
  EXPECT_NEAR(toy.learner->loss(batch, {}).item<double>(), own + 0.5 * apart, 1e-4);
}

// For each element the largest magnitude among those with the sum's sign, computed by loops.
Made merged(const std::vector<Made>& adapters, const State& state) {
  auto result = adapter_of(state, "universal", 16);
  const auto to = nn::tensors(*result);
  for (size_t i = 0; i < to.size(); ++i)
    for (int64_t k = 0; k < to[i].tensor.numel(); ++k) {
      float sum = 0, best = 0;
      const auto element = [&](const Made& adapter) {
        return nn::tensors(*adapter)[i].tensor.data_ptr<float>()[k];
      };
      for (const auto& adapter : adapters) sum += element(adapter);
      for (const auto& adapter : adapters)
        if ((sum > 0) == (element(adapter) > 0) && std::abs(element(adapter)) > std::abs(best))
          best = element(adapter);
      to[i].tensor.data_ptr<float>()[k] = best;
    }
  return result;
}

TEST(Tuna, ScoresUnderTheSurestAdapterAndUnderTheMergedOne) {
  ToyLearning toy("tuna", kQuick, kAdaptersTraining);
  for (int task = 0; task < kTasks; ++task) toy.learn();
  const State state = toy.state();
  const auto adapters = adapters_of(state, kTasks, 16);
  const auto universal = merged(adapters, state);
  const auto scores_under = [&](const Made& adapter) {
    const Tensor features = doubles(toy.features({adapter.get()}));
    Tensor z = at::zeros({features.size(0), kClasses}, at::kDouble);
    for (int64_t i = 0; i < z.size(0); ++i)
      for (int64_t c = 0; c < kClasses; ++c)
        z[i][c] = 20 * cosine(features[i],
                              doubles(state.at(fmt::format("heads.weights.{}", c / 2)))[c % 2]);
    return at::softmax(z, 1);
  };
  std::vector<Tensor> own;
  for (const auto& adapter : adapters) own.push_back(scores_under(adapter));
  const auto expected = [&](const Tensor& of_universal) {
    Tensor sum = at::zeros_like(own[0]);
    for (int64_t i = 0; i < sum.size(0); ++i) {
      double least = 1e9;
      for (const auto& p : own) {
        const double entropy = -(p[i] * p[i].log()).sum().item<double>();
        if (entropy < least) least = entropy, sum[i].copy_(p[i] + of_universal[i]);
      }
    }
    return sum;
  };
  const Tensor scores = toy.scores();
  EXPECT_LT(relative_error(scores, expected(scores_under(universal))), 1e-4);
  for (const auto& p : own) EXPECT_GT(relative_error(scores, expected(p)), 1e-3);
}

TEST(Tuna, TurnsAnAdapterAwayFromEarlierOnes) {
  ToyLearning plain("tuna", "", kAdaptersTraining),
      with("tuna", "orthogonality = 1.0", kAdaptersTraining);
  for (auto* toy : {&plain, &with}) toy->learn(), toy->begin();
  const Batch batch = batch_of(plain);
  double overlap = 0;
  for (int block = 0; block < 2; ++block) {
    const Tensor up = plain.state().at(fmt::format("adapters.0.blocks.{}.up.weight", block));
    double sum = 0;
    for (int64_t i = 0; i < kWidth; ++i)
      for (int64_t j = 0; j < kWidth; ++j) sum += cosine(up[i], up[j]);
    overlap += std::abs(sum / double(kWidth * kWidth)) / 2;
  }
  EXPECT_NEAR(
      with.learner->loss(batch, {}).item<double>() - plain.learner->loss(batch, {}).item<double>(),
      std::exp(-2.0) * overlap, 1e-5);
  EXPECT_GT(overlap, 1e-3);
}

}  // namespace
}  // namespace patina
