// The data sets that have a name, and the forms of one's own: what each is, where its files are
// expected, how it is opened.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "patina/data/catalog.h"

namespace patina {

struct KnownData {
  DataSetInfo info;
  std::string mark;       // a file that identifies the folder; may be gzipped
  std::string subfolder;  // where the publisher's archive puts the files
  std::string place;      // where a package installs it; "": no package
  std::function<DataSplits(const fs::path& folder)> open;
  std::string family = {};  // sets that share a folder of this name in $PATINA_DATA
  // For a set of several domains, in the place of `open`.
  std::function<std::vector<DataSplits>(const fs::path& folder)> open_domains = {};

  const std::string& shelf() const { return family.empty() ? info.name : family; }
};

const std::vector<KnownData>& known_data();

/// Data of one's own: what data.path names, in these forms.
struct OwnData {
  DataSetInfo info;
  const char* path;  // what it is
  DataSplits (*open)(const fs::path& path, const DataOptions& options);
};

const std::vector<OwnData>& own_data();
/// Null: it is not data of one's own.
const OwnData* find_own(std::string_view name);

}  // namespace patina
