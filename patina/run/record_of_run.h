// The record of a run in progress: what it began with, and what was measured so far.
#pragma once

#include <string>

#include "patina/record/record.h"
#include "patina/run/costs.h"
#include "patina/run/evaluation.h"
#include "patina/run/recipe.h"
#include "patina/store/feature_store.h"

namespace patina {

/// What runs, on what data and on what machine; nothing is measured yet. `hash` is of the
/// backbone's weights before any learning.
Record record_of_start(Recipe& recipe, const DataSplits& data, const Backbone& backbone,
                       const std::string& hash, const Scenario& scenario);

/// Matrices, metrics and the anytime curve.
void add_scores(Record& record, const Evaluation& evaluation);

/// Time, memory and parameters. `backbone_numbers` are the backbone's own, `trainable` the most
/// that took gradients.
void add_costs(Record& record, const Costs& costs, int64_t backbone_numbers, int64_t trainable);

/// What computed the run, and what it kept; `store` is null where features are not kept.
void add_engine(Record& record, const std::string& kind, const Costs& costs,
                const FeatureStore* store, const ImageCache& images);

}  // namespace patina
