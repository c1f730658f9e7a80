// VPT (Jia et al., ECCV 2022): learned tokens beside those of the image adapt a frozen network.
// Here it is the lower bound among prompt methods: the same tokens are trained on one task after
// the other, without any measure against forgetting.
#include "patina/learners/prompt/prompt_learner.h"

namespace patina {

class Vpt : public PromptLearner {
 public:
  struct Options : LearnerOptions, adapt::PromptOptions {
    void bind(Fields& f) override { adapt::PromptOptions::bind(f); }
  };

  Vpt(Setup setup, const Options& options) : PromptLearner(setup, setup.backbone.width()) {
    Random random = seeds()("prompt");
    prompt_ = make_prompt(options, backbone().tower(), random);
  }

  void state(Archive& a) override {
    PromptLearner::state(a);
    a("prompt", *prompt_);
  }

 private:
  Prompted prompted(const Input& input, bool) const override {
    return {backbone().features(input, {prompt_.get()}), {}};
  }

  std::vector<Tensor> prompts() override { return trainable_group(*prompt_).tensors; }

  std::unique_ptr<adapt::Prompt> prompt_;
};

LearnerRow vpt_learner() {
  return learner_row<Vpt>(
      {.paper = "Jia et al., ECCV 2022",
       .about = "Trains the same prompts on each task in turn and does nothing about forgetting.",
       .stores = "Prompts that all tasks share, and a head a task.",
       .differs = "Prompts stand behind the class token. APER's code puts them last; attention "
                  "does not tell the difference. It begins them at zero, which is what `aper` and "
                  "`ranpac` do with prompts here.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .training = {.epochs = 100,
                    .batch_size = 128,
                    .optimizer = {.lr = 0.05, .weight_decay = 1e-4, .warmup_epochs = 10}}});
}

}  // namespace patina
