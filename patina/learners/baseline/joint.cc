// Joint training: the upper bound. For every task the network is reset to its pre-trained weights
// and trained on all samples of all classes seen so far, which a continual learner may not store.
#include "patina/learn/learner.h"
#include "patina/nn/heads.h"
#include "patina/nn/losses.h"
#include "patina/nn/merging.h"
#include "patina/ops.h"

namespace patina {

class Joint : public Learner {
 public:
  struct Options : LearnerOptions {
    bool restart = true;
    void bind(Fields& f) override {
      f("restart", restart,
        "Begin every task from the pre-trained weights, not from the last task's.");
    }
  };

  Joint(Setup setup, const Options& options)
      : backbone_(setup.backbone),
        initial_(setup.backbone.clone()),
        seeds_(setup.seeds),
        options_(options) {
    nn::freeze(backbone_, false);
  }

  void begin_task(const Task& task, Trainer&) override {
    if (options_.restart) {
      assign(nn::tensors(backbone_), weights_of(*initial_));
      head_ = {};
    }
    Random random = seeds_("head", uint64_t(task.index));
    head_.grow(int64_t(task.seen.size()), backbone_.width(), random, backbone_.place());
  }

  Tensor loss(const Batch& batch, const Step&) override {
    return nn::cross_entropy(head_(backbone_.features(batch.input)), batch.target);
  }

  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    return head_(backbone_.features(asked.input));
  }

  bool answers_untrained() const override { return true; }
  std::optional<AsNetwork> as_network() const override {
    return AsNetwork{.trains_weights = true, .weight = head_.weight, .bias = head_.bias};
  }

  std::vector<ParamGroup> trainable() override { return {trainable_group(backbone_, head_)}; }

  void state(Archive& a) override {
    a("backbone", backbone_);
    a("head", head_);
  }

 private:
  Backbone& backbone_;
  std::unique_ptr<Backbone> initial_;
  Seeds seeds_;
  Options options_;
  nn::LinearHead head_;
};

LearnerRow joint_learner() {
  return learner_row<Joint>(
      {.paper = "upper bound",
       .about =
           "Trains on the samples of all tasks so far, from the pre-trained weights each time.",
       .stores = "The network and a head; it is handed the samples of all tasks again.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .past_data = true},
       .network = Network::any,
       .training = {
           .epochs = 20,
           .batch_size = 128,
           .optimizer = {
               .optimizer = "sgd", .lr = 0.001, .weight_decay = 5e-4, .schedule = "cosine"}}});
}

}  // namespace patina
