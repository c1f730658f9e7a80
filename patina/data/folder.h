// Image folders: one subfolder a class, JPEG and PNG files in it.
#pragma once

#include "patina/data/source.h"

namespace patina {

/// `root` holds train/ and test/ (or val/, valid/) with class folders in each; or class folders
/// only, split by options.test_fraction and options.split_seed within each class. Classes are the
/// folders' names, sorted; a classes.tsv (id, folder, readable name) in `root` gives them readable
/// names.
DataSplits open_image_folder(const fs::path& root, const DataOptions& options);

}  // namespace patina
