// A cache of decoded images in memory, 8 bits a channel, shared by the feeds of a run.
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

/// Keeps images under keys that say all there is to say about their pixels. Thread-safe. Holds
/// `most_bytes` at most; 0: it keeps nothing and only counts.
class ImageCache {
 public:
  using Key = std::array<uint64_t, 2>;  // a hash

  /// Each time an image is asked for, it is counted once.
  struct Counts {
    int64_t decoded = 0;       // made
    int64_t cached = 0;        // found here
    int64_t never_needed = 0;  // nobody read its pixels
  };

  explicit ImageCache(int64_t most_bytes) : most_bytes_(most_bytes) {}

  bool keeps() const { return most_bytes_ > 0; }
  /// The image under `key`, or what `make` makes. Two threads that miss one key both make it.
  std::shared_ptr<const Image> find(const Key& key, const std::function<Image()>& make);
  /// So many images were asked for, but their pixels never read.
  void never_needed(int64_t images);

  Counts counts() const;
  int64_t bytes() const;  // that it holds

 private:
  struct Entry {
    Key key;
    std::shared_ptr<const Image> image;
    uint64_t used = 0;  // by which request
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
  std::list<Entry> entries_;  // the last used first
  std::unordered_map<Key, std::list<Entry>::iterator, KeyHash> places_;
  uint64_t requests_ = 0;
  int64_t bytes_ = 0;
  Counts counts_;
};

}  // namespace patina
