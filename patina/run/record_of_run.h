// The record of a run in progress: its configuration, and the measurements so far.
#pragma once

#include <string>

#include "patina/record/record.h"
#include "patina/run/costs.h"
#include "patina/run/evaluation.h"
#include "patina/run/recipe.h"
#include "patina/store/feature_store.h"

namespace patina {

/// The record before any measurement: recipe, data, model and machine. `hash` is that of the
/// backbone's weights before learning.
Record record_of_start(Recipe& recipe, const DataSplits& data, const Backbone& backbone,
                       const std::string& hash, const Scenario& scenario);

/// Adds matrices, metrics and the anytime curve.
void add_scores(Record& record, const Evaluation& evaluation);

/// Adds time, memory and parameters. `backbone_numbers` is the backbone's number of parameters,
/// `trainable` the largest number trained at once.
void add_costs(Record& record, const Costs& costs, int64_t backbone_numbers, int64_t trainable);

/// Adds the engine and cache statistics; `store` is null if features are not cached.
void add_engine(Record& record, const std::string& kind, const Costs& costs,
                const FeatureStore* store, const ImageCache& images);

}  // namespace patina
