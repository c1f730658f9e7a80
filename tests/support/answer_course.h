// A learner that answers with text on three toy sets; a test makes each call. And probabilities
// computed word by word.
#pragma once

#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "patina/learners/registry.h"
#include "patina/ops.h"
#include "patina/session/rig.h"
#include "tests/support/bound_options.h"
#include "tests/support/toy_answers.h"

namespace patina {

// A learner on three toy sets.
struct AnswerCourse {
  explicit AnswerCourse(const std::string& name, const std::vector<std::string>& settings = {},
                        int64_t longest = 64, double weight_decay = 0)
      : network(toy_decoder("llama", 1, longest)),
        scenario(make_scenario({.name = "data_sets"}, data)),
        stream(scenario.stream()),
        options(bound_options(name, settings)),
        rig(*network, *data.train, *data.test,
            {.row = find_learner(name),
             .learner = options.get(),
             .training = {.epochs = 2,
                          .batch_size = 4,
                          .optimizer = {.optimizer = "adamw",
                                        .lr = 0.01,
                                        .weight_decay = weight_decay,
                                        .schedule = "constant"}},
             .seeds = Seeds(5),
             .grant = scenario.grant(),
             .data_threads = 1}) {}

  Learner& learner() { return rig.learner(); }
  void learn() {
    task = *stream.next();
    rig.learn(*task);
  }
  // Learns a task but for its end.
  void begin() {
    task = *stream.next();
    learner().begin_task(*task, rig.trainer());
  }
  void fit() { learner().fit(*task, rig.trainer()); }
  Batch batch() { return *Loader(*task->train, rig.train_feed(), rig.pool(), 8).next(); }
  std::map<std::string, Tensor> state() {
    Archive archive;
    learner().state(archive);
    std::map<std::string, Tensor> copies;
    for (const auto& [name, tensor] : archive.tensors()) copies[name] = tensor.clone();
    return copies;
  }

  std::unique_ptr<Backbone> network;
  DataSplits data = toy_answers();
  Scenario scenario;
  Stream stream;
  std::unique_ptr<LearnerOptions> options;
  Rig rig;
  std::optional<Task> task;
};

inline double furthest(const Tensor& a, const Tensor& b) {
  return (a - b).abs().max().item<double>();
}

// The numbers of a row as doubles.
inline std::vector<double> numbers(const Tensor& row) {
  const Tensor all = row.detach().to(at::kDouble).contiguous();
  return {all.data_ptr<double>(), all.data_ptr<double>() + all.numel()};
}

inline std::vector<double> softmax(const std::vector<double>& scores) {
  std::vector<double> p;
  double sum = 0;
  for (const double score : scores) sum += p.emplace_back(std::exp(score));
  for (double& value : p) value /= sum;
  return p;
}

inline double divergence(const std::vector<double>& p, const std::vector<double>& q) {
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) sum += p[i] * std::log(p[i] / q[i]);
  return sum;
}

}  // namespace patina
