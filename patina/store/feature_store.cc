#include "patina/store/feature_store.h"

#include <algorithm>
#include <cstring>

#include "patina/base/error.h"

namespace patina {

namespace {

// Files are written in pieces of about this size, which bounds the memory used for writing.
constexpr int64_t kPiece = int64_t{64} << 20;

FeatureKey key_at(const int64_t* keys, int64_t row) {
  return {keys[2 * row], keys[2 * row + 1]};
}

fs::path folder_of(const FeatureStoreOptions& options) {
  return options.cache_folder.empty() ? usual_cache_folder() : fs::path(options.cache_folder);
}

}  // namespace

void FeatureStoreOptions::bind(Fields& f) {
  f("cache_bytes", cache_bytes,
    "Memory for a frozen network's features before they go to disk, in bytes.", at_least(0));
  f("cache_folder", cache_folder,
    "Folder that keeps these features from run to run; empty: $XDG_CACHE_HOME/patina or "
    "~/.cache/patina.");
  f("cache_disk_bytes", cache_disk_bytes,
    "Largest size of cache_folder in bytes; beyond it the oldest files are deleted. 0: nothing "
    "is kept on disk.",
    at_least(0));
}

FeatureStore::FeatureStore(const FeatureStoreOptions& options)
    : most_bytes_(options.cache_bytes), folder_(folder_of(options), options.cache_disk_bytes) {}

std::vector<int64_t> FeatureStore::find(const std::string& name, const Tensor& keys,
                                        Tensor& features) {
  const Tensor asked = keys.contiguous();
  const int64_t* key = host_items(asked).data();
  const size_t row_bytes = size_t(features.size(1)) * sizeof(float);
  std::lock_guard lock(mutex_);
  Space& space = use(name, features.size(1));
  const auto copy_known = [&] {
    std::vector<int64_t> missing;
    for (int64_t row = 0; row < asked.size(0); ++row) {
      const auto known = space.rows.find(key_at(key, row));
      if (known == space.rows.end())
        missing.push_back(row);
      else
        std::memcpy(host_values(features).data() + row * space.width, known->second, row_bytes);
    }
    return missing;
  };
  auto missing = copy_known();
  if (!missing.empty() && take_from_disk(name, space)) missing = copy_known();
  counts_.hits += asked.size(0) - int64_t(missing.size());
  counts_.saved_forward_passes += missing.empty();
  return missing;
}

void FeatureStore::add(const std::string& name, const Tensor& keys, const Tensor& features) {
  const Tensor computed = keys.contiguous();
  const int64_t* key = host_items(computed).data();
  const float* from = host_values(features).data();
  std::lock_guard lock(mutex_);
  counts_.misses += computed.size(0);
  counts_.encoded += computed.size(0);
  Space& space = use(name, features.size(1));
  Block& block = space.unsaved.emplace_back();
  block.features.reserve(size_t(features.numel()));  // so that rows keep their addresses
  for (int64_t row = 0; row < computed.size(0); ++row) {
    const FeatureKey added = key_at(key, row);
    const auto [known, is_new] = space.rows.try_emplace(added);
    if (!is_new) continue;  // twice in the batch, or added by another thread
    known->second = block.features.data() + block.features.size();
    block.keys.push_back(added);
    block.features.insert(block.features.end(), from + row * space.width,
                          from + (row + 1) * space.width);
  }
  bytes_ += block.bytes();
  if (block.keys.empty()) space.unsaved.pop_back();
  make_room();
}

void FeatureStore::passed_by(int64_t samples) {
  std::lock_guard lock(mutex_);
  counts_.encoded += samples;
}

void FeatureStore::flush() {
  std::lock_guard lock(mutex_);
  for (auto& [name, space] : spaces_)
    while (!space.unsaved.empty() && save_some(name, space)) {
    }
}

FeatureStore::Counts FeatureStore::counts() const {
  std::lock_guard lock(mutex_);
  return counts_;
}

int64_t FeatureStore::bytes_in_memory() const {
  std::lock_guard lock(mutex_);
  return bytes_;
}

FeatureStore::Space& FeatureStore::use(const std::string& name, int64_t width) {
  Space& space = spaces_[name];
  PATINA_REQUIRE(space.width == 0 || space.width == width, "a space of two widths");
  space.width = width;
  space.used = ++clock_;
  return space;
}

// Reads new files, of earlier runs or other processes; true if there were any.
bool FeatureStore::take_from_disk(const std::string& name, Space& space) {
  auto segments = folder_.fresh(name, space.width);
  for (auto& segment : segments) take(space, std::move(segment));
  return !segments.empty();
}

void FeatureStore::take(Space& space, FeatureSegment segment) {
  for (int64_t row = 0; row < segment.rows(); ++row)
    space.rows.insert_or_assign(segment.key(row), segment.features(row));
  space.segments.push_back(std::move(segment));
}

void FeatureStore::make_room() {
  while (bytes_ > most_bytes_) {
    std::pair<const std::string, Space>* oldest = nullptr;
    for (auto& item : spaces_)
      if (!item.second.unsaved.empty() && (!oldest || item.second.used < oldest->second.used))
        oldest = &item;
    if (!save_some(oldest->first, oldest->second)) forget_first(oldest->second);
  }
}

// Moves a space's oldest blocks to disk; false if that fails.
bool FeatureStore::save_some(const std::string& name, Space& space) {
  Block piece;
  size_t blocks = 0;
  for (; blocks < space.unsaved.size() && (blocks == 0 || piece.bytes() < kPiece); ++blocks) {
    const Block& block = space.unsaved[blocks];
    piece.keys.insert(piece.keys.end(), block.keys.begin(), block.keys.end());
    piece.features.insert(piece.features.end(), block.features.begin(), block.features.end());
  }
  auto segment = folder_.write(name, space.width, piece.keys, piece.features);
  if (!segment) return false;
  take(space, std::move(*segment));
  for (; blocks > 0; --blocks) {
    bytes_ -= space.unsaved.front().bytes();
    space.unsaved.pop_front();
  }
  return true;
}

void FeatureStore::forget_first(Space& space) {
  const Block& block = space.unsaved.front();
  const float* row = block.features.data();
  for (const auto& key : block.keys) {
    // The row may now be in a file of another process.
    const auto known = space.rows.find(key);
    if (known != space.rows.end() && known->second == row) space.rows.erase(known);
    row += space.width;
  }
  bytes_ -= block.bytes();
  space.unsaved.pop_front();
}

}  // namespace patina
