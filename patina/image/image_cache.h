// An in-memory cache of decoded 8-bit images, shared by the feeds of a run.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "patina/image/image.h"

namespace patina {

/// Stores images under keys that determine their pixels. Thread-safe. Holds at most `most_bytes`
/// bytes; with 0 it stores nothing and only counts.
class ImageCache {
 public:
  using Key = std::array<uint64_t, 2>;  // a hash

  /// Each request is counted once, under one of these.
  struct Counts {
    int64_t decoded = 0;       // not in the cache
    int64_t cached = 0;        // found in the cache
    int64_t never_needed = 0;  // not in the cache and never read
  };

  explicit ImageCache(int64_t most_bytes) : most_bytes_(most_bytes) {}

  bool keeps() const { return most_bytes_ > 0; }
  /// The image under `key`; if there is none, the result of `make`. If two threads miss the same
  /// key, both call `make`.
  std::shared_ptr<const Image> find(const Key& key, const std::function<Image()>& make);
  /// Counts images that were requested but whose pixels were never read.
  void never_needed(int64_t images);

  Counts counts() const;
  int64_t bytes() const;  // in use

 private:
  struct Entry {
    Key key;
    std::shared_ptr<const Image> image;
    uint64_t used = 0;  // number of the last request for it
    int64_t bytes() const;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const { return size_t(key[0]); }
  };

  std::shared_ptr<const Image> look_up(const Key& key);
  void admit(Entry entry);
  bool make_room(int64_t bytes);

  const int64_t most_bytes_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // most recently used first
  std::unordered_map<Key, std::list<Entry>::iterator, KeyHash> places_;
  uint64_t requests_ = 0;
  int64_t bytes_ = 0;
  Counts counts_;
};

}  // namespace patina
