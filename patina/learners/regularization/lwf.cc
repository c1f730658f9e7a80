// Learning without forgetting: on the new task's samples, the outputs for earlier classes are
// distilled from the network before the task. Li and Hoiem, "Learning without Forgetting", ECCV
// 2016.
#include "patina/learn/network_learner.h"
#include "patina/learners/replay/teacher.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

class Lwf : public NetworkLearner {
 public:
  struct Options : LearnerOptions {
    double temperature = 2, strength = 1;
    void bind(Fields& f) override {
      f("temperature", temperature, "Of what is repeated (T).", above(0));
      f("strength", strength, "Weight of repeating (λ_o).", at_least(0));
    }
  };

  Lwf(Setup setup, const Options& options) : NetworkLearner(setup), options_(options) {}

  void begin_task(const Task& task, Trainer& trainer) override {
    if (task.index > 0) teacher_.take(backbone(), head());
    NetworkLearner::begin_task(task, trainer);
  }

  // L = CE + λ_o T² KL(p_before ‖ p_now) over the earlier classes, both on the same view of a
  // sample. If the task is known at test time, each earlier task has a distribution of its own.
  Tensor loss(const Batch& batch, const Step&) override {
    const Tensor now = outputs(batch.input);
    Tensor loss = task_loss(now, batch.target);
    if (!teacher_) return loss;
    const Tensor before = teacher_(batch.input);
    int64_t from = 0;
    for (const int64_t to : grant().task_id_at_test ? ends_ : std::vector{ends_.back()}) {
      loss = loss + nn::distillation(now.slice(1, from, to), before.slice(1, from, to),
                                     options_.temperature) *
                        options_.strength;
      from = to;
    }
    return loss;
  }

  void end_task(const Task&, Trainer&) override {
    ends_.push_back(head().classes());
    teacher_.release();
  }

  void state(Archive& a) override {
    NetworkLearner::state(a);
    a("ends", ends_);
    teacher_.state(a, backbone(), head());
  }

 private:
  Options options_;
  Teacher teacher_;            // from the second task on
  std::vector<int64_t> ends_;  // classes seen after each task
};

LearnerRow lwf_learner() {
  return learner_row<Lwf>(
      {.paper = "Li and Hoiem, ECCV 2016",
       .about = "Repeats on new samples what the network said of earlier classes before.",
       .stores = "The network, a head; within a task a copy of both.",
       .differs =
           "The earlier network sees the same augmented view as the one in training; Mammoth "
           "compares with what it said of the view without augmentation.",
       .needs = {.boundaries = true},
       .network = Network::any,
       .training = {
           .epochs = 10, .batch_size = 128, .optimizer = {.lr = 0.01, .schedule = "constant"}}});
}

}  // namespace patina
