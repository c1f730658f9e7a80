// Pieces of the HTML page. Every string from a record passes through escape() on its way in.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "patina/report/record.h"

namespace patina::page {

/// `text` for HTML content and quoted attributes.
std::string escape(std::string_view text);

/// A table cell; `classes` may be empty. `html` is already escaped.
std::string cell(std::string_view html, std::string_view classes = "");

/// What must be seen beside a run's name: that it was interrupted, that it was not tested.
std::string badges(const RunRecord& run);

/// The section of one run: heat map, tasks, metrics, recipe, machine.
std::string run_section(const RunRecord& run, size_t number);

}  // namespace patina::page
