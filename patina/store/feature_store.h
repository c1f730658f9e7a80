// The feature store: caches a frozen network's features of every sample, in memory and on disk,
// shared by tasks, learners and runs. No frozen feature is computed twice.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>

#include "patina/config/fields.h"
#include "patina/models/feature_cache.h"
#include "patina/store/feature_folder.h"

namespace patina {

/// How much is cached, and where.
struct FeatureStoreOptions {
  int64_t cache_bytes = int64_t{1} << 30;  // in memory, of features not on disk
  std::string cache_folder;                // "": the user's cache folder
  int64_t cache_disk_bytes = int64_t{10} << 30;

  void bind(Fields& f);
};

class FeatureStore : public FeatureCache {
 public:
  /// Numbers of samples, except for the passes.
  struct Counts {
    int64_t hits = 0;                  // found
    int64_t misses = 0;                // not found, then computed
    int64_t encoded = 0;               // computed by the network, looked up or not
    int64_t saved_forward_passes = 0;  // batches without any forward pass
  };

  explicit FeatureStore(const FeatureStoreOptions& options);
  ~FeatureStore() override { flush(); }

  std::vector<int64_t> find(const std::string& space, const Tensor& keys,
                            Tensor& features) override;
  void add(const std::string& space, const Tensor& keys, const Tensor& features) override;
  void passed_by(int64_t samples) override;

  /// Writes everything to disk that is only in memory.
  void flush();
  Counts counts() const;
  int64_t bytes_in_memory() const;  // of features not on disk

 private:
  struct KeyHash {
    size_t operator()(const FeatureKey& key) const { return size_t(key[0]); }  // the key is a hash
  };
  // Rows that were added together and are not on disk.
  struct Block {
    std::vector<FeatureKey> keys;
    std::vector<float> features;
    int64_t bytes() const {
      return int64_t(keys.size() * sizeof(FeatureKey) + features.size() * 4);
    }
  };
  struct Space {
    int64_t width = 0;
    std::unordered_map<FeatureKey, const void*, KeyHash> rows;  // the address of each row's
                                                                // features
    std::deque<Block> unsaved;
    std::deque<FeatureSegment> segments;
    uint64_t used = 0;  // time of last use; larger is later
  };

  Space& use(const std::string& name, int64_t width);
  bool take_from_disk(const std::string& name, Space& space);
  void take(Space& space, FeatureSegment segment);
  void make_room();
  bool save_some(const std::string& name, Space& space);
  void forget_first(Space& space);

  mutable std::mutex mutex_;
  int64_t most_bytes_, bytes_ = 0;
  FeatureFolder folder_;
  std::map<std::string, Space> spaces_;
  uint64_t clock_ = 0;
  Counts counts_;
};

}  // namespace patina
