// What `patina bench` writes: a table for people, JSON for docs/benchmarks.md.
#pragma once

#include "bench/scenario.h"
#include "patina/base/json.h"

namespace patina::bench {

/// Processor, cores, threads, instruction set, versions.
Json about_machine();
/// Of 1, 5 and 15 minutes: what else the machine has to do.
Json load_average();

/// A scenario with what came of it. A bar that was not to be judged (`quick`) is null.
Json json_of(const Scenario& scenario, const std::vector<Case>& cases, bool quick);
/// A case for people, in lines.
std::string text_of(const Case& one, bool quick);

}  // namespace patina::bench
