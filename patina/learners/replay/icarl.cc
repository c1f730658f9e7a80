// iCaRL: trains on every task's samples together with a herded memory, distills the previous
// network's outputs, and classifies by the nearest mean of a class's memory samples. Rebuffi et
// al., "iCaRL: Incremental Classifier and Representation Learning", CVPR 2017.
#include "patina/learn/network_learner.h"
#include "patina/learners/replay/herded_memory.h"
#include "patina/learners/replay/teacher.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

namespace {

Tensor log_one_plus_exp(const Tensor& x) {
  return at::relu(x) + at::exp(-at::abs(x)).log1p();
}

}  // namespace

class ICarl : public NetworkLearner {
 public:
  struct Options : LearnerOptions, HerdedMemoryOptions {
    double temperature = 2;
    std::string predict = "means", loss = "paper";
    void bind(Fields& f) override {
      HerdedMemoryOptions::bind(f);
      f("predict", predict, "By the nearest mean of remembered samples, or by the head.",
        {"means", "head"});
      f("loss", loss,
        "paper: binary cross-entropy of every class, with the earlier network's probabilities as "
        "the targets of earlier classes; pilot: cross-entropy and distillation.",
        {"paper", "pilot"});
      f("temperature", temperature, "Of pilot's distillation.", above(0));
    }
  };

  ICarl(Setup setup, const Options& options)
      : NetworkLearner(setup), options_(options), memory_(options, setup.loader()) {}

  void begin_task(const Task& task, Trainer& trainer) override {
    if (task.index > 0) teacher_.take(backbone(), head());
    NetworkLearner::begin_task(task, trainer);
  }

  void fit(const Task& task, Trainer& trainer) override {
    memory_.train_beside(*this, task, trainer);
  }

  Tensor loss(const Batch& batch, const Step&) override {
    const Tensor now = outputs(batch.input);
    const Tensor before = teacher_ ? teacher_(batch.input) : Tensor();
    if (options_.loss == "pilot") {
      Tensor loss = task_loss(now, batch.target);
      if (!teacher_) return loss;
      const double t = options_.temperature;  // LAMDA-PILOT omits the factor T²
      return loss + nn::distillation(now.slice(1, 0, before.size(1)), before, t) / (t * t);
    }
    Tensor wanted = at::one_hot(batch.target, now.size(1)).to(at::kFloat);
    if (teacher_) wanted.slice(1, 0, before.size(1)).copy_(at::sigmoid(before));
    // -y log σ(z) - (1 - y) log(1 - σ(z)), summed over classes.
    return (log_one_plus_exp(now) - wanted * now).sum(1).mean();
  }

  void end_task(const Task& task, Trainer& trainer) override {
    teacher_.release();
    memory_.update(task, trainer.features(backbone(), *task.train));
    if (options_.predict == "means") means_ = memory_.means(backbone(), trainer);
  }

  // Minus the squared distance of normalised features to the normalised means, up to a constant.
  Tensor scores(const Question& asked) const override {
    if (options_.predict == "head") return NetworkLearner::scores(asked);
    NoGrad no_grad;
    return cosine_scores(backbone().features(asked.input), means_);
  }

  bool answers_untrained() const override { return options_.predict == "head"; }

  void state(Archive& a) override {
    NetworkLearner::state(a);
    a("memory", memory_);
    a("means", means_);
    teacher_.state(a, backbone(), head());
  }

 private:
  Options options_;
  HerdedMemory memory_;
  Tensor means_;     // [K,D]
  Teacher teacher_;  // from the second task on
};

LearnerRow icarl_learner() {
  return learner_row<ICarl>(
      {.paper = "Rebuffi et al., CVPR 2017",
       .about = "A herded memory, the earlier network's answers repeated, and nearest class means.",
       .stores =
           "The network, a head, the memory's samples and their classes' means; within a task "
           "a copy of the network.",
       .differs = "LAMDA-PILOT's loss is `loss = \"pilot\"`. Its rate and epochs for pre-trained "
                  "networks are the defaults; the paper trains from nothing for 70 epochs, at a "
                  "rate of 2 for the loss's mean over classes, which is here its sum.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .keeps_samples = true,
       .network = Network::any,
       .training = {.epochs = 20,
                    .batch_size = 128,
                    .optimizer = {.lr = 1e-3, .weight_decay = 5e-4, .schedule = "constant"}}});
}

}  // namespace patina
