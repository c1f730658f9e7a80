// Features through a cache: what keys and spaces identify, when nothing may be stored, and that
// runs with and without a cache end with the same bits.
#include <gtest/gtest.h>

#include <fstream>

#include "patina/adapt/adapter.h"
#include "patina/adapt/lora.h"
#include "patina/base/json.h"
#include "patina/config/recipe_file.h"
#include "patina/data/formats/pixels.h"
#include "patina/data/views.h"
#include "patina/image/image.h"
#include "patina/learn/trainer.h"
#include "patina/ops.h"
#include "patina/run/run.h"
#include "tests/support/shared.h"
#include "tests/support/tensors.h"
#include "tests/support/toy_source.h"
#include "tests/support/toy_text.h"

namespace patina {
namespace {

ImageFeed plain() {
  return ImageFeed({.size = 16, .normalize = "inception"});
}

/// A tiny network with a store in memory, and the input of six samples.
struct CachedRig {
  std::shared_ptr<FeatureStore> store = std::make_shared<FeatureStore>(
      FeatureStoreOptions{.cache_bytes = 1 << 20, .cache_folder = "", .cache_disk_bytes = 0});
  std::unique_ptr<ViT> vit = random_vit();
  std::unique_ptr<Backbone> bare = vit->clone();
  ToySource source{3, 2};
  Dataset data = whole(source);
  ImageFeed feed = plain();
  ThreadPool pool{2};

  CachedRig() { vit->set_cache(store); }
  Input input() {
    Loader loader(data, feed, pool, 16);
    return loader.next()->input;
  }
  int64_t misses() const { return store->counts().misses; }
  int64_t hits() const { return store->counts().hits; }
};

TEST(SampleKeys, FollowTheContentAndTheFeedNotThePlace) {
  CachedRig rig;
  const Tensor keys = input_keys(rig.feed, rig.data, rig.pool);
  EXPECT_TRUE(at::equal(rig.input().keys, keys));
  ToySource other(3, 2, 1);
  EXPECT_FALSE((input_keys(rig.feed, whole(other), rig.pool) == keys).any().item<bool>());
  const ImageFeed larger({.size = 24, .normalize = "inception"});
  EXPECT_FALSE((input_keys(larger, rig.data, rig.pool) == keys).any().item<bool>());
  const Dataset backwards(rig.source, {5, 4, 3, 2, 1, 0}, {0, 0, 0, 0, 0, 0});
  EXPECT_TRUE(at::equal(input_keys(rig.feed, backwards, rig.pool).flip(0), keys));
  EXPECT_TRUE(at::equal(rig.input().slice(2, 4).keys, keys.slice(0, 2, 4)));
}

TEST(SampleKeys, ARandomFeedGivesNone) {
  CachedRig rig;
  const ImageFeed flipping({.size = 16, .normalize = "inception", .flip = true});
  EXPECT_FALSE(flipping.deterministic());
  Loader loader(rig.data, flipping, rig.pool, 16);
  EXPECT_FALSE(loader.next()->input.keys.defined());
}

TEST(SampleKeys, PixelsFilesAndTextsAreToldApart) {
  const Pixels::Shape labelled{.height = 2, .width = 2, .before = 1}, wide{.height = 1, .width = 4};
  const Pixels one(labelled, {{"one", {9, 1, 2, 3, 4, 8, 1, 2, 3, 5}, 0, 2}}, {0, 1}, {"a", "b"});
  const Pixels two(labelled, {{"two", {7, 1, 2, 3, 4}, 0, 1}}, {0}, {"a"});
  const Pixels flat(wide, {{"flat", {1, 2, 3, 4}, 0, 1}}, {0}, {"a"});
  EXPECT_EQ(one.fingerprint(0), two.fingerprint(0)) << "labels are no part of an image";
  EXPECT_NE(one.fingerprint(0), one.fingerprint(1));
  EXPECT_NE(one.fingerprint(0), flat.fingerprint(0));
  const Selection second(std::make_shared<Pixels>(one), {1});
  EXPECT_EQ(second.fingerprint(0), one.fingerprint(1));
}

TEST(CachedFeatures, AreTheSameBitsAndComputedOnce) {
  CachedRig rig;
  const Tensor cold = rig.vit->features(rig.input()), warm = rig.vit->features(rig.input());
  const Tensor bare = rig.bare->features(rig.input());
  EXPECT_TRUE(at::equal(cold, bare));
  EXPECT_TRUE(at::equal(warm, bare));
  EXPECT_EQ(rig.misses(), 6);
  EXPECT_EQ(rig.hits(), 6);
  EXPECT_EQ(rig.store->counts().saved_forward_passes, 1);
}

TEST(CachedFeatures, OnlyRowsThatMissAreEncoded) {
  CachedRig rig;
  const Input input = rig.input();
  (void)rig.vit->features(input.slice(1, 3));
  EXPECT_LT(relative_error(rig.vit->features(input), rig.bare->features(input)), 1e-6);
  EXPECT_EQ(rig.misses(), 6);
  EXPECT_EQ(rig.hits(), 2);
}

TEST(CachedFeatures, InputWithoutKeysPassesBy) {
  CachedRig rig;
  (void)rig.vit->features(rig.input().pixels());
  EXPECT_EQ(rig.store->counts().encoded, 6);
  EXPECT_EQ(rig.misses() + rig.hits(), 0);
}

TEST(CachedFeatures, AWeightChangedInPlaceOrReplacedIsNoticed) {
  CachedRig rig;
  const Input input = rig.input();
  const Tensor before = rig.vit->features(input);
  const auto weights = nn::tensors(*rig.vit);
  const Tensor kept = weights[3].tensor.clone();
  weights[3].tensor.detach().mul_(1.5);
  const Tensor after = rig.vit->features(input);
  EXPECT_GT(relative_error(after, before), 1e-3);
  EXPECT_EQ(rig.misses(), 12);
  weights[3].tensor.copy_(kept);
  EXPECT_TRUE(at::equal(rig.vit->features(input), before));
  EXPECT_EQ(rig.misses(), 12) << "the old weights' features are still there";
  nn::Walk replace([](const std::string&, Tensor& tensor) { tensor = tensor * 1.25; });
  rig.vit->walk(replace);
  (void)rig.vit->features(input);
  EXPECT_EQ(rig.misses(), 18);
}

TEST(CachedFeatures, EqualWeightsOfAnotherNetworkAreAnotherSpace) {
  CachedRig rig;
  ViTShape more_heads = kTinyViT;
  more_heads.heads = 6;
  const auto other = random_vit(more_heads);
  other->set_cache(rig.store);
  (void)rig.vit->features(rig.input());
  EXPECT_GT(relative_error(other->features(rig.input()), rig.vit->features(rig.input())), 1e-4);
  EXPECT_EQ(rig.misses(), 12);
}

TEST(CachedFeatures, ACopySharesThem) {
  CachedRig rig;
  (void)rig.vit->features(rig.input());
  const auto copy = rig.vit->clone();
  (void)copy->features(rig.input());
  EXPECT_EQ(rig.hits(), 6);
  nn::tensors(*copy)[0].tensor.mul_(1.5);
  (void)copy->features(rig.input());
  EXPECT_EQ(rig.misses(), 12);
}

TEST(CachedFeatures, NothingIsKeptWhileAWeightTakesAGradient) {
  CachedRig rig;
  nn::tensors(*rig.vit)[0].tensor.requires_grad_(true);
  EXPECT_TRUE(rig.vit->features(rig.input()).requires_grad());
  EXPECT_EQ(rig.misses(), 0);
}

TEST(CachedFeatures, AdaptationsArePartOfTheSpaceOnceFrozen) {
  CachedRig rig;
  Random random = Seeds(1)("adaptation");
  adapt::Adapter adapter({.bottleneck = 4, .scale = 0.5}, 24, 2, random);
  nn::Walk fill([](const std::string&, Tensor& tensor) {
    tensor = random_tensor(tensor.sizes().vec(), 3, 0.5).requires_grad_(true);
  });
  adapter.walk(fill);
  EXPECT_TRUE(rig.vit->features(rig.input(), {&adapter}).requires_grad());
  EXPECT_EQ(rig.misses(), 0);
  nn::freeze(adapter);
  const Tensor adapted = rig.vit->features(rig.input(), {&adapter});
  EXPECT_TRUE(at::equal(rig.vit->features(rig.input(), {&adapter}), adapted));
  EXPECT_EQ(rig.misses(), 6);
  EXPECT_GT(relative_error(rig.vit->features(rig.input()), adapted), 1e-3);
  EXPECT_EQ(rig.misses(), 12);
  nn::tensors(adapter)[0].tensor.mul_(2);
  EXPECT_GT(relative_error(rig.vit->features(rig.input(), {&adapter}), adapted), 1e-3);
  EXPECT_EQ(rig.misses(), 18);
}

// An adaptation's options are part of the space: with other options the same tensors give other
// features.
TEST(CachedFeatures, AnAdaptationsOptionsCount) {
  CachedRig rig;
  const auto lora = [](double alpha) {
    Random random = Seeds(1)("lora");
    auto made = std::make_unique<adapt::Lora>(adapt::LoraOptions{.rank = 2, .alpha = alpha},
                                              nn::BlockShape{.width = 24, .heads = 3, .hidden = 40},
                                              2, random);
    nn::freeze(*made);
    return made;
  };
  (void)rig.vit->features(rig.input(), {lora(4).get()});
  (void)rig.vit->features(rig.input(), {lora(8).get()});
  EXPECT_EQ(rig.misses(), 12);
}

TEST(CachedFeatures, AnAdaptationThatDoesNotSayWhatItIsPassesBy) {
  struct Counting : nn::Adaptation {
    int64_t passes = 0;
    Tensor after(nn::Site site, int, const Tensor&, Tensor out) override {
      passes += site == nn::Site::norm;
      return out;
    }
  } counting;
  CachedRig rig;
  for (int i = 0; i < 3; ++i) (void)rig.vit->features(rig.input(), {&counting});
  EXPECT_EQ(counting.passes, 3);
  EXPECT_EQ(rig.misses(), 0);
}

TEST(CachedFeatures, AKnownSampleIsNotLoaded) {
  struct Counted : ToySource {
    using ToySource::ToySource;
    mutable std::atomic<int64_t> decoded = 0;
    Image image(int64_t i) const override {
      ++decoded;
      return ToySource::image(i);
    }
    Fingerprint fingerprint(int64_t i) const override { return {uint64_t(i), 7}; }
  } source(3, 100);
  CachedRig rig;
  const Seeds seeds(1);
  Trainer trainer({}, rig.feed, rig.feed, rig.pool, seeds);
  const Dataset all = whole(source);
  const Dataset first(source, {0, 1, 2}, {0, 1, 2});
  (void)trainer.features(*rig.vit, first);
  EXPECT_EQ(source.decoded, 3);
  const auto cold = trainer.features(*rig.vit, all);
  EXPECT_EQ(source.decoded, 300);
  const auto warm = trainer.features(*rig.vit, all);
  EXPECT_EQ(source.decoded, 300);
  EXPECT_TRUE(at::equal(warm.features, cold.features));
  EXPECT_LT(relative_error(cold.features, trainer.features(*rig.bare, all).features), 1e-6);
  EXPECT_EQ(source.decoded, 600);
  EXPECT_EQ(rig.store->counts().saved_forward_passes, 3);
}

TEST(CachedFeatures, TextsAreKeptByTheirWordsAndTheirLength) {
  CachedRig rig;
  MeanOfWords words, bare;
  words.set_cache(rig.store);
  const ToyTexts texts(3, 10);
  const Dataset data = whole(texts);
  const TextFeed feed(*words.tokenizer(), {.max_length = 16});
  const TextFeed cut(*words.tokenizer(), {.max_length = 4});
  const auto features = [&](const Backbone& network, const TextFeed& by) {
    return Trainer({}, by, by, rig.pool, Seeds(1)).features(network, data).features;
  };
  const Tensor plain = features(bare, feed);
  EXPECT_TRUE(at::equal(features(words, feed), plain));
  const int64_t misses = rig.misses();
  EXPECT_GT(misses, 20);
  EXPECT_TRUE(at::equal(features(words, feed), plain));
  EXPECT_EQ(rig.misses(), misses);
  EXPECT_TRUE(at::equal(features(words, cut), features(bare, cut)));
  EXPECT_EQ(rig.misses(), 2 * misses);
}

// Runs with a cache must give the same matrix and predictions as runs without.
struct Runs {
  fs::path folder;
  DataSplits data = toy_data(6, 20, 10);
  EngineOptions engine;

  explicit Runs(const std::string& name) : folder(scratch_folder(name)) {
    engine.cache_folder = (folder / "cache").string();
  }
  struct Outcome {
    Json record;
    std::string predictions;
  };
  Outcome run(const std::string& learner, const std::string& out, bool cache) {
    // Without an adaptation to the first task: adapted networks are trained first, so their
    // features are never in the cache.
    const bool adapts = learner == "ranpac" || learner == "fecam";
    auto file = RecipeFile::parse(fmt::format("data.name = \"mnist\"\n[learner]\nname = \"{}\"\n{}"
                                              "[scenario]\nclasses_per_task = 2\n"
                                              "[training]\nepochs = 1\nbatch_size = 16\n",
                                              learner, adapts ? "adaptation = \"none\"\n" : ""),
                                  "toy.toml");
    Recipe recipe;
    file.bind(recipe);
    file.finish();
    recipe.engine = engine;
    const auto vit = random_vit();
    Outcome outcome;
    outcome.record = patina::run(recipe, data, *vit, folder / out, {.cache = cache});
    outcome.predictions = read_text(folder / out / "predictions.safetensors");
    return outcome;
  }
  void expect_equal(const std::string& learner) {
    const auto without = run(learner, learner + "-without", false);
    EXPECT_TRUE(without.record["engine"]["cache"].is_null());
    EXPECT_EQ(without.record["engine"]["images"], images(120 + 120, 0, 0));
    for (const char* name : {"cold", "warm"}) {
      const auto with = run(learner, learner + "-" + name, true);
      for (const char* part : {"matrix", "top5_matrix", "accuracy_after_task", "metrics"})
        EXPECT_EQ(with.record[part], without.record[part]) << learner << " " << name << " " << part;
      EXPECT_EQ(with.predictions, without.predictions) << learner << " " << name;
      last = with.record["engine"]["cache"];
      last_images = with.record["engine"]["images"];
    }
  }
  static Json images(int64_t decoded, int64_t cached, int64_t never_needed) {
    return {{"decoded", decoded}, {"cached", cached}, {"never_needed", never_needed}};
  }
  Json last, last_images;  // the warm run's counts
};

TEST(CachedRuns, EndWithTheSameBits) {
  Runs runs("cached-runs");
  for (const char* learner : {"simplecil", "ranpac", "fecam"}) {
    runs.expect_equal(learner);
    EXPECT_EQ(runs.last["misses"], 0) << learner;
    EXPECT_EQ(runs.last["encoded"], 0) << learner;
    EXPECT_EQ(runs.last["hits"], 120 + 20 + 40 + 60) << learner;
    EXPECT_EQ(runs.last["saved_forward_passes"], 3 + 1 + 2 + 3) << learner;
    EXPECT_EQ(runs.last_images, Runs::images(0, 0, 120 + 20 + 40 + 60)) << learner;
  }
}

TEST(CachedRuns, LearnersShareWhatTheFirstComputed) {
  Runs runs("cached-learners");
  const auto first = runs.run("simplecil", "a", true), second = runs.run("ranpac", "b", true);
  EXPECT_EQ(first.record["engine"]["cache"]["misses"], 120 + 60);
  EXPECT_EQ(second.record["engine"]["cache"]["misses"], 0);
  EXPECT_EQ(first.record["engine"]["images"], Runs::images(120 + 60, 0, 20 + 40));
  EXPECT_EQ(second.record["engine"]["images"], Runs::images(0, 0, 240));
}

TEST(CachedRuns, WhatIsTrainedIsNeverKept) {
  Runs runs("cached-finetune");
  runs.expect_equal("finetune");
  EXPECT_EQ(runs.last["hits"], 0);
  EXPECT_EQ(runs.last["misses"], 0);
  EXPECT_EQ(runs.last["encoded"], 120 + 20 + 40 + 60);
  EXPECT_FALSE(fs::exists(runs.folder / "cache"));
  // Every image has to pass through the network, but is decoded only once.
  EXPECT_EQ(runs.last_images, Runs::images(120 + 60, 20 + 40, 0));
  runs.engine.image_cache_bytes = 0;
  EXPECT_EQ(runs.run("finetune", "uncached", true).record["engine"]["images"],
            Runs::images(240, 0, 0));
}

}  // namespace
}  // namespace patina
