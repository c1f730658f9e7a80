// Eviction: prefers images that are still in use to the most recent ones.
#include "patina/image/image_cache.h"

namespace patina {

namespace {

// A full cache accepts no new image while its least recently used one was requested within the last
// kPatience requests per entry. Plain LRU would miss every request of an epoch over more images
// than fit. With this rule some images stay and are always found. Images of a finished task are no
// longer requested and are evicted after a while.
constexpr uint64_t kPatience = 4;

constexpr int64_t kEntryBytes = 160;  // list node, table entry and image, without pixels

}  // namespace

int64_t ImageCache::Entry::bytes() const {
  return kEntryBytes + int64_t(image->pixels.size());
}

std::shared_ptr<const Image> ImageCache::find(const Key& key, const std::function<Image()>& make) {
  if (auto known = look_up(key)) return known;
  auto image = std::make_shared<const Image>(make());
  std::lock_guard lock(mutex_);
  ++counts_.decoded;
  admit({key, image, requests_});
  return image;
}

void ImageCache::never_needed(int64_t images) {
  std::lock_guard lock(mutex_);
  counts_.never_needed += images;
}

ImageCache::Counts ImageCache::counts() const {
  std::lock_guard lock(mutex_);
  return counts_;
}

int64_t ImageCache::bytes() const {
  std::lock_guard lock(mutex_);
  return bytes_;
}

std::shared_ptr<const Image> ImageCache::look_up(const Key& key) {
  std::lock_guard lock(mutex_);
  ++requests_;
  const auto place = places_.find(key);
  if (place == places_.end()) return nullptr;
  ++counts_.cached;
  entries_.splice(entries_.begin(), entries_, place->second);
  entries_.front().used = requests_;
  return entries_.front().image;
}

void ImageCache::admit(Entry entry) {
  if (places_.contains(entry.key) || !make_room(entry.bytes())) return;
  bytes_ += entry.bytes();
  entries_.push_front(std::move(entry));
  places_[entries_.front().key] = entries_.begin();
}

// False if the new image must not be stored.
bool ImageCache::make_room(int64_t bytes) {
  if (bytes > most_bytes_) return false;
  while (bytes_ + bytes > most_bytes_) {
    const Entry& oldest = entries_.back();
    if (requests_ - oldest.used <= kPatience * entries_.size()) return false;
    bytes_ -= oldest.bytes();
    places_.erase(oldest.key);
    entries_.pop_back();
  }
  return true;
}

}  // namespace patina
