// Sequential fine-tuning: the lower bound. The whole network and a growing linear head are trained
// on one task after the other, without any measure against forgetting. Protocol: Zhou et al., IJCAI
// 2024 (LAMDA-PILOT).
#include "patina/learn/learner.h"
#include "patina/nn/heads.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

class Finetune : public Learner {
 public:
  struct Options : LearnerOptions {
    double later_weight_decay = 2e-4;
    std::string compete = "task";
    void bind(Fields& f) override {
      f("later_weight_decay", later_weight_decay,
        "Weight decay from the second task on; the first task's is training.weight_decay.",
        at_least(0));
      f("compete", compete,
        "Among which classes a sample's own is learned: the task's, as in LAMDA-PILOT, or all "
        "seen, "
        "as where classical methods are compared.",
        {"task", "seen"});
    }
  };

  Finetune(Setup setup, const Options& options)
      : backbone_(setup.backbone), seeds_(setup.seeds), options_(options) {
    nn::freeze(backbone_, false);
  }

  void begin_task(const Task& task, Trainer& trainer) override {
    first_ = options_.compete == "task" ? task.classes.front() : 0;
    Random random = seeds_("head", uint64_t(task.index));
    head_.grow(int64_t(task.seen.size()), backbone_.width(), random, backbone_.place());
    const double first = trainer.options().optimizer.weight_decay;
    decay_factor_ = task.index == 0 || first == 0 ? 1 : options_.later_weight_decay / first;
  }

  // If only the task's own classes compete, the rows of other classes get no gradient.
  Tensor loss(const Batch& batch, const Step&) override {
    const Tensor scores = head_(backbone_.features(batch.input));
    return nn::cross_entropy(scores.slice(1, first_), batch.target - first_);
  }

  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    return head_(backbone_.features(asked.input));
  }

  bool answers_untrained() const override { return true; }
  std::optional<AsNetwork> as_network() const override {
    return AsNetwork{.trains_weights = true, .weight = head_.weight, .bias = head_.bias};
  }

  std::vector<ParamGroup> trainable() override {
    ParamGroup group = trainable_group(backbone_, head_);
    group.weight_decay_factor = decay_factor_;
    return {group};
  }

  void state(Archive& a) override {
    a("backbone", backbone_);
    a("head", head_);
    a("first", first_);
    a("decay_factor", decay_factor_);
  }

 private:
  Backbone& backbone_;
  Seeds seeds_;
  Options options_;
  nn::LinearHead head_;
  int64_t first_ = 0;  // the task's first class
  double decay_factor_ = 1;
};

LearnerRow finetune_learner() {
  return learner_row<Finetune>(
      {.paper = "lower bound",
       .about = "Trains the whole network on each task in turn and does nothing about forgetting.",
       .stores = "The network and a head that grows.",
       .needs = {.task_id_at_train = true, .boundaries = true, .many_passes = true},
       .network = Network::any,
       .training = {
           .epochs = 20,
           .batch_size = 128,
           .optimizer = {
               .optimizer = "sgd", .lr = 0.001, .weight_decay = 5e-4, .schedule = "constant"}}});
}

}  // namespace patina
