#include "patina/store/feature_folder.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "patina/base/error.h"
#include "patina/base/work.h"

namespace patina {

namespace {

// A file that a killed process left incomplete.
bool is_remnant(const fs::path& path, fs::file_time_type changed) {
  return path.extension() == ".tmp" &&
         changed < fs::file_time_type::clock::now() - std::chrono::hours(1);
}

// Calls body(entry) for the entries of a folder; does nothing if it cannot be listed. Other
// processes may add and delete entries meanwhile.
template <class Body>
void for_each_in(const fs::path& folder, Body body) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error))
    body(*entry);
}

// A name unique among all processes that share the folder, on any machine.
std::string process_name() {
  const auto now = std::chrono::system_clock::now().time_since_epoch().count();
  return fmt::format("{:x}-{}", now, ::getpid());
}

}  // namespace

FeatureFolder::FeatureFolder(fs::path root, int64_t most_bytes)
    : root_(most_bytes > 0 ? std::move(root) : fs::path()),
      most_bytes_(most_bytes),
      writable_(!root_.empty()) {}

std::optional<FeatureSegment> FeatureFolder::open(const fs::path& file, const std::string& space,
                                                  int64_t width) {
  try {
    return FeatureSegment::open(file, space, width);
  } catch (const std::exception& error) {
    std::error_code ignored;
    if (!fs::exists(file, ignored)) return std::nullopt;  // deleted by another process
    warn(fmt::format("stored features cannot be used and are computed again: {}", error.what()));
    fs::remove(file, ignored);
    return std::nullopt;
  }
}

std::vector<FeatureSegment> FeatureFolder::fresh(const std::string& space, int64_t width) {
  std::vector<FeatureSegment> segments;
  if (root_.empty()) return segments;
  const fs::path folder = root_ / space;
  Listed& listed = listed_[space];
  std::error_code error;
  const auto changed = fs::last_write_time(folder, error);
  if (error || changed == listed.changed) return segments;
  listed.changed = changed;
  for_each_in(folder, [&](const fs::directory_entry& entry) {
    const fs::path& file = entry.path();
    if (file.extension() != kSegmentEnding || !listed.files.insert(file).second) return;
    if (auto segment = open(file, space, width)) segments.push_back(std::move(*segment));
  });
  return segments;
}

std::optional<FeatureSegment> FeatureFolder::write(const std::string& space, int64_t width,
                                                   std::span<const FeatureKey> keys,
                                                   std::span<const float> features) {
  if (!writable_ || int64_t(features.size_bytes()) > most_bytes_) return std::nullopt;
  static const std::string process = process_name();
  static std::atomic<int64_t> files = 0;
  const fs::path file = root_ / space / fmt::format("{}-{}{}", process, ++files, kSegmentEnding);
  try {
    make_folder(file.parent_path());
    FeatureSegment::write(file, space, width, keys, features);
  } catch (const Error& error) {
    warn(fmt::format("features are kept in memory only: {}", error.what()));
    writable_ = false;
    return std::nullopt;
  }
  listed_[space].files.insert(file);
  auto segment = open(file, space, width);
  trim();
  return segment;
}

// A mapped file stays readable after it is deleted.
void FeatureFolder::trim() const {
  struct File {
    fs::file_time_type changed;
    fs::path path;
    int64_t bytes;
  };
  std::vector<File> files;
  int64_t bytes = 0;
  for_each_in(root_, [&](const fs::directory_entry& space) {
    if (!is_space_name(space.path().filename().string())) return;
    for_each_in(space.path(), [&](const fs::directory_entry& entry) {
      std::error_code error;
      const auto changed = entry.last_write_time(error);
      if (!error && is_remnant(entry.path(), changed)) fs::remove(entry.path(), error);
      const auto size = entry.file_size(error);
      if (error || entry.path().extension() != kSegmentEnding) return;
      files.push_back({changed, entry.path(), int64_t(size)});
      bytes += int64_t(size);
    });
  });
  std::ranges::sort(files, {}, [](const File& file) { return std::pair(file.changed, file.path); });
  for (size_t i = 0; i < files.size() && bytes > most_bytes_; ++i) {
    std::error_code ignored;
    fs::remove(files[i].path, ignored);
    bytes -= files[i].bytes;
  }
}

bool is_space_name(const std::string& name) {
  return name.size() == 32 && name.find_first_not_of("0123456789abcdef") == std::string::npos;
}

fs::path usual_cache_folder() {
  // Relative paths are invalid, by the XDG specification.
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache == '/')
    return fs::path(cache) / "patina";
  if (const char* home = std::getenv("HOME"); home && *home == '/')
    return fs::path(home) / ".cache" / "patina";
  return {};
}

}  // namespace patina
