// What may be called from several threads at once: a shared network's features, with and without a
// cache, and the scores of learners on one network, one thread per learner. Results have the same
// bits as with one thread.
#include <gtest/gtest.h>

#include <latch>
#include <thread>

#include "patina/base/json.h"
#include "patina/store/feature_store.h"
#include "tests/support/kinds.h"
#include "tests/support/toy_world.h"

namespace patina {
namespace {

// Calls body(0), body(1)... from as many threads, at the same time.
void at_once(int threads, const std::function<void(int)>& body) {
  std::latch together(threads);
  std::vector<std::jthread> list;
  for (int i = 0; i < threads; ++i)
    list.emplace_back([&, i] {
      NoGrad no_grad;
      together.arrive_and_wait();
      body(i);
    });
}

constexpr int kThreads = 4, kRounds = 5;

// Batches of two samples as a family takes them, all different, with keys.
std::vector<Input> inputs_for(const TinyFamily& family) {
  std::vector<Input> inputs;
  for (int i = 0; i < 6; ++i) {
    Input input = family.input.is_text() ? tiny_text(5 + i)
                                         : Input(random_tensor({2, 3, 16, 16}, uint64_t(i) + 1));
    input.keys = at::arange(4 * i, 4 * i + 4).reshape({2, 2});
    inputs.push_back(std::move(input));
  }
  return inputs;
}

std::shared_ptr<FeatureStore> store_of(int64_t bytes) {
  return std::make_shared<FeatureStore>(
      FeatureStoreOptions{.cache_bytes = bytes, .cache_folder = "", .cache_disk_bytes = 0});
}

// Every thread computes every batch, each starting with another, so that several pack a network's
// weights, compute its hash and add a batch to the cache at once.
void expect_same_bits(const TinyFamily& family, const nn::Adaptations& adaptations,
                      const std::shared_ptr<const nn::Engine>& engine,
                      const std::shared_ptr<FeatureStore>& store) {
  const auto inputs = inputs_for(family);
  const auto alone = family.network->clone();
  alone->set_engine(engine);
  std::vector<Tensor> expected;
  {
    NoGrad no_grad;
    for (const auto& input : inputs) expected.push_back(alone->features(input, adaptations));
  }
  const auto shared = family.network->clone();
  shared->set_engine(engine);
  shared->set_cache(store);
  std::vector<std::vector<Tensor>> found(kThreads);
  at_once(kThreads, [&](int thread) {
    for (size_t i = 0; i < kRounds * inputs.size(); ++i)
      found[size_t(thread)].push_back(
          shared->features(inputs[(i + size_t(thread)) % inputs.size()], adaptations));
  });
  for (int thread = 0; thread < kThreads; ++thread)
    for (size_t i = 0; i < kRounds * inputs.size(); ++i)
      ASSERT_TRUE(
          at::equal(found[size_t(thread)][i], expected[(i + size_t(thread)) % inputs.size()]))
          << "thread " << thread << ", request " << i;
  if (!store) return;
  const auto counts = store->counts();
  EXPECT_EQ(counts.hits + counts.misses, int64_t(kThreads * kRounds * 2 * inputs.size()));
}

class Concurrent : public testing::TestWithParam<std::string> {
 protected:
  TinyFamily family_ = tiny_family(GetParam());
};

TEST_P(Concurrent, FeaturesAreTheBitsOfOneThread) {
  expect_same_bits(family_, {}, nn::plain_engine(), nullptr);
  expect_same_bits(family_, {}, nn::packed_engine(nn::Precision::fp32), nullptr);
  expect_same_bits(family_, {}, nn::packed_engine(nn::Precision::bf16), nullptr);
}

TEST_P(Concurrent, FeaturesThroughACacheAreThemToo) {
  const auto engine = nn::packed_engine(nn::Precision::fp32);
  const auto all = store_of(1 << 20);
  expect_same_bits(family_, {}, engine, all);
  EXPECT_GT(all->counts().hits, 0);
  expect_same_bits(family_, {}, engine, store_of(700));  // drops features all the time
}

TEST_P(Concurrent, SharedAdaptationsAreThemToo) {
  for (const auto& kind : adapt::kinds()) {
    SCOPED_TRACE(kind.name);
    const auto made = adapt::make_stirred(kind, family_);
    for (auto& own : nn::tensors(*made)) own.tensor.requires_grad_(false);
    expect_same_bits(family_, {made.get()}, nn::packed_engine(nn::Precision::fp32),
                     store_of(1 << 20));
  }
}

INSTANTIATE_TEST_SUITE_P(Families, Concurrent, testing::ValuesIn(tiny_families()),
                         [](const auto& info) { return info.param; });

// One learner of every family of methods that does not change the network.
TEST(ConcurrentLearners, ScoreAsTheyDoOneAfterAnother) {
  const std::vector<std::string> names = {
      "simplecil", "aper", "ranpac",     "fecam",       "ease", "ssiat", "slda", "recursive_ridge",
      "mvp",       "vpt",  "dualprompt", "coda_prompt", "l2p",  "dap",   "lae",  "tuna"};
  const auto network = kImages.network("simplecil");
  network->set_engine(nn::packed_engine(nn::Precision::fp32));
  network->set_cache(store_of(1 << 20));
  std::vector<std::unique_ptr<ToyDrive>> drives;
  std::vector<Tensor> expected;
  const auto scores = [&](size_t i) {
    return drives[i]->learner->scores(drives[i]->test_batch(0));
  };
  for (const auto& name : names) {
    drives.push_back(
        std::make_unique<ToyDrive>(name, toy_recipe(name, 1), kImages.data(4, 4), *network));
    for (int task = 0; task < 2; ++task) drives.back()->learn(*drives.back()->stream.next());
    for (const auto& item : nn::tensors(*network))
      ASSERT_FALSE(item.tensor.requires_grad()) << name << " trains the network that all share";
  }
  for (size_t i = 0; i < names.size(); ++i) expected.push_back(scores(i));
  std::vector<std::vector<Tensor>> found(names.size());
  at_once(int(names.size()), [&](int i) {
    for (int round = 0; round < kRounds; ++round) found[size_t(i)].push_back(scores(size_t(i)));
  });
  for (size_t i = 0; i < names.size(); ++i)
    for (const auto& again : found[i]) EXPECT_TRUE(at::equal(again, expected[i])) << names[i];
}

}  // namespace
}  // namespace patina
