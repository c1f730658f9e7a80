// Image folders: one subfolder a class, JPEG and PNG files in it; or one such folder a domain.
#pragma once

#include "patina/data/options.h"
#include "patina/data/source.h"

namespace patina {

/// `root` holds train/ and test/ (or val/, valid/) with class folders in each; or class folders
/// only, split by options.test_fraction and options.split_seed within each class. Classes are the
/// folders' names, sorted; a classes.tsv (id, folder, readable name) in `root` gives them readable
/// names.
///
/// With options.domains "folders" `root` holds one such folder a domain ("photo", "sketch"),
/// sorted, each split by itself; a classes.tsv is still looked for in `root`. Throws Error(data)
/// unless every domain has the same classes.
DataSplits open_image_folder(const fs::path& root, const DataOptions& options);

}  // namespace patina
