// Uniform soup (Wortsman et al., "Model soups", ICML 2022), for continual learning: scores use the
// mean of the backbones after each task. The next task's training continues from the network
// trained last, not from the mean, or, like the paper's ingredients, starts from the pre-trained
// network. Each head is initialised with its classes' means and stays as its task trained it.
#include "patina/learners/baseline/sequential.h"
#include "patina/nn/merging.h"

namespace patina {

class Soup : public SequentialLearner {
 public:
  struct Options : LearnerOptions {
    std::string start = "trained";
    void bind(Fields& f) override {
      f("start", start, "The network that a task's training begins with.",
        {"trained", "pretrained"});
    }
  };

  Soup(Setup setup, const Options& options)
      : SequentialLearner(setup, FreshHead::means),
        options_(options),
        trained_(copied(setup.backbone)) {}

  void begin_task(const Task& task, Trainer& trainer) override {
    SequentialLearner::begin_task(task, trainer);
    if (task.index == 0) return;
    mean_ = copied(backbone());
    assign(nn::tensors(backbone()), trained_);
  }

  // mean_T = (1 - 1/T) mean_{T-1} + θ_T / T: one network is stored, not T.
  void end_task(const Task& task, Trainer&) override {
    const Weights now = copied(backbone());
    if (options_.start == "trained") trained_ = now;
    if (task.index > 0)
      assign(nn::tensors(backbone()),
             mixed(std::exchange(mean_, {}), now, 1 / double(task.index + 1)));
  }

  void state(Archive& a) override {
    SequentialLearner::state(a);
    a("trained", trained_);
    a("mean", mean_);
  }

 private:
  Options options_;
  Weights trained_;  // weights from which the next task is trained
  Weights mean_;     // mean of the backbones so far, while a task is trained
};

LearnerRow soup_learner() {
  return learner_row<Soup>(
      {.paper = "Wortsman et al., ICML 2022",
       .about = "Scores with the mean of the networks after each task of sequential fine-tuning.",
       .stores = "The network as trained, the mean of all so far, and a head a task.",
       .differs = "A baseline: the paper is not about continual learning. Heads begin at class "
                  "means, so that they agree on a scale.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .network = Network::any,
       .training = {.epochs = 20,
                    .batch_size = 128,
                    .optimizer = {.lr = 0.001, .weight_decay = 5e-4, .schedule = "constant"}}});
}

}  // namespace patina
