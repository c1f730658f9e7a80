// WiSE-FT (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022), for continual
// learning: after fine-tuning on a task the network is interpolated, (1-α) θ₀ + α θ, and the next
// task starts from the result. As in the paper, θ₀ is the pre-trained network with a head that
// knows the classes before any training. Without class names that head is made of class means, with
// which the task's head is also initialised. So every task is pulled back to the pre-trained
// network. Alternatively θ₀ is the network before the task; then interpolation starts with the
// second task, and the new head, which that network does not have, stays as trained. Heads of
// earlier tasks are frozen and equal in both networks.
#include "patina/learners/baseline/sequential.h"
#include "patina/nn/merging.h"
#include "patina/ops.h"

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
      : SequentialLearner(setup, FreshHead::means),
        part_(options.part),
        previous_(options.toward == "previous") {
    if (!previous_) reference_ = copied(backbone());
  }

  void begin_task(const Task& task, Trainer& trainer) override {
    SequentialLearner::begin_task(task, trainer);
    if (previous_) reference_ = copied(backbone());
    head_ = heads().copy().tensors_of(heads().tasks() - 1);
  }

  void end_task(const Task& task, Trainer&) override {
    if (previous_ && task.index == 0) return;
    assign(nn::tensors(backbone()), mixed(reference_, weights_of(backbone()), part_));
    if (previous_) return;
    NoGrad no_grad;
    for (size_t i = 0; i < head_.size(); ++i)
      newest_head()[i].detach().copy_(at::lerp(head_[i], newest_head()[i], part_));
  }

  void state(Archive& a) override {
    SequentialLearner::state(a);
    if (previous_) a("reference", reference_);
    a("head", head_);
  }

 private:
  double part_;
  bool previous_;      // whether θ₀ is the network before the task
  Weights reference_;  // backbone of θ₀
  Weights head_;       // the newest head, as initialised
};

LearnerRow wise_ft_learner() {
  return learner_row<WiseFt>(
      {.paper = "Wortsman et al., CVPR 2022",
       .about = "Interpolates the fine-tuned network with the pre-trained or the previous one "
                "after each "
                "task.",
       .stores = "The network, the network it is drawn to, and a head a task.",
       .differs = "A baseline: the paper is not about continual learning. Heads begin at class "
                  "means, for want of class names.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .network = Network::any,
       .training = {.epochs = 20,
                    .batch_size = 128,
                    .optimizer = {.lr = 0.001, .weight_decay = 5e-4, .schedule = "constant"}}});
}

}  // namespace patina
