// WiSE-FT (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022), made continual:
// after fine-tuning on a task the backbone is interpolated, (1-α) θ₀ + α θ, between weights from
// before and those trained, and the next task begins there. As in the paper, θ₀ is the pre-trained
// network, towards which every task is pulled back; or the network as it was before the task, from
// the second task on. There is no zero-shot head to interpolate with: the new task's head stays as
// trained. Those of earlier tasks are frozen, so that both networks agree on them.
#include "patina/learn/merging.h"
#include "patina/learn/sequential.h"

namespace patina {

class WiseFt : public SequentialLearner {
 public:
  struct Options : LearnerOptions {
    double part = 0.5;
    std::string toward = "pretrained";
    void bind(Fields& f) override {
      f("part", part, "Of the network that the task trained, in the interpolation.", between(0, 1));
      f("toward", toward, "What the trained network is interpolated with.",
        {"pretrained", "previous"});
    }
  };

  WiseFt(Setup setup, const Options& options)
      : SequentialLearner(setup), part_(options.part), previous_(options.toward == "previous") {
    if (!previous_) reference_ = copied(backbone());
  }

  void begin_task(const Task& task, Trainer& trainer) override {
    SequentialLearner::begin_task(task, trainer);
    if (previous_) reference_ = copied(backbone());
  }

  // θ = (1-α) θ₀ + α θ.
  void end_task(const Task& task, Trainer&) override {
    if (previous_ && task.index == 0) return;
    assign(nn::tensors(backbone()), mixed(reference_, copied(backbone()), part_));
  }

  void state(Archive& a) override {
    SequentialLearner::state(a);
    if (previous_) a("reference", reference_);
  }

 private:
  double part_;
  bool previous_;      // whether θ₀ is the network before the task
  Weights reference_;  // θ₀
};

LearnerRow wise_ft_learner() {
  return learner_row<WiseFt>(
      "Wortsman et al., CVPR 2022",
      "Interpolates the fine-tuned network with the pre-trained or the previous one after each "
      "task.",
      {.task_id_at_train = true, .boundaries = true, .many_passes = true},
      {.epochs = 20,
       .batch_size = 128,
       .optimizer = {.lr = 0.001, .weight_decay = 5e-4, .schedule = "constant"}});
}

}  // namespace patina
