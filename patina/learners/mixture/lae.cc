// LAE (Gao et al., "A Unified Continual Learning Framework with General Parameter-Efficient
// Tuning", ICCV 2023): an online adaptation of the first blocks learns each task, after some epochs
// in which only the task's head is trained. An offline copy is a moving average of it, which
// preserves earlier knowledge. A class's score is the larger probability of the two.
#include <algorithm>

#include "patina/base/error.h"
#include "patina/learn/adapted.h"
#include "patina/learn/learner.h"
#include "patina/nn/heads.h"
#include "patina/nn/losses.h"
#include "patina/nn/merging.h"
#include "patina/ops.h"

namespace patina {

class Lae : public Learner {
 public:
  struct Options : LearnerOptions {
    std::string adaptation = "adapter";
    int64_t size = 0;
    std::vector<int64_t> layers = {0, 1, 2, 3, 4};
    int64_t frozen_epochs = 3;
    double keep = 0.9999;
    std::string compat = "paper";
    void bind(Fields& f) override {
      f("adaptation", adaptation,
        "An adapter beside attention, LoRA on keys and values, or a compensated prefix.",
        {"adapter", "lora", "prefix"});
      f("size", size, "Bottleneck, rank or length; 0: the paper's, which is 5, for a prefix 10.",
        at_least(0));
      f("layers", layers, "Blocks that are adapted, of those the network has.", at_least(0));
      f("frozen_epochs", frozen_epochs,
        "Epochs of each task but the first that train the head alone.", at_least(0));
      f("keep", keep, "What the offline copy keeps of itself at every step.", between(0, 1));
      f("compat", compat,
        "\"pilot\": the offline copy follows, and the head is first alone, in the first task too, "
        "as in LAMDA-PILOT.",
        {"paper", "pilot"});
    }
  };

  Lae(Setup setup, const Options& options)
      : backbone_(setup.backbone),
        seeds_(setup.seeds),
        options_(options),
        online_(make()),
        offline_(make()) {
    nn::freeze(*offline_);
  }

  void begin_task(const Task& task, Trainer&) override {
    const bool follows = task.index > 0 || options_.compat == "pilot";
    if (follows && !follows_) assign(nn::tensors(*offline_), weights_of(*online_));
    follows_ = follows;
    Random random = seeds_("head", uint64_t(task.index));
    heads_.add(int64_t(task.fresh.size()), backbone_.width(), random, backbone_.place(),
               /*deviation=*/0.001);
  }

  void begin_epoch(const Step& step) override {
    nn::freeze(*online_, follows_ && step.epoch < options_.frozen_epochs);
  }

  // Cross-entropy among the task's own classes.
  Tensor loss(const Batch& batch, const Step&) override {
    const Tensor features = backbone_.features(batch.input, {online_.get()});
    return nn::cross_entropy(heads_.newest()(features), batch.target - heads_.known());
  }

  // θ_off <- α θ_off + (1 - α) θ_on.
  void after_step(const Batch&, const Step&) override {
    if (follows_) follow(nn::tensors(*offline_), weights_of(*online_), options_.keep);
  }

  std::vector<ParamGroup> trainable() override {
    return {trainable_group(*online_, heads_.newest())};
  }

  // The optimizer holds all parameters; begin_epoch freezes those that an epoch does not train.
  void fit(const Task& task, Trainer& trainer) override {
    nn::freeze(*online_, false);
    trainer.epochs(*this, task);
    nn::freeze(*online_);
  }

  // max(softmax(z_on), softmax(z_off)), class by class.
  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    const auto under = [&](nn::Adaptation& adaptation) {
      return at::softmax(heads_(backbone_.features(asked.input, {&adaptation})), 1);
    };
    const Tensor online = under(*online_);
    return follows_ ? at::maximum(online, under(*offline_)) : online;
  }

  void state(Archive& a) override {
    a("online", *online_);
    a("offline", *offline_);
    a("follows", follows_);
    a("heads", heads_);
  }

 private:
  std::unique_ptr<nn::Adaptation> make() const {
    Random random = seeds_("adaptation");
    const auto layers = blocks_within(backbone_, options_.layers);
    if (layers.empty())
      fail(ErrorKind::recipe,
           "learner.layers: the network has none of these blocks; its blocks are 0 to {}",
           backbone_.layers() - 1);
    const auto size = [&](int64_t paper) { return options_.size > 0 ? options_.size : paper; };
    if (options_.adaptation == "adapter")
      return make_adapter({.bottleneck = size(5),
                           .scale = 1,
                           .placement = "attention",
                           .activation = "gelu",
                           .learned_scale = true,
                           .layers = layers,
                           .dropout = 0},
                          backbone_.tower(), random);
    if (options_.adaptation == "lora")
      return make_lora({.rank = size(5),
                        .alpha = double(size(5)),
                        .parts = "kv",
                        .learned_scale = true,
                        .layers = layers},
                       backbone_.tower(), random);
    return make_prefix({.length = size(10),
                        .layers = layers,
                        .low = 0,
                        .high = 0.01,
                        .learned_scale = true,
                        .compensated = true},
                       backbone_.tower(), random);
  }

  const Backbone& backbone_;
  Seeds seeds_;
  Options options_;
  std::unique_ptr<nn::Adaptation> online_, offline_;
  bool follows_ = false;  // there is an offline copy; from then on heads are trained alone in the
                          // first epochs
  nn::TaskHeads heads_;
};

LearnerRow lae_learner() {
  return learner_row<Lae>(
      {.paper = "Gao et al., ICCV 2023",
       .about =
           "Adapts the first blocks task by task, beside a copy that follows slowly; the surer one "
           "counts.",
       .stores = "The adaptation twice, and a head a task.",
       .differs =
           "The offline copy begins with the second task, as in the authors' code. LAMDA-PILOT has "
           "it, and trains the head alone at first, in the first task too: `compat = \"pilot\"`.",
       .needs = {.boundaries = true, .many_passes = true, .new_classes = true},
       .training = {.epochs = 5,
                    .batch_size = 24,
                    .optimizer = {.optimizer = "adam", .lr = 0.0028125, .schedule = "constant"}}});
}

}  // namespace patina
