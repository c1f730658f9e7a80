// The inputs of `patina features`: a data set by name, image files and folders, or a file of texts.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "patina/data/formats/table.h"

namespace patina::cli {

struct InputArguments {
  std::vector<std::string> paths;  // or the name of one data set
  std::string split = "test";      // of a data set, or of a file with splits
  TextFields fields{.text = "text", .pair = "", .label = ""};
  bool skip_bad_images = false;
};

struct Inputs {
  std::unique_ptr<Source> source;
  bool labelled = false;             // whether labels are meaningful
  std::vector<std::string> origins;  // of every sample, if files were named
};

/// Throws Error if an input is neither a data set nor a readable file.
Inputs open_inputs(const InputArguments& arguments);

}  // namespace patina::cli
