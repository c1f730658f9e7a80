// Feature stores that were filled apart and are joined: every sample with the same bits, nothing of
// a damaged part, and nothing half done.
#include "patina/store/joined_stores.h"

#include <gtest/gtest.h>

#include <fstream>

#include "patina/base/file_lock.h"
#include "patina/ops.h"
#include "patina/store/feature_store.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/tensors.h"

namespace patina {
namespace {

constexpr int64_t kStoredWidth = 6, kStoredRows = 3;
const std::string kFirstSpace(32, 'c'), kSecondSpace(32, 'd');

Tensor stored_keys(int64_t seed) {
  return at::arange(2 * kStoredRows).reshape({kStoredRows, 2}) + 100 * seed;
}
Tensor stored_features(int64_t seed) {
  return random_tensor({kStoredRows, kStoredWidth}, uint64_t(seed));
}
FeatureStoreOptions stored_in(const fs::path& folder) {
  FeatureStoreOptions options;
  options.cache_folder = folder.string();
  return options;
}

fs::path part_with(const fs::path& folder, const std::string& space,
                   const std::vector<int64_t>& seeds) {
  FeatureStore store(stored_in(folder));
  for (const int64_t seed : seeds) {
    store.add(space, stored_keys(seed), stored_features(seed));
    store.flush();
  }
  return folder;
}

bool holds_bits(const fs::path& folder, const std::string& space, int64_t seed) {
  FeatureStore store(stored_in(folder));
  Tensor found = at::zeros({kStoredRows, kStoredWidth});
  return store.find(space, stored_keys(seed), found).empty() &&
         at::equal(found, stored_features(seed));
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) names.push_back(fs::relative(entry, folder).string());
  std::ranges::sort(names);
  return names;
}

TEST(JoinedStores, HoldWhatEachPartHolds) {
  const auto folder = scratch_folder("joined");
  const auto a = part_with(folder / "a", kFirstSpace, {1, 2}),
             b = part_with(folder / "b", kFirstSpace, {3});
  const auto c = part_with(folder / "c", kSecondSpace, {1});
  const JoinedStores joined = join_stores({a, b, c}, folder / "all/");
  EXPECT_EQ(joined.samples, 4 * kStoredRows);
  EXPECT_EQ(joined.files, 4);
  EXPECT_EQ(joined.added, 4);
  for (const int64_t seed : {1, 2, 3}) EXPECT_TRUE(holds_bits(folder / "all", kFirstSpace, seed));
  EXPECT_TRUE(holds_bits(folder / "all", kSecondSpace, 1));
  EXPECT_FALSE(holds_bits(folder / "all", kSecondSpace, 2));
  EXPECT_FALSE(fs::exists(folder / "all.merging"));
  // The names are those of the contents, so that parts joined again, in another order or as copies
  // change nothing.
  const auto before = names_in(folder / "all");
  EXPECT_EQ(join_stores({c, b, a, folder / "all"}, folder / "all").added, 0);
  EXPECT_EQ(names_in(folder / "all"), before);
  EXPECT_EQ(join_stores({b, c, a}, folder / "other").added, 4);
  EXPECT_EQ(names_in(folder / "other"), before);
  // A store that exists grows.
  EXPECT_EQ(join_stores({part_with(folder / "d", kFirstSpace, {4})}, folder / "all").added, 1);
  EXPECT_TRUE(holds_bits(folder / "all", kFirstSpace, 4));
}

TEST(JoinedStores, RefuseADamagedFileByName) {
  const auto folder = scratch_folder("joined-damage");
  const auto a = part_with(folder / "a", kFirstSpace, {1}),
             b = part_with(folder / "b", kFirstSpace, {2});
  const fs::path file = b / names_in(b).front();
  const std::string whole = read_text(file);
  for (const size_t at : {whole.size() - 1, whole.size() / 2, size_t{0}}) {
    std::string damaged = whole;
    damaged[at] = char(damaged[at] ^ 4);
    std::ofstream(file, std::ios::binary) << damaged;
    EXPECT_TRUE(contains(error_of([&] {
                           join_stores({a, b}, folder / "all");
                         }),
                         file.string()))
        << at;
  }
  std::ofstream(file, std::ios::binary) << whole.substr(0, whole.size() - 8);
  EXPECT_TRUE(contains(error_of([&] { join_stores({a, b}, folder / "all"); }), file.string()));
  EXPECT_FALSE(fs::exists(folder / "all")) << "the whole parts are not joined without it";
  EXPECT_FALSE(fs::exists(folder / "all.merging"));
  std::ofstream(file, std::ios::binary) << whole;
  EXPECT_EQ(join_stores({a, b}, folder / "all").added, 2);
  // A file of the result that was damaged later is written again.
  std::ofstream(folder / "all" / names_in(folder / "all").front(), std::ios::binary) << "damaged";
  EXPECT_EQ(join_stores({a, b}, folder / "all").added, 1);
  EXPECT_TRUE(holds_bits(folder / "all", kFirstSpace, 1));
  EXPECT_TRUE(holds_bits(folder / "all", kFirstSpace, 2));
}

// What a killed merge leaves is a folder of another name: whole files, and one half written.
TEST(JoinedStores, GoOnAfterAKill) {
  const auto folder = scratch_folder("joined-kill");
  const auto a = part_with(folder / "a", kFirstSpace, {1, 2});
  join_stores({a}, folder / "all");
  fs::rename(folder / "all", folder / "all.merging");
  const auto names = names_in(folder / "all.merging");
  fs::resize_file(folder / "all.merging" / names.front(), 40);
  std::ofstream(folder / "all.merging" / (names.back() + ".1234.tmp")) << "half";
  EXPECT_FALSE(fs::exists(folder / "all"));
  EXPECT_EQ(join_stores({a}, folder / "all").added, 1);
  EXPECT_TRUE(holds_bits(folder / "all", kFirstSpace, 1));
  EXPECT_TRUE(holds_bits(folder / "all", kFirstSpace, 2));
}

TEST(JoinedStores, RefuseWhatIsNoStoreAndTwoAtOnce) {
  const auto folder = scratch_folder("joined-misuse");
  const auto a = part_with(folder / "a", kFirstSpace, {1});
  fs::create_directories(folder / "photos/cats");
  EXPECT_FALSE(is_feature_store(folder / "photos"));
  EXPECT_FALSE(is_feature_store(folder / "nothing"));
  EXPECT_TRUE(is_feature_store(a));
  for (const char* other : {"photos", "nothing"})
    EXPECT_TRUE(contains(error_of(ErrorKind::usage,
                                  [&] {
                                    join_stores({a, folder / other}, folder / "all");
                                  }),
                         "not a feature store"));
  const FileLock lock(folder / "all", "somebody writes it");
  EXPECT_TRUE(contains(error_of(ErrorKind::state, [&] { join_stores({a}, folder / "all"); }),
                       "somebody writes it"));
}

}  // namespace
}  // namespace patina
