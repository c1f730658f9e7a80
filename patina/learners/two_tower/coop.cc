// CoOp (Zhou et al., "Learning to Prompt for Vision-Language Models", IJCV 2022): the words around
// a class name are learned vectors, the same for all classes; CLIP stays frozen. Here it is the
// lower bound among learned texts: the same vectors are trained on one task after the other,
// without any measure against forgetting.
#include "patina/config/sizes.h"
#include "patina/learn/adapted.h"
#include "patina/learners/two_tower/two_tower_learner.h"

namespace patina {

class CoOp : public TwoTowerLearner {
 public:
  struct Options : LearnerOptions {
    int64_t context = 16;
    std::string compete = "task";
    void bind(Fields& f) override {
      f("context", context, "Learned vectors in front of a class name.", sized(1));
      bind_compete(f, compete);
    }
  };

  CoOp(Setup setup, const Options& options)
      : TwoTowerLearner(
            setup, {.templates = {"{}."}},
            {.frozen_texts = false, .compete = options.compete, .room = options.context}) {
    Random random = seeds()("context");
    context_ = make_context(options.context, clip(), random);
  }

  std::vector<ParamGroup> trainable() override { return {trainable_group(*context_)}; }

  void state(Archive& a) override {
    TwoTowerLearner::state(a);
    a("context", *context_);
  }

 private:
  // t_c = g([v]_1 ... [v]_M [name of c].), the paper's unified context with the name at the end.
  Tensor text_features(const std::vector<std::string>& names) const override {
    return texts().encoded(names, {context_.get()});
  }

  std::unique_ptr<adapt::Context> context_;
};

LearnerRow coop_learner() {
  return learner_row<CoOp>(
      {.paper = "Zhou et al., IJCV 2022",
       .about = "Trains the words around the class names on each task in turn and does nothing "
                "about forgetting.",
       .stores = "The learned words, the same for all tasks, and the classes' names.",
       .differs = "The paper is not about continual learning. Its warm-up is an epoch at a "
                  "constant rate of 1e-5; here it rises to the rate within that epoch.",
       .needs = {.task_id_at_train = true, .boundaries = true, .many_passes = true},
       .network = Network::clip,
       .training = {.epochs = 200,
                    .batch_size = 32,
                    .optimizer = {.lr = 0.002, .weight_decay = 5e-4, .warmup_epochs = 1}}});
}

}  // namespace patina
