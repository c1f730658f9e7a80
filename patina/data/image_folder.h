// What a folder of images holds: one rule for every command that reads images from folders. Links
// are followed; hidden names and macOS's __MACOSX are not looked at.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "patina/base/file.h"

namespace patina {

/// The names of the folders in `folder`, sorted bytewise. Throws Error(file) if it cannot be
/// listed.
std::vector<std::string> folders_in(const fs::path& folder);

/// Whether JPEG or PNG files lie in the folder itself.
bool holds_images(const fs::path& folder);

/// Images that exist but are not read.
struct UnreadImages {
  std::map<std::string, int64_t> formats;  // ".webp": how many files; formats that are not decoded
  int64_t nested = 0;                      // JPEG and PNG files in folders inside class folders
  fs::path nested_in;                      // one of these folders

  bool any() const { return nested > 0 || !formats.empty(); }
  /// "4 .webp and 3 .bmp files (patina reads JPEG and PNG), 4 images in folders inside class
  /// folders (train/cat/more)".
  std::string text() const;
  /// Warns of them, if there are any; `where` is what was read.
  void tell(const std::string& where) const;
};

/// The names of the JPEG and PNG files of a class folder, sorted bytewise; those in folders inside
/// it only count as unread. Throws Error(data) if there are none, with what is there instead.
std::vector<std::string> class_images(const fs::path& folder, UnreadImages& unread);

/// The JPEG and PNG files of a folder and of the folders inside it, sorted bytewise. Throws
/// Error(data) if there are none.
std::vector<fs::path> images_below(const fs::path& folder, UnreadImages& unread);

}  // namespace patina
