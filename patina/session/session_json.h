// Sessions from options as JSON, for the interfaces of other languages. Sections and keys are those
// of a recipe, so an option has one name everywhere:
//
//   {"model": {"name": "starter"}, "learner": {"name": "ranpac", "projection": 2000},
//    "training": {"epochs": 5}, "engine": {"device": "cpu"}, "seed": 1993}
//
// A text in the place of "model" or "learner" is its name. Values that are null are left out.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "patina/base/json_fwd.h"
#include "patina/session/session.h"

namespace patina {

/// The options as `--set` writes them: "learner.projection=2000". Throws Error(usage) for what is
/// not an object of values that a recipe can have.
std::vector<std::string> settings_of(const Json& options);

/// A session with the sections model, learner, training, train_transform, test_transform, text and
/// engine, and the keys seed, cache and data_threads. Throws Error(recipe) with every mistake, and
/// what loading the model throws.
Session create_session(const Json& options);
/// The same on a backbone that is there already: "model" is not among the options.
Session create_session(std::unique_ptr<Backbone> backbone, const Json& options);
/// An artefact, with the section engine and the keys weights, cache and data_threads.
Session open_session(const std::filesystem::path& path, const Json& options);
/// A backbone on its engine, with the sections model and engine and the keys cache and seed.
std::unique_ptr<Backbone> create_backbone(const Json& options);

/// The keys with_backbone, bf16 and samples.
SaveOptions save_options(const Json& options);
/// The keys max_tokens, temperature, top_k, top_p, seed, stop, cut and batch.
AnswerOptions answer_options(const Json& options);

}  // namespace patina
