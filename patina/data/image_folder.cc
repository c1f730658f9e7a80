#include "patina/data/image_folder.h"

#include <algorithm>
#include <cctype>

#include "patina/base/error.h"
#include "patina/base/work.h"
#include "patina/image/image.h"

namespace patina {

namespace {

constexpr int kDeepest = 32;  // folders inside folders; a link may lead back to where it lies

constexpr const char* kUnreadFormats[] = {".avif", ".bmp",  ".gif", ".heic", ".heif", ".jp2",
                                          ".jxl",  ".pgm",  ".ppm", ".tga",  ".tif",  ".tiff",
                                          ".webp", ".jfif", ".jpe", ".pbm",  ".ico"};

std::string extension_of(const fs::path& path) {
  std::string extension = path.extension().string();
  std::ranges::transform(extension, extension.begin(),
                         [](unsigned char c) { return char(std::tolower(c)); });
  return extension;
}

// The folders and the files in a folder, sorted.
struct Listing {
  std::vector<std::string> folders, files;
};

Listing listed(const fs::path& folder) {
  Listing listing;
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    std::string name = entries->path().filename().string();
    if (name.starts_with('.') || name == "__MACOSX") continue;
    std::error_code ignored;
    const bool is_folder = entries->is_directory(ignored);
    (is_folder ? listing.folders : listing.files).push_back(std::move(name));
  }
  if (error)
    fail(ErrorKind::file, "{}: cannot list the folder: {}", folder.string(), error.message());
  std::ranges::sort(listing.folders);
  std::ranges::sort(listing.files);
  return listing;
}

void count_unread(const std::vector<std::string>& files, UnreadImages& unread) {
  for (const auto& file : files)
    if (std::ranges::find(kUnreadFormats, extension_of(file)) != std::end(kUnreadFormats))
      ++unread.formats[extension_of(file)];
}

void collect(const fs::path& folder, int depth, std::vector<fs::path>& images,
             UnreadImages& unread) {
  if (depth > kDeepest)
    fail(ErrorKind::data, "{}: folders inside folders without end; does a link lead back?",
         folder.string());
  const Listing listing = listed(folder);
  count_unread(listing.files, unread);
  for (const auto& file : listing.files)
    if (is_image_name(file)) images.push_back(folder / file);
  for (const auto& inner : listing.folders) collect(folder / inner, depth + 1, images, unread);
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i)
    text += (i == 0 ? "" : i + 1 == parts.size() ? " and " : ", ") + parts[i];
  return text;
}

}  // namespace

std::vector<std::string> folders_in(const fs::path& folder) {
  return listed(folder).folders;
}

bool holds_images(const fs::path& folder) {
  return std::ranges::any_of(listed(folder).files, is_image_name);
}

std::string UnreadImages::text() const {
  std::vector<std::string> parts, counts;
  for (const auto& [extension, count] : formats)
    counts.push_back(fmt::format("{} {}", count, extension));
  if (!counts.empty())
    parts.push_back(fmt::format("{} files (patina reads JPEG and PNG)", joined(counts)));
  if (nested > 0)
    parts.push_back(
        fmt::format("{} images in folders inside class folders ({})", nested, nested_in.string()));
  return joined(parts);
}

void UnreadImages::tell(const std::string& where) const {
  if (any()) warn(fmt::format("{}: not used: {}", where, text()));
}

std::vector<std::string> class_images(const fs::path& folder, UnreadImages& unread) {
  Listing listing = listed(folder);
  UnreadImages here;
  count_unread(listing.files, here);
  for (const auto& inner : listing.folders) {
    std::vector<fs::path> images;
    collect(folder / inner, 1, images, here);
    if (images.empty()) continue;
    here.nested += int64_t(images.size());
    here.nested_in = folder / inner;
  }
  auto& names = listing.files;
  std::erase_if(names, [](const auto& name) { return !is_image_name(name); });
  if (names.empty())
    fail(ErrorKind::data, "{}: a class folder without JPEG or PNG images{}; {}", folder.string(),
         here.any() ? fmt::format(", but with {}", here.text()) : "",
         here.nested > 0
             ? "expected are folders of images, one a class, or train/ and test/ with such folders "
               "in each"
             : "fill it or remove it");
  for (const auto& [extension, count] : here.formats) unread.formats[extension] += count;
  unread.nested += here.nested;
  if (here.nested > 0 && unread.nested_in.empty()) unread.nested_in = here.nested_in;
  return std::move(names);
}

std::vector<fs::path> images_below(const fs::path& folder, UnreadImages& unread) {
  std::vector<fs::path> images;
  collect(folder, 0, images, unread);
  if (images.empty())
    fail(ErrorKind::data, "{}: no .jpg or .png files in it{}", folder.string(),
         unread.any() ? fmt::format(", but {}", unread.text()) : "");
  std::ranges::sort(images);
  return images;
}

}  // namespace patina
