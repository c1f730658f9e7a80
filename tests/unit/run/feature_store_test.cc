// The feature store by itself: its cap, its files, other processes' files, and every kind of
// damage.
#include "patina/store/feature_store.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <thread>

#include "patina/ops.h"
#include "tests/support/errors.h"
#include "tests/support/heard.h"
#include "tests/support/shared.h"
#include "tests/support/tensors.h"

namespace patina {
namespace {

constexpr int64_t kWidth = 8, kRows = 5;
constexpr int64_t kBlockBytes = kRows * (16 + 4 * kWidth);  // a key and its features, each row
const std::string kSpace(32, 'a'), kOther(32, 'b');

Tensor keys_of(int64_t seed, int64_t rows = kRows) {
  return at::arange(2 * rows).reshape({rows, 2}) + 1000 * seed;
}
Tensor features_of(int64_t seed) {
  return random_tensor({kRows, kWidth}, uint64_t(seed));
}

FeatureStoreOptions on(const fs::path& folder, int64_t memory = 1 << 20) {
  return {.cache_bytes = memory, .cache_folder = folder.string()};
}
FeatureStoreOptions in_memory(int64_t memory) {
  return {.cache_bytes = memory, .cache_folder = "", .cache_disk_bytes = 0};
}

void add(FeatureStore& store, const std::string& space, int64_t seed) {
  store.add(space, keys_of(seed), features_of(seed));
}

/// True if all features of `seed` are stored with the same bits, false if none is.
bool knows(FeatureStore& store, const std::string& space, int64_t seed) {
  Tensor found = at::zeros({kRows, kWidth});
  const auto missing = store.find(space, keys_of(seed), found);
  if (missing.empty()) {
    EXPECT_TRUE(at::equal(found, features_of(seed))) << seed;
  } else {
    EXPECT_EQ(int64_t(missing.size()), kRows);
  }
  return missing.empty();
}

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files.push_back(entry.path());
  return files;
}

std::string bytes_of(const fs::path& path) {
  return read_text(path);
}

TEST(FeatureStore, AnswersRowByRowAndCounts) {
  FeatureStore store(in_memory(1 << 20));
  add(store, kSpace, 1);
  store.passed_by(7);
  Tensor found = at::zeros({2 * kRows, kWidth});
  const auto missing = store.find(kSpace, at::cat({keys_of(2), keys_of(1)}), found);
  EXPECT_EQ(missing, (std::vector<int64_t>{0, 1, 2, 3, 4}));
  EXPECT_TRUE(at::equal(found.slice(0, kRows), features_of(1)));
  EXPECT_TRUE(at::equal(found.slice(0, 0, kRows), at::zeros({kRows, kWidth})));
  EXPECT_TRUE(knows(store, kSpace, 1));
  EXPECT_FALSE(knows(store, kOther, 1));
  const auto counts = store.counts();
  EXPECT_EQ(counts.hits, 2 * kRows);
  EXPECT_EQ(counts.misses, kRows);
  EXPECT_EQ(counts.encoded, kRows + 7);
  EXPECT_EQ(counts.saved_forward_passes, 1);
  EXPECT_EQ(store.bytes_in_memory(), kBlockBytes);
  add(store, kSpace, 1);  // as if two threads had computed the same
  EXPECT_EQ(store.bytes_in_memory(), kBlockBytes);
}

TEST(FeatureStore, WithoutADiskForgetsTheLeastRecentlyUsed) {
  FeatureStore store(in_memory(2 * kBlockBytes));
  add(store, kSpace, 1);
  add(store, kOther, 2);
  EXPECT_TRUE(knows(store, kSpace, 1));
  add(store, kSpace, 3);
  EXPECT_LE(store.bytes_in_memory(), 2 * kBlockBytes);
  EXPECT_FALSE(knows(store, kOther, 2));
  EXPECT_TRUE(knows(store, kSpace, 1));
  EXPECT_TRUE(knows(store, kSpace, 3));
  add(store, kSpace, 4);  // a space that alone exceeds the limit drops the features it got first
  EXPECT_FALSE(knows(store, kSpace, 1));
  EXPECT_TRUE(knows(store, kSpace, 4));
}

TEST(FeatureStore, WithADiskForgetsNothingAndMovesTheLeastRecentlyUsed) {
  const auto folder = scratch_folder("store-eviction");
  FeatureStore store(on(folder, 2 * kBlockBytes));
  add(store, kOther, 2);
  add(store, kSpace, 1);
  EXPECT_TRUE(files_in(folder).empty());
  add(store, kSpace, 3);
  EXPECT_EQ(store.bytes_in_memory(), 2 * kBlockBytes);
  ASSERT_EQ(files_in(folder).size(), 1u);
  EXPECT_EQ(files_in(folder)[0].parent_path().filename(), kOther);
  EXPECT_TRUE(knows(store, kOther, 2));
  EXPECT_TRUE(knows(store, kSpace, 1));
  EXPECT_TRUE(knows(store, kSpace, 3));
}

TEST(FeatureStore, TheDiskHasACapAndTheOldestGoFirst) {
  const auto folder = scratch_folder("store-disk-cap");
  write_text(folder / "notes.safetensors", "not ours");
  {
    FeatureStore store(on(folder));
    add(store, kSpace, 1);
  }
  const auto first = files_in(folder / kSpace)[0];
  const int64_t bytes = int64_t(fs::file_size(first));
  fs::last_write_time(first, fs::last_write_time(first) - std::chrono::hours(1));
  {
    auto options = on(folder);
    options.cache_disk_bytes = 2 * bytes;
    FeatureStore store(options);
    add(store, kOther, 2);
    store.flush();
    EXPECT_TRUE(fs::exists(first));
    EXPECT_TRUE(knows(store, kSpace, 1));
    add(store, kOther, 3);
    store.flush();
    EXPECT_FALSE(fs::exists(first));
    EXPECT_TRUE(knows(store, kSpace, 1)) << "what is open stays readable";
  }
  FeatureStore later(on(folder));
  EXPECT_FALSE(knows(later, kSpace, 1));
  EXPECT_TRUE(knows(later, kOther, 2));
  EXPECT_TRUE(knows(later, kOther, 3));
  EXPECT_EQ(bytes_of(folder / "notes.safetensors"), "not ours");
}

TEST(FeatureStore, TwoOnOneFolderReadWhatTheOtherFinished) {
  const auto folder = scratch_folder("store-two");
  FeatureStore one(on(folder)), two(on(folder));
  EXPECT_FALSE(knows(two, kSpace, 1));
  add(one, kSpace, 1);
  EXPECT_FALSE(knows(two, kSpace, 1)) << "not finished yet";
  one.flush();
  add(two, kSpace, 2);
  two.flush();
  EXPECT_TRUE(knows(two, kSpace, 1));
  EXPECT_TRUE(knows(one, kSpace, 2));
  EXPECT_EQ(files_in(folder).size(), 2u);
}

TEST(FeatureStore, EveryFlippedBitAndEveryTruncationIsNoticed) {
  const auto folder = scratch_folder("store-damage");
  {
    FeatureStore store(on(folder));
    add(store, kSpace, 1);
  }
  const fs::path file = files_in(folder)[0];
  const std::string whole = bytes_of(file);
  const auto opened = [&](const std::string& bytes) -> std::optional<FeatureSegment> {
    std::ofstream(file, std::ios::binary) << bytes;
    try {
      return FeatureSegment::open(file, kSpace, kWidth);
    } catch (const Error&) {
      return std::nullopt;
    }
  };
  const Tensor features = features_of(1);
  const auto is_right = [&](const FeatureSegment& segment) {
    return segment.rows() == kRows && segment.key(0) == FeatureKey{1000, 1001} &&
           std::memcmp(segment.features(0), features.data_ptr(), features.nbytes()) == 0;
  };
  ASSERT_TRUE(opened(whole) && is_right(*opened(whole)));
  int64_t unnoticed = 0;
  for (size_t bit = 0; bit < 8 * whole.size(); bit += 3) {  // every place in a byte has its turn
    std::string flipped = whole;
    flipped[bit / 8] = char(uint8_t(flipped[bit / 8]) ^ (1u << (bit % 8)));
    const auto segment = opened(flipped);
    unnoticed += segment.has_value();
    EXPECT_TRUE(!segment || is_right(*segment)) << "bit " << bit;
  }
  EXPECT_LE(unnoticed, 8) << "in the header's padding, which says nothing";
  for (size_t length = 0; length < whole.size(); ++length)
    EXPECT_FALSE(opened(whole.substr(0, length))) << length;
  EXPECT_FALSE(opened(whole + "x"));
}

TEST(FeatureStore, ADamagedFileIsSaidOnceDeletedAndComputedAgain) {
  const auto folder = scratch_folder("store-again");
  {
    FeatureStore store(on(folder));
    add(store, kSpace, 1);
  }
  const fs::path file = files_in(folder)[0];
  fs::resize_file(file, fs::file_size(file) - 3);
  fs::create_directory(folder / kSpace / "a-folder.safetensors");
  ::mkfifo((folder / kSpace / "a-pipe.safetensors").c_str(), 0600);
  FeatureStore store(on(folder));
  const Heard heard;
  EXPECT_FALSE(knows(store, kSpace, 1));
  EXPECT_FALSE(knows(store, kSpace, 1));
  const std::string said = heard.text();
  EXPECT_EQ(std::ranges::count(said, '\n'), 3) << said;
  EXPECT_TRUE(
      contains(said, "stored features cannot be used and are computed again: " + file.string()));
  EXPECT_FALSE(fs::exists(file));
  add(store, kSpace, 1);
  store.flush();
  EXPECT_TRUE(knows(store, kSpace, 1));
}

TEST(FeatureStore, AFileOfAnotherWidthOrSpaceIsRefused) {
  const auto folder = scratch_folder("store-width");
  {
    FeatureStore store(on(folder));
    add(store, kSpace, 1);
  }
  const fs::path file = files_in(folder)[0];
  EXPECT_TRUE(contains(error_of([&] { (void)FeatureSegment::open(file, kSpace, kWidth + 1); }),
                       "does not have 9 features per sample"));
  EXPECT_TRUE(contains(error_of([&] { (void)FeatureSegment::open(file, kOther, kWidth); }),
                       "not the features of this network"));
}

TEST(FeatureStore, AFolderThatCannotBeWrittenIsSaidOnce) {
  const auto folder = scratch_folder("store-unwritable");
  write_text(folder / "file", "in the way");
  const Heard heard;
  {
    FeatureStore store(on(folder / "file"));
    add(store, kSpace, 1);
    store.flush();
    add(store, kSpace, 2);
    store.flush();
    EXPECT_TRUE(knows(store, kSpace, 1));
    EXPECT_TRUE(knows(store, kSpace, 2));
  }
  const std::string said = heard.text();
  EXPECT_EQ(std::ranges::count(said, '\n'), 1) << said;
  EXPECT_TRUE(contains(said, "features are kept in memory only: ")) << said;
}

TEST(FeatureStore, AFullDiskLeavesNothingBehind) {
  const auto folder = scratch_folder("store-full");
  FeatureStore store(on(folder));
  add(store, kSpace, 1);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit full{.rlim_cur = 100, .rlim_max = before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &full);
  store.flush();
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_TRUE(files_in(folder).empty());
  EXPECT_TRUE(knows(store, kSpace, 1));
  EXPECT_EQ(store.bytes_in_memory(), kBlockBytes);
}

// Writers of overlapping rows and readers run at once, with a cap so small that files are written
// all the time: every row that is found has the right bits.
TEST(FeatureStore, ServesManyThreads) {
  const auto folder = scratch_folder("store-threads");
  FeatureStore store(on(folder, 2 * kBlockBytes));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int64_t seed = 0; seed < 12; ++seed) {
        if (!knows(store, t % 2 ? kSpace : kOther, seed)) add(store, t % 2 ? kSpace : kOther, seed);
        EXPECT_TRUE(knows(store, t % 2 ? kSpace : kOther, seed));
      }
    });
  for (auto& thread : threads) thread.join();
  const auto counts = store.counts();
  EXPECT_EQ(counts.hits % kRows, 0);
  EXPECT_GE(counts.misses, 2 * 12 * kRows);
  EXPECT_LE(store.bytes_in_memory(), 2 * kBlockBytes);
}

}  // namespace
}  // namespace patina
