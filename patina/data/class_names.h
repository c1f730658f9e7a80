// Class names and prompt templates from JSON files, as CLIP's authors publish them: sets by name,
// each with `classes` and `templates`; or one plain list.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "patina/data/source.h"

namespace patina {

/// Names in the order of the data set's classes. Of a class with several names the first. Throws
/// Error(data) naming the file and what is wrong: no such set (with "did you mean"), not texts.
std::vector<std::string> read_class_names(const std::string& path, const std::string& set);

/// Sentences with {} where the class name goes. Throws Error(data), also for one without.
std::vector<std::string> read_templates(const std::string& path, const std::string& set);

/// The source under other class names. Throws Error(data) unless there is one for each class.
std::unique_ptr<Source> renamed(std::unique_ptr<Source> source, std::vector<std::string> names);

}  // namespace patina
