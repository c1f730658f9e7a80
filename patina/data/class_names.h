// Class names and prompt templates from JSON files, in the form CLIP's authors publish: named sets
// with `classes` and `templates`, or one plain list.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "patina/data/source.h"

namespace patina {

/// Names in the order of the data set's classes; for a class with several names the first. Throws
/// Error(data) with the file and the problem: no such set (with a suggestion), or not texts.
std::vector<std::string> read_class_names(const std::string& path, const std::string& set);

/// Sentences with {} in place of the class name. Throws Error(data) if one has none.
std::vector<std::string> read_templates(const std::string& path, const std::string& set);

/// The source with other class names. Throws Error(data) unless there is one for each class.
std::unique_ptr<Source> renamed(std::unique_ptr<Source> source, std::vector<std::string> names);

}  // namespace patina
