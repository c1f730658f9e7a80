#include "apps/patina/features/shard.h"

#include <fmt/core.h>

#include <charconv>
#include <limits>

#include "patina/base/error.h"
#include "patina/data/dataset.h"
#include "patina/learn/trainer.h"
#include "patina/run/recipe.h"
#include "patina/session/feed.h"
#include "patina/store/feature_store.h"

namespace patina::cli {

namespace {

// Samples whose features are in memory at a time; they go to one file or a few.
constexpr int64_t kAtOnce = 1 << 14;

// Calls body(data) for all samples of a shard, some at a time.
template <class Body>
void each_part(const Source& source, const Shard& shard, const Body& body) {
  for (int64_t next = shard.number - 1; next < source.size();) {
    std::vector<int64_t> positions, targets;
    for (; next < source.size() && int64_t(positions.size()) < kAtOnce; next += shard.count) {
      positions.push_back(next);
      targets.push_back(source.label(next));
    }
    body(Dataset(source, std::move(positions), std::move(targets)));
  }
}

}  // namespace

Shard shard_of(const std::string& text) {
  Shard shard;
  const char* end = text.data() + text.size();
  const auto number = std::from_chars(text.data(), end, shard.number);
  const bool divided = number.ec == std::errc() && number.ptr != end && *number.ptr == '/';
  const auto count =
      divided ? std::from_chars(number.ptr + 1, end, shard.count) : std::from_chars_result{};
  if (!divided || count.ec != std::errc() || count.ptr != end || shard.number < 1 ||
      shard.number > shard.count)
    fail(ErrorKind::usage, "--shard is \"{}\"; it must be one of 1/n to n/n, such as 2/4", text);
  return shard;
}

void write_shard(const std::string& path, const std::vector<std::string>& overrides,
                 const Shard& shard, const std::string& folder) {
  const Recipe recipe = read_recipe(path, overrides);
  if (recipe.learner.row().generates)
    fail(ErrorKind::usage,
         "{}: {} answers with text, and there are no features of a sample that its runs read: "
         "shards are for learners that choose among classes",
         path, recipe.learner.name);
  const DataSplits data = open_data(recipe.data);
  if (shard.count > data.train->size())
    fail(ErrorKind::usage, "--shard: {} shards of {} samples", shard.count, data.train->size());
  const auto backbone = backbone_of(recipe);
  backbone->to(place_of(recipe.engine.device));
  backbone->set_engine(make_engine(recipe.engine));
  FeatureStoreOptions options = recipe.engine;
  options.cache_folder = folder;
  options.cache_disk_bytes = std::numeric_limits<int64_t>::max();
  const auto store = std::make_shared<FeatureStore>(options);
  backbone->set_cache(store);

  const auto feed = make_feed(*backbone, *data.test, recipe.test_transform, recipe.text);
  if (!feed->deterministic())
    fail(ErrorKind::usage, "{}: test_transform is random, so no feature of a sample is kept", path);
  ThreadPool pool;
  Trainer trainer(recipe.training, *feed, *feed, pool, Seeds(uint64_t(recipe.seed)));
  int64_t samples = 0;
  for (const Source* source : {data.train.get(), data.test.get()})
    each_part(*source, shard, [&](const Dataset& part) {
      trainer.features(*backbone, part);
      store->flush();
      samples += part.size();
    });
  if (store->bytes_in_memory() > 0)
    fail(ErrorKind::file, "{}: the features could not all be written", folder);
  fmt::print("{}: shard {} of {}, {} samples of {}, {} of them computed now\n", folder,
             shard.number, shard.count, samples, data.train->size() + data.test->size(),
             store->counts().encoded);
}

}  // namespace patina::cli
