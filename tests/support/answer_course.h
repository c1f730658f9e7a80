// A learner of answers on three toy sets, for tests of its equations; a test makes each call. And
// probabilities computed word by word.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "patina/learners/registry.h"
#include "patina/models/experts.h"
#include "patina/ops.h"
#include "patina/session/rig.h"
#include "tests/support/bound_options.h"
#include "tests/support/toy_answers.h"

namespace patina {

// A learner on three toy sets.
struct AnswerCourse {
  explicit AnswerCourse(const std::string& name, const std::vector<std::string>& settings = {},
                        int64_t longest = 64, double weight_decay = 0,
                        DataSplits sets = toy_answers(), std::unique_ptr<Backbone> on = nullptr)
      : network(on ? std::move(on) : toy_decoder("llama", 1, longest)),
        data(std::move(sets)),
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
  AnswerCourse(const std::string& name, const std::vector<std::string>& settings, DataSplits sets)
      : AnswerCourse(name, settings, 64, 0, std::move(sets)) {}
  AnswerCourse(const std::string& name, const std::vector<std::string>& settings,
               std::unique_ptr<Backbone> on)
      : AnswerCourse(name, settings, 64, 0, toy_answers(), std::move(on)) {}

  Learner& learner() { return rig.learner(); }
  void learn() {
    task = *stream.next();
    rig.learn(*task);
  }
  // Announces the next task, and does not train it.
  void begin() {
    task = *stream.next();
    learner().begin_task(*task, rig.trainer());
  }
  // Learns it, but for its end.
  void fit() { learner().fit(*task, rig.trainer()); }
  // The first samples of the task.
  Batch batch(int64_t samples = 8) {
    return *Loader(*task->train, rig.train_feed(), rig.pool(), samples).next();
  }
  // -log p of each token that carries loss, as the learner answers: [N].
  Tensor losses(const Input& input) {
    NoGrad no_grad;
    return mixed_losses(*network, input, learner().generator()->experts(input));
  }
  std::map<std::string, Tensor> state() {
    Archive archive;
    learner().state(archive);
    std::map<std::string, Tensor> copies;
    for (const auto& [name, tensor] : archive.tensors()) copies[name] = tensor.clone();
    return copies;
  }

  std::unique_ptr<Backbone> network;
  DataSplits data;
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

/// The input with `more` columns of padding, whose ids are those of words.
inline Input padded(const Input& input, int64_t more) {
  const Tensor zeros = at::zeros({input.size(), more}, at::kLong);
  Input result(at::cat({input.data, zeros + 7}, 1), at::cat({input.mask, zeros}, 1));
  if (input.loss.defined()) result.loss = at::cat({input.loss, zeros}, 1);
  return result;
}

/// Of every method that routes: what a sample is answered with depends neither on the samples
/// beside it nor on padding.
inline void expect_samples_apart(AnswerCourse& course) {
  const Input all = course.batch().input;
  const Tensor together = course.losses(all);
  EXPECT_LT(furthest(course.losses(padded(all, 5)), together), 1e-4) << "padding";
  int64_t from = 0;
  for (int64_t row = 0; row < all.size(); ++row) {
    const int64_t length = all.mask[row].sum().item<int64_t>();
    Input alone(all.data.slice(0, row, row + 1).slice(1, 0, length),
                all.mask.slice(0, row, row + 1).slice(1, 0, length));
    alone.loss = all.loss.slice(0, row, row + 1).slice(1, 0, length);
    const Tensor losses = course.losses(alone);
    EXPECT_LT(furthest(losses, together.slice(0, from, from + losses.size(0))), 1e-4) << row;
    from += losses.size(0);
  }
}

}  // namespace patina
