#include "patina/store/joined_stores.h"

#include <algorithm>

#include "patina/base/error.h"
#include "patina/base/file_lock.h"
#include "patina/store/feature_folder.h"

namespace patina {

namespace {

struct StoredFile {
  fs::path path, relative;  // where it is, and where it goes: SPACE/CHECKSUM.safetensors
};

std::vector<fs::path> sorted_entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  try {
    for (const auto& entry : fs::directory_iterator(folder)) entries.push_back(entry.path());
  } catch (const fs::filesystem_error& error) {
    fail(ErrorKind::file, "{}: cannot be listed: {}", folder.string(), error.code().message());
  }
  std::ranges::sort(entries);
  return entries;
}

// What a killed process left half written is no file of the store.
std::vector<fs::path> segments_in(const fs::path& space) {
  std::vector<fs::path> files;
  for (const auto& file : sorted_entries(space))
    if (file.extension() == kSegmentEnding) files.push_back(file);
  return files;
}

std::vector<fs::path> spaces_in(const fs::path& store) {
  std::vector<fs::path> spaces;
  for (const auto& entry : sorted_entries(store))
    if (is_space_name(entry.filename().string()) && fs::is_directory(entry))
      spaces.push_back(entry);
  return spaces;
}

// The checksum is verified, so it is 32 hexadecimal digits.
fs::path place_of_segment(const fs::path& space, const FeatureSegment& segment) {
  return space.filename() / (segment.checksum() + kSegmentEnding);
}

bool holds_whole(const fs::path& file, const std::string& space) {
  if (!fs::exists(file)) return false;
  try {
    FeatureSegment::open(file, space, -1);
    return true;
  } catch (const Error&) {
    return false;  // it is copied again
  }
}

void copy_segment(const fs::path& from, const fs::path& to) {
  make_folder(to.parent_path());
  const MappedFile bytes(from);
  AtomicFile file(to);
  file.write(bytes.bytes().data(), bytes.bytes().size());
  file.commit();
}

}  // namespace

bool is_feature_store(const fs::path& folder) {
  if (!fs::is_directory(folder)) return false;
  const auto spaces = spaces_in(folder);
  return std::ranges::any_of(spaces, [](const auto& space) { return !segments_in(space).empty(); });
}

JoinedStores join_stores(const std::vector<fs::path>& parts, const fs::path& out) {
  JoinedStores joined;
  std::vector<StoredFile> files;
  for (const auto& part : parts) {
    if (!is_feature_store(part))
      fail(ErrorKind::usage,
           "{}: not a feature store: name folders written by `patina features RECIPE --shard`",
           part.string());
    for (const auto& space : spaces_in(part))
      for (const auto& file : segments_in(space)) {
        const auto segment = FeatureSegment::open(file, space.filename().string(), -1);
        files.push_back({file, place_of_segment(space, segment)});
        joined.samples += segment.rows();
      }
  }
  joined.files = int64_t(files.size());
  fs::path store = out;
  if (!store.has_filename()) store = store.parent_path();  // "all/"
  if (store.has_parent_path()) make_folder(store.parent_path());
  const FileLock lock(store, "another `patina merge` writes it: wait for it");
  const bool is_new = !fs::exists(store);
  // Left by a merge that was killed, its files are used.
  const fs::path target = is_new ? fs::path(store.string() + ".merging") : store;
  for (const auto& file : files) {
    const fs::path to = target / file.relative;
    if (holds_whole(to, file.relative.parent_path().string())) continue;
    copy_segment(file.path, to);
    ++joined.added;
  }
  if (!is_new) return joined;
  std::error_code error;
  fs::rename(target, store, error);
  if (error)
    fail(ErrorKind::file, "{}: cannot be renamed to {}: {}", target.string(), store.string(),
         error.message());
  return joined;
}

}  // namespace patina
