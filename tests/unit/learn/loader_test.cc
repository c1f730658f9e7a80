// The loader: a batch depends on its order and its generator, not on threads or timing.
#include <gtest/gtest.h>

#include <atomic>

#include "patina/data/dataset.h"
#include "patina/data/sample_access.h"
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
    return at::equal(x.input.pixels(), y.input.pixels()) && at::equal(x.target, y.target) &&
           at::equal(x.sample(), y.sample());
  });
}

// Counts decoded images, which are larger than the transforms' results and not square.
struct Counted : ToySource {
  using ToySource::ToySource;
  mutable std::atomic<int64_t> decoded = 0;
  Image image(int64_t i) const override {
    ++decoded;
    return resize(ToySource::image(i), 30, 40, Interpolation::bicubic);
  }
  Fingerprint fingerprint(int64_t i) const override { return {uint64_t(i), 7}; }
};

struct LoaderRig {
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
  LoaderRig rig;
  const auto one = rig.run(1);
  ASSERT_EQ(one.size(), 4u);
  EXPECT_EQ(one[0].input.pixels().sizes(), at::IntArrayRef({kBatch, 3, 16, 16}));
  EXPECT_EQ(one[3].size(), 15);
  EXPECT_TRUE(same(one, rig.run(2)));
  EXPECT_TRUE(same(one, rig.run(5)));
  EXPECT_FALSE(same(one, rig.run(1, 0, /*seed=*/2)));
}

TEST(Loader, SeekEqualsSkipping) {
  LoaderRig rig;
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
  EXPECT_EQ(items_of(list[0].sample()), (std::vector<int64_t>{12, 7, 7}));
  EXPECT_EQ(items_of(list[0].target), (std::vector<int64_t>{44, 40, 40}));
  EXPECT_EQ(items_of(list[1].sample()), std::vector<int64_t>{29});
  const Image image = source.image(29);
  Tensor expected = at::empty({3, 16, 16});
  for (int c = 0; c < 3; ++c)
    for (int y = 0; y < 16; ++y)
      for (int x = 0; x < 16; ++x) expected[c][y][x] = float(image.row(y)[3 * x + c]) / 255;
  EXPECT_LT((list[1].input.pixels()[0] - expected).abs().max().item<float>(), 1e-6);
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
    EXPECT_TRUE(loader.next()->input.pixels().defined());
    EXPECT_EQ(error_of([&] { loader.next()->input.pixels(); }), "toy[21]: damaged");
    EXPECT_EQ(items_of(loader.next()->sample())[0], 40);

    const ImageFeed random = augmenting();
    Loader eager(data, random, pool, kBatch);
    EXPECT_TRUE(eager.next().has_value());
    EXPECT_EQ(error_of([&] { eager.next(); }), "toy[21]: damaged");
    EXPECT_EQ(items_of(eager.next()->sample())[0], 40);
  }
}

TEST(Loader, MayBeDroppedAtAnyTime) {
  LoaderRig rig;
  ThreadPool pool(2);
  for (int taken = 0; taken < 4; ++taken) {
    Loader loader(rig.data, rig.feed, pool, kBatch);
    for (int i = 0; i < taken; ++i) EXPECT_TRUE(loader.next().has_value());
  }
}

// A pool of one thread works in order, so an empty task ends only after everything that was started
// before it.
struct LazyRig {
  Counted source{3, 40};  // six batches of 20
  Dataset data = whole(source);
  std::shared_ptr<ImageCache> images = std::make_shared<ImageCache>(0);
  ThreadPool pool{1};

  int64_t decoded() {
    pool.for_each(1, [](int64_t) {});
    return source.decoded;
  }
};

TEST(Loader, PreparesTwoBatchesAheadOfARandomFeed) {
  LazyRig rig;
  const ImageFeed feed = augmenting();
  Loader loader(rig.data, feed, rig.pool, kBatch);
  EXPECT_EQ(rig.decoded(), 0);
  for (const int64_t batches : {3, 4, 5, 6, 6, 6}) {
    EXPECT_TRUE(loader.next()->input.data.defined());
    EXPECT_EQ(rig.decoded(), batches * kBatch);
  }
}

TEST(Loader, DecodesNothingThatIsNotRead) {
  LazyRig rig;
  const ImageFeed feed({.size = 16, .normalize = "unit"}, rig.images);
  {
    Loader loader(rig.data, feed, rig.pool, kBatch);
    EXPECT_EQ(batches(loader).size(), 6u);
  }
  EXPECT_EQ(rig.decoded(), 0);
  EXPECT_EQ(rig.images->counts().never_needed, 6 * kBatch);
}

TEST(Loader, DecodesAheadWhileBatchesAreRead) {
  LazyRig rig;
  const ImageFeed feed({.size = 16, .normalize = "unit"}, rig.images);
  {
    Loader loader(rig.data, feed, rig.pool, kBatch);
    auto batch = loader.next();
    EXPECT_EQ(rig.decoded(), 0);
    (void)batch->input.pixels();
    EXPECT_EQ(rig.decoded(), 3 * kBatch);
    (void)batch->input.pixels();
    EXPECT_EQ(rig.decoded(), 3 * kBatch) << "once made, pixels stay";
    batch = loader.next();
    EXPECT_EQ(rig.decoded(), 4 * kBatch);
    batch = loader.next();  // the second was not read, so no more are started
    batch = loader.next();
    EXPECT_EQ(rig.decoded(), 4 * kBatch);
    batch = loader.next();
    EXPECT_EQ(rig.decoded(), 4 * kBatch);
    (void)batch->input.pixels();
    EXPECT_EQ(rig.decoded(), 6 * kBatch);
  }
  EXPECT_EQ(rig.images->counts().never_needed, 0);
}

TEST(Loader, OnlyRowsThatAreReadAreDecoded) {
  LazyRig rig;
  const ImageFeed feed({.size = 16, .normalize = "unit"}, rig.images);
  {
    Loader loader(rig.data, feed, rig.pool, kBatch);
    const auto batch = loader.next();
    EXPECT_EQ(batch->input.size(), kBatch);
    EXPECT_FALSE(batch->input.is_text());
    const Input some = batch->input.slice(4, 9).at(tensor_of(std::vector<int64_t>{3, 0}));
    EXPECT_EQ(some.size(), 2);
    const Tensor pixels = some.pixels();
    EXPECT_EQ(rig.decoded(), 2);
    const Tensor all = batch->input.pixels();
    EXPECT_TRUE(at::equal(pixels, at::stack({all[7], all[4]})));
    EXPECT_TRUE(at::equal(batch->input.at(at::arange(kBatch).flip(0)).pixels(), all.flip(0)));
    EXPECT_EQ(rig.decoded(), 3 * kBatch);
  }
  EXPECT_EQ(rig.images->counts().never_needed, 0);
}

TEST(Loader, ADamagedSampleThatNobodyReadsIsNoError) {
  LazyRig rig;
  rig.source.damage(3);
  const ImageFeed feed = plain();
  Loader loader(rig.data, feed, rig.pool, kBatch);
  const auto batch = loader.next();
  EXPECT_TRUE(batch->input.slice(4, kBatch).pixels().defined());
  EXPECT_EQ(error_of([&] { batch->input.slice(0, 4).pixels(); }), "toy[3]: damaged");
}

TEST(Loader, ABatchMayOutliveIt) {
  LazyRig rig;
  const ImageFeed feed = plain();
  const Input input = Loader(rig.data, feed, rig.pool, kBatch).next()->input;
  EXPECT_EQ(input.pixels().sizes(), at::IntArrayRef({kBatch, 3, 16, 16}));
  EXPECT_EQ(rig.decoded(), kBatch);
}

// Every kind of deterministic start that a transform can have, and two feeds that share a cache.
TEST(Loader, CachedImagesGiveTheSameBits) {
  const TransformOptions resized{.size = 16, .normalize = "clip"};
  std::vector<TransformOptions> all(6, resized);
  all[1].resize = 20;
  all[2].random_crop_padding = 3;
  all[3].random_crop_padding = 3, all[3].resize = 20;
  all[4].random_resized_crop = true;
  all[5].flip = true, all[5].erase = 0.5, all[5].saturation = 0.4;
  LazyRig rig;
  const auto cache = std::make_shared<ImageCache>(1 << 20);
  for (size_t i = 0; i < all.size(); ++i) {
    const ImageFeed bare(all[i]), cached(all[i], cache);
    for (uint64_t epoch = 0; epoch < 3; ++epoch) {
      const auto run = [&](const Feed& feed) {
        Loader loader(rig.data, feed, rig.pool, Seeds(1)("order", epoch).permutation(120), kBatch,
                      Seeds(1)("augment", epoch));
        return batches(loader);
      };
      EXPECT_TRUE(same(run(bare), run(cached))) << i << " " << epoch;
    }
  }
  // Resized (twice: the crop of a padded image and the last), resized and cropped, as stored.
  EXPECT_EQ(cache->counts().decoded, 3 * 120);
  EXPECT_EQ(cache->counts().cached, (6 * 3 - 3) * 120);
}

TEST(Dataset, JoinsInOrder) {
  const ToySource source(2, 4);
  const Dataset both = Dataset(source, {1, 2}, {10, 11}).joined(Dataset(source, {5}, {12}));
  EXPECT_EQ(both.size(), 3);
  EXPECT_EQ(both.targets(), (std::vector<int64_t>{10, 11, 12}));
  EXPECT_EQ(SampleAccess::position(both, 2), 5);
  EXPECT_EQ(whole(source).targets(), (std::vector<int64_t>{0, 1, 0, 1, 0, 1, 0, 1}));
}

}  // namespace
}  // namespace patina
