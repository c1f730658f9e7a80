// A learner on a tiny two-tower network and a toy stream, one task at a time, beside the same
// network untouched.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "patina/nn/losses.h"
#include "tests/support/toy_world.h"

namespace patina {

inline std::unique_ptr<Backbone> toy_towers() {
  return toy_network("zsclip", ToyWorld::kClasses);
}

struct TowerCourse {
  explicit TowerCourse(const std::string& name, std::vector<std::string> settings = {})
      : network(toy_towers()),
        pristine(toy_towers()),
        drive(name, toy_recipe(name, 2, 0, std::move(settings)), kImages.data(), *network) {}

  const Task& begin() {
    task = *drive.stream.next();
    drive.learner->begin_task(*task, drive.trainer);
    return *task;
  }
  void learn() {
    task = *drive.stream.next();
    drive.learn(*task);
  }
  /// All training samples of the task, as they are tested.
  Batch batch() {
    return *Loader(*task->train, drive.rig.test_feed(), drive.rig.pool(), 1024).next();
  }
  Batch tested() { return drive.test_batch(task->index); }
  Tensor scores(const Question& asked) { return drive.learner->scores(asked); }
  std::map<std::string, Tensor> state() {
    Archive archive;
    drive.learner->state(archive);
    return archive.tensors();
  }
  std::vector<std::string> names() const {  // of the classes seen
    std::vector<std::string> seen;
    for (int t = 0; t <= task->index; ++t)
      for (const int64_t c : drive.scenario.fresh_classes(t))
        seen.push_back(drive.scenario.classes()[size_t(c)]);
    return seen;
  }

  std::unique_ptr<Backbone> network, pristine;
  ToyDrive drive;
  std::optional<Task> task;
};

/// The number of the domain, of the first two in a learner's state, with the centre nearest to z
/// [D].
inline int64_t nearest_domain(const std::map<std::string, Tensor>& state, const Tensor& z) {
  const auto distance = [&](const char* domain) {
    const Tensor centres = state.at(std::string("centres.centres.") + domain);
    return (centres - z).abs().sum(1).min().item<double>();
  };
  return distance("1") < distance("0") ? 1 : 0;
}

inline double cross_entropy_of(const Tensor& scores, const Tensor& target, double smoothing = 0) {
  return nn::cross_entropy(scores.to(at::kDouble), target, smoothing).item<double>();
}

}  // namespace patina
