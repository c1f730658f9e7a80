// Progressive Prompts: every task adds a prompt, which is learned in front of those of all earlier
// tasks; these and the network are frozen. Razdaibiedina et al., "Progressive Prompts: Continual
// Learning for Language Models", ICLR 2023.
#include "patina/adapt/per_sample.h"
#include "patina/config/sizes.h"
#include "patina/learn/adapted.h"
#include "patina/learn/learner.h"
#include "patina/learn/own_heads.h"
#include "patina/learners/prompt/task_rows.h"
#include "patina/models/backbone.h"
#include "patina/nn/losses.h"

namespace patina {

namespace {

/// The reparametrisation of a prompt in training, P + MLP(P), as wide within as `width`.
struct Residual {
  nn::Linear down, up;
  nn::Norm norm;

  Residual() = default;
  Residual(int64_t width, int64_t hidden, Random& random)
      : down(width, hidden), up(hidden, width), norm(width, 1e-5) {
    nn::init_kaiming(down.weight, random);
    nn::init_kaiming(up.weight, random);
    down.bias.zero_();
    up.bias.zero_();
    nn::freeze(*this, false);
  }
  Tensor operator()(const Tensor& rows) const { return rows + norm(up(at::relu(down(rows)))); }
  void walk(nn::Walk& w) {
    w("down", down);
    w("up", up);
    w("norm", norm);
  }
};

}  // namespace

class ProgressivePrompts : public Learner {
 public:
  struct Options : LearnerOptions {
    int64_t length = 10;
    int64_t residual = 800;
    double head_lr_factor = 0.01;
    void bind(Fields& f) override {
      f("length", length, "Tokens of each task's prompt.", sized(1));
      f("residual", residual,
        "Width within the reparametrisation P + MLP(P), which is dropped after the task; 0: none.",
        sized(0));
      f("head_lr_factor", head_lr_factor, "Learning rate of the head over the prompt's.", above(0));
    }
  };

  ProgressivePrompts(Setup setup, const Options& options)
      : backbone_(setup.backbone), seeds_(setup.seeds), options_(options) {}

  // The prompt begins as random words of the vocabulary, or, where there are none, as small
  // numbers.
  void begin_task(const Task& task, Trainer&) override {
    NoGrad no_grad;
    Random random = seeds_("prompt", uint64_t(task.index));
    const Tensor words = vocabulary();
    const int64_t width = backbone_.block().width;
    Tensor rows = at::empty({options_.length, width});
    if (words.defined()) {
      std::vector<int64_t> some;
      while (int64_t(some.size()) < options_.length)
        some.push_back(int64_t(random.below(uint64_t(words.size(0)))));
      rows = on_host(words).detach().index_select(0, tensor_of(some)).clone();
    } else {
      constexpr double kSmall = 0.02;
      nn::init_normal(rows, random, 0, kSmall);
    }
    prompts_.add(on(backbone_.place().device, rows));
    if (options_.residual > 0) {
      residual_ = Residual(width, options_.residual, random);
      nn::bring(residual_, backbone_.place());
    }
    heads_.freeze();
    Random drawn = seeds_("head", uint64_t(task.index));
    heads_.add(int64_t(task.fresh.size()), backbone_.width(), drawn, backbone_.place());
  }

  Tensor loss(const Batch& batch, const Step&) override {
    const size_t task = heads_.tasks() - 1;
    return nn::cross_entropy(heads_.newest()(features(batch.input, task)),
                             batch.target - heads_.known());
  }

  // What the reparametrisation made of the prompt is the prompt.
  void end_task(const Task&, Trainer&) override {
    NoGrad no_grad;
    if (options_.residual > 0) prompts_.newest().copy_(residual_(prompts_.newest()));
    residual_ = Residual();
  }

  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    return own_scores(asked, heads_,
                      [this](size_t task, const Input& input) { return features(input, task); });
  }

  std::vector<ParamGroup> trainable() override {
    ParamGroup prompt = trainable_group(residual_), head = trainable_group(heads_.newest());
    prompt.tensors.push_back(prompts_.newest());
    head.lr_factor = options_.head_lr_factor;
    return {prompt, head};
  }

  void state(Archive& a) override {
    a("prompts", prompts_);
    a("heads", heads_);
    bool learning = residual_.down.weight.defined();
    a("learning", learning);
    if (a.loading()) {
      Random none;
      residual_ =
          learning ? Residual(backbone_.block().width, options_.residual, none) : Residual();
      nn::bring(residual_, backbone_.place());
    }
    if (learning) a("residual", residual_);
  }

 private:
  // The table of word vectors [V,D]; undefined: none.
  Tensor vocabulary() const {
    for (const auto* name : {"text.embed.weight", "embed.weight"})
      if (const Tensor table = weight_of(backbone_, name);
          table.defined() && table.size(1) == backbone_.block().width)
        return table;
    return {};
  }

  // Under [P_k; P_k-1; ...; P_1] for task k (equation 4 of the paper).
  Tensor features(const Input& input, size_t task) const {
    std::vector<Tensor> rows;
    for (size_t k = task + 1; k-- > 0;) {
      const bool learning = k + 1 == prompts_.parts.size() && residual_.down.weight.defined();
      rows.push_back(learning ? residual_(prompts_.parts[k]) : prompts_.parts[k]);
    }
    adapt::SamplePrompt prompt(at::cat(rows).unsqueeze(0).expand({input.size(), -1, -1}));
    return backbone_.features(input, {&prompt});
  }

  Backbone& backbone_;
  Seeds seeds_;
  Options options_;
  TaskRows prompts_;   // of each task, [length,D]
  Residual residual_;  // of the newest, while it is learned
  nn::TaskHeads heads_;
};

LearnerRow progressive_prompts_learner() {
  return learner_row<ProgressivePrompts>(
      {.paper = "Razdaibiedina et al., ICLR 2023",
       .about = "Adds a prompt for every task and learns it before those of all earlier tasks.",
       .stores = "A prompt and a head a task; within a task its reparametrisation.",
       .differs = "Prompts take no positions, so that they take no room from a text; the authors' "
                  "code cuts texts and prompts at 512 tokens together and takes the first sample's "
                  "mask for the prompts of all. Word vectors stay frozen, and classes have heads, "
                  "which learn at a hundredth of the prompts' rate.",
       .needs = {.task_id_at_train = true,
                 .task_id_at_test = true,
                 .boundaries = true,
                 .many_passes = true,
                 .new_classes = true},
       .training = {
           .epochs = 10,
           .batch_size = 8,
           .optimizer = {
               .optimizer = "adamw", .lr = 0.3, .weight_decay = 1e-5, .schedule = "constant"}}});
}

}  // namespace patina
