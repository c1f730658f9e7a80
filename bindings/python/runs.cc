// Runs of recipes, and what there is to run, for Python.
#include <numeric>

#include "bindings/python/samples.h"
#include "patina/base/json.h"
#include "patina/data/views.h"
#include "patina/learners/registry.h"
#include "patina/run/run.h"
#include "patina/session/explanation.h"
#include "patina/session/session_json.h"

namespace patina::python {

namespace {

RunMode mode_of(const std::string& word) {
  if (word == "resume") return RunMode::resume;
  return word == "overwrite" ? RunMode::overwrite : RunMode::fresh;
}

// All of a source that others hold, too.
std::unique_ptr<Source> all_of(const Samples& samples) {
  std::vector<int64_t> all(size_t(samples.source->size()));
  std::iota(all.begin(), all.end(), int64_t{0});
  return std::make_unique<Selection>(labelled(samples), std::move(all));
}

struct Asked {
  std::string recipe, settings, folder, mode;
  bool cache = true;
  int64_t data_threads = 0;
  std::optional<DataSplits> data;
};

// The folder and the record.
std::pair<std::string, std::string> run_recipe(const Asked& asked, PythonWork& work) {
  Recipe recipe = read_recipe(asked.recipe, settings_of(parse_json(asked.settings, "set")));
  const fs::path folder =
      asked.folder.empty() ? fs::path("runs") / recipe.name : fs::path(asked.folder);
  const RunControl control{.mode = mode_of(asked.mode),
                           .should_stop = [&] { return work.interrupted(); },
                           .stop_between_batches = true,
                           .data_threads = int(asked.data_threads),
                           .cache = asked.cache};
  if (!asked.data) return {folder.string(), run(recipe, folder, control).dump()};
  const auto backbone = backbone_of(recipe);
  return {folder.string(), run(recipe, *asked.data, *backbone, folder, control).dump()};
}

py::list list_learners() {
  py::list all;
  for (const auto& row : learners())
    all.append(py::dict(py::arg("name") = row.name, py::arg("family") = row.family,
                        py::arg("paper") = row.paper, py::arg("about") = row.about,
                        py::arg("stores") = row.stores, py::arg("needs") = row.needs.names(),
                        py::arg("network") = row.network.name, py::arg("answers") = row.generates,
                        py::arg("keeps_samples") = row.keeps_samples));
  return all;
}

}  // namespace

void add_runs(py::module_& module) {
  module.def("run",
             [](const std::string& recipe, const std::string& settings, const std::string& folder,
                const std::string& mode, bool cache, int64_t data_threads, const Samples* train,
                const Samples* test, const std::string& name) {
               Asked asked{recipe, settings, folder, mode, cache, data_threads, {}};
               if (train && test) asked.data = DataSplits{name, all_of(*train), all_of(*test)};
               return freely([&](PythonWork& work) { return run_recipe(asked, work); });
             });
  module.def("learners", list_learners);
  module.def("explain", [](const std::string& name) {
    const LearnerRow* row = find_learner(name);
    if (!row)
      fail(ErrorKind::usage, "no learner is called \"{}\"{}", name,
           did_you_mean(name, learner_names()));
    return explanation(*row);
  });
}

}  // namespace patina::python
