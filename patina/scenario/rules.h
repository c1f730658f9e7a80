// The implementations of the scenarios, and what they share.
#pragma once

#include "patina/scenario/scenario.h"

namespace patina {

/// Class-incremental (van de Ven and Tolias, 2019): every task adds new classes, the first
/// `initial_classes`, the others `classes_per_task`. Samples keep the data's order; in single-pass
/// scenarios they are shuffled with the stream's seed.
Scenario class_incremental(const ScenarioOptions& options, const DataSplits& data,
                           const ScenarioInfo& info);

/// Domain-incremental: every task has the same classes in another domain, under the same numbers
/// or, with options.domain_classes, under new ones; or a task has its domain's own classes, of
/// which some or all are new.
Scenario domain_incremental(const ScenarioOptions& options, const DataSplits& data,
                            const ScenarioInfo& info);

/// A sequence of data sets: every task is a domain of the data with the classes it has, old or new.
/// Of data without classes, all tasks have the one that stands for none.
Scenario data_sets(const ScenarioOptions& options, const DataSplits& data,
                   const ScenarioInfo& info);

/// i-Blurry (Bang et al., CVPR 2021): some classes belong to a single stretch; the others have a
/// main stretch, and some of their samples are in all stretches. Stretches have equal numbers of
/// classes.
Scenario i_blurry(const ScenarioOptions& options, const DataSplits& data, const ScenarioInfo& info);

/// Si-Blurry (Moon et al., ICCV 2023): the same with random cut points, so that stretches differ in
/// their numbers of classes and blurry samples.
Scenario si_blurry(const ScenarioOptions& options, const DataSplits& data,
                   const ScenarioInfo& info);

/// The source's class numbers in the order of the options: explicit, drawn with the seed, or the
/// data's own. An explicit order may omit classes. Throws Error(scenario).
std::vector<int64_t> order_of_classes(const ScenarioOptions& options, int64_t count);

/// Throws Error(scenario) unless `order`, the option named `option`, contains distinct numbers
/// below `count`; in messages `thing` names what is numbered, and `rule` ends the sentence.
void check_order(const std::vector<int64_t>& order, int64_t count, const char* option,
                 const char* thing, const std::string& rule);

/// The domains in the order of the options, or of the data. Throws Error(scenario) if there is only
/// one in a domain-incremental stream.
std::vector<int64_t> order_of_domains(const ScenarioOptions& options,
                                      const std::vector<std::string>& domains,
                                      const std::string& data);

/// For each of the source's classes its number in the stream; -1: omitted.
std::vector<int64_t> numbers_of_classes(const std::vector<int64_t>& order, int64_t count);

/// How many blurry samples each stretch gives to a common pool, and how many it takes from it.
struct Spill {
  std::vector<int64_t> gives, takes;
};

/// Si-Blurry's numbers; `has`: the blurry samples of each stretch. Stretch t takes cuts[t+1] -
/// cuts[t] samples and gives as many. If it has fewer, the other stretches give the rest, in
/// proportion to what they have left. So cuts.back() samples move, which must not be more than
/// there are.
Spill full_spill(const std::vector<int64_t>& has, const std::vector<int64_t>& cuts);
/// The same in the authors' sampler: no stretch gives that rest, and stretches take in order until
/// the pool is empty.
Spill capped_spill(const std::vector<int64_t>& has, const std::vector<int64_t>& cuts);

/// The samples of one stretch while a scenario is built.
struct Part {
  std::vector<int64_t> positions, targets;

  void add(int64_t position, int64_t target) {
    positions.push_back(position);
    targets.push_back(target);
  }
  Dataset of(const Source& source) && { return {source, std::move(positions), std::move(targets)}; }
};

/// The samples of each domain; `number`: of each class of the source its number in the stream, -1
/// to leave it out.
std::vector<Part> by_domain(const Source& source, const std::vector<int64_t>& number);

}  // namespace patina
