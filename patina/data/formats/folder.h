// Image folders: one subfolder per class with JPEG and PNG files; or one such folder per domain.
#pragma once

#include "patina/data/options.h"
#include "patina/data/source.h"

namespace patina {

/// `root` contains train/ and test/ (or val/, valid/) with class folders in each; or class folders
/// only, which are split by options.test_fraction and options.split_seed within each class. Classes
/// are the folders' names, sorted; a classes.tsv (id, folder, readable name) in `root` gives
/// readable names.
/// | With options.domains "folders", `root` contains one such folder per domain ("photo",
/// "sketch"), sorted, each split separately; classes.tsv is still read from `root`. Throws
/// Error(data) unless every domain has the same classes.
DataSplits open_image_folder(const fs::path& root, const DataOptions& options);

}  // namespace patina
