// The output of `patina bench`: a table for people, JSON for docs/benchmarks.md.
#pragma once

#include "bench/scenario.h"
#include "patina/base/json.h"

namespace patina::bench {

/// Processor, cores, threads, instruction set, versions.
Json about_machine();
/// The load over 1, 5 and 15 minutes: other work on the machine.
Json load_average();

/// A scenario with its results. A bar that does not apply (`quick`) is null.
Json json_of(const Scenario& scenario, const std::vector<Case>& cases, bool quick);
/// A case as lines of text.
std::string text_of(const Case& one, bool quick);

}  // namespace patina::bench
