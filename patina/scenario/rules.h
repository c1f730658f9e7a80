// The rules behind the scenarios' names, and what they share.
#pragma once

#include "patina/scenario/scenario.h"

namespace patina {

/// Every task brings new classes (van de Ven and Tolias, 2019): the first `initial_classes`, the
/// others `classes_per_task`. Samples keep the data's order, or, where they come once, are shuffled
/// by the stream's seed.
Scenario class_incremental(const ScenarioOptions& options, const DataSplits& data,
                           const ScenarioInfo& info);

/// Every task brings the same classes from another domain, under the same numbers or, by
/// options.domain_classes, under its own.
Scenario domain_incremental(const ScenarioOptions& options, const DataSplits& data,
                            const ScenarioInfo& info);

/// Some classes belong to one stretch each, the others have a main stretch and spill into all (Bang
/// et al., CVPR 2021). Stretches are equal in number of classes.
Scenario i_blurry(const ScenarioOptions& options, const DataSplits& data, const ScenarioInfo& info);

/// The same with cut points drawn at random: stretches differ in classes and spill (Moon et al.,
/// ICCV 2023).
Scenario si_blurry(const ScenarioOptions& options, const DataSplits& data,
                   const ScenarioInfo& info);

/// The source's class numbers in the order of the options: explicit, drawn by the seed, or the
/// data's own. An explicit order may leave classes out. Throws Error(scenario).
std::vector<int64_t> order_of_classes(const ScenarioOptions& options, int64_t count);

/// Throws Error(scenario) unless `order`, the option called `option`, holds numbers below `count`
/// once each; `thing` is what they number, `rule` the end of the sentence.
void check_order(const std::vector<int64_t>& order, int64_t count, const char* option,
                 const char* thing, const std::string& rule);

/// A stream's number of each of the source's classes; -1: left out.
std::vector<int64_t> numbers_of_classes(const std::vector<int64_t>& order, int64_t count);

/// Samples of one stretch while they are handed out.
struct Part {
  std::vector<int64_t> positions, targets;

  void add(int64_t position, int64_t target) {
    positions.push_back(position);
    targets.push_back(target);
  }
  Dataset of(const Source& source) && { return {source, std::move(positions), std::move(targets)}; }
};

}  // namespace patina
