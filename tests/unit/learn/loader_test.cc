// The loader: what a batch holds depends on its order and its generator, not on threads or timing.
#include <gtest/gtest.h>

#include "patina/data/dataset.h"
#include "patina/ops.h"
#include "tests/support/errors.h"
#include "tests/support/toy_source.h"

namespace patina {
namespace {

constexpr int64_t kBatch = 20;

ImageFeed augmenting() {
  return ImageFeed({.size = 16,
                    .normalize = "inception",
                    .random_resized_crop = true,
                    .flip = true,
                    .brightness = 0.3,
                    .erase = 0.25});
}
ImageFeed plain() {
  return ImageFeed({.size = 16, .normalize = "unit"});
}

std::vector<Batch> batches(Loader& loader) {
  std::vector<Batch> list;
  while (auto batch = loader.next()) list.push_back(std::move(*batch));
  return list;
}

bool same(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  return std::ranges::equal(a, b, [](const Batch& x, const Batch& y) {
    return at::equal(x.input.data, y.input.data) && at::equal(x.target, y.target) &&
           at::equal(x.sample, y.sample);
  });
}

struct Rig {
  ToySource source{3, 25};
  Dataset data = whole(source);
  ImageFeed feed = augmenting();

  std::vector<Batch> run(int threads, int64_t from = 0, uint64_t seed = 1) {
    ThreadPool pool(threads);
    Loader loader(data, feed, pool, Seeds(1)("order").permutation(data.size()), kBatch,
                  Seeds(seed)("augment"));
    loader.seek(from);
    return batches(loader);
  }
};

TEST(Loader, GivesTheSameBatchesForAnyNumberOfThreads) {
  Rig rig;
  const auto one = rig.run(1);
  ASSERT_EQ(one.size(), 4u);
  EXPECT_EQ(one[0].input.data.sizes(), at::IntArrayRef({kBatch, 3, 16, 16}));
  EXPECT_EQ(one[3].size(), 15);
  EXPECT_TRUE(same(one, rig.run(2)));
  EXPECT_TRUE(same(one, rig.run(5)));
  EXPECT_FALSE(same(one, rig.run(1, 0, /*seed=*/2)));
}

TEST(Loader, SeekEqualsSkipping) {
  Rig rig;
  const auto all = rig.run(2);
  for (int64_t from = 1; from <= 4; ++from)
    EXPECT_TRUE(same(rig.run(2, from), {all.begin() + from, all.end()})) << from;
}

TEST(Loader, KeepsTheOrderAndSaysWhatEachSampleIs) {
  const ToySource source(3, 10);
  const Dataset data(source, {7, 3, 29, 0, 12}, {40, 41, 42, 43, 44});
  ThreadPool pool(2);
  const ImageFeed feed = plain();
  Loader loader(data, feed, pool, {4, 0, 0, 2}, 3, Random());
  const auto list = batches(loader);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(items_of(list[0].sample), (std::vector<int64_t>{12, 7, 7}));
  EXPECT_EQ(items_of(list[0].target), (std::vector<int64_t>{44, 40, 40}));
  EXPECT_EQ(items_of(list[1].sample), std::vector<int64_t>{29});
  const Image image = source.image(29);
  Tensor expected = at::empty({3, 16, 16});
  for (int c = 0; c < 3; ++c)
    for (int y = 0; y < 16; ++y)
      for (int x = 0; x < 16; ++x) expected[c][y][x] = float(image.row(y)[3 * x + c]) / 255;
  EXPECT_LT((list[1].input.data[0] - expected).abs().max().item<float>(), 1e-6);
}

TEST(Loader, SurfacesTheFirstDamagedSample) {
  ToySource source(3, 25);
  source.damage(33);
  source.damage(21);
  const Dataset data = whole(source);
  const ImageFeed feed = plain();
  for (const int threads : {1, 5}) {
    ThreadPool pool(threads);
    Loader loader(data, feed, pool, kBatch);
    EXPECT_TRUE(loader.next().has_value());
    EXPECT_EQ(error_of([&] { loader.next(); }), "toy[21]: damaged");
    EXPECT_EQ(items_of(loader.next()->sample)[0], 40);
  }
}

TEST(Loader, MayBeDroppedAtAnyTime) {
  Rig rig;
  ThreadPool pool(2);
  for (int taken = 0; taken < 4; ++taken) {
    Loader loader(rig.data, rig.feed, pool, kBatch);
    for (int i = 0; i < taken; ++i) EXPECT_TRUE(loader.next().has_value());
  }
}

TEST(Dataset, JoinsInOrder) {
  const ToySource source(2, 4);
  const Dataset both = Dataset(source, {1, 2}, {10, 11}).joined(Dataset(source, {5}, {12}));
  EXPECT_EQ(both.size(), 3);
  EXPECT_EQ(both.targets(), (std::vector<int64_t>{10, 11, 12}));
  EXPECT_EQ(both.position(2), 5);
  EXPECT_EQ(whole(source).targets(), (std::vector<int64_t>{0, 1, 0, 1, 0, 1, 0, 1}));
}

}  // namespace
}  // namespace patina
