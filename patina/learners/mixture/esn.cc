// ESN (Wang et al., "Isolation and Impartial Aggregation", AAAI 2023): every task has a stage of
// its own: a token that attends to the frozen network's last tokens, and a head. Stages are trained
// in isolation, with their energies anchored at one value. A sample's stage is chosen by a vote of
// the energies under several temperatures.
#include <algorithm>

#include "patina/adapt/prompt.h"
#include "patina/learn/adapted.h"
#include "patina/learn/learner.h"
#include "patina/learners/mixture/stage_vote.h"
#include "patina/nn/heads.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

namespace {

constexpr double kTemperatures[] = {0.001, 0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0};

/// Stores the input of the final norm.
struct BeforeNorm : nn::Adaptation {
  Tensor tokens;  // [B,T,D], prompts included
  Tensor after(nn::Site site, int, const Tensor& in, Tensor out) override {
    if (site == nn::Site::norm) tokens = in;
    return out;
  }
  bool acts(nn::Site site) const override { return site == nn::Site::norm; }
};

/// A class-attention block (Touvron et al., "CaiT", ICCV 2021): a transformer block over the task's
/// token and the network's tokens, of which only the task's token is read.
struct Stage {
  Tensor token;  // [1,1,D]
  nn::Block block;

  explicit Stage(const nn::BlockShape& shape)
      : token(at::zeros({1, 1, shape.width})), block(shape) {}

  void initialize(const Tensor& class_token, Random& random) {
    NoGrad no_grad;
    if (class_token.defined()) token.copy_(class_token);
    for (auto* linear : {&block.attn.qkv, &block.attn.proj, &block.mlp.fc1, &block.mlp.fc2}) {
      nn::init_truncated_normal(linear->weight, random);
      linear->bias.zero_();
    }
    nn::freeze(*this, false);
  }

  Tensor operator()(const Tensor& tokens, const nn::Engine& engine) const {  // [B,T,D] -> [B,D]
    const Tensor read = at::zeros({tokens.size(0), 1}, tokens.options().dtype(at::kLong));
    const nn::Adaptations none;
    nn::Pass pass(none, engine, read, 0);
    const Tensor all = at::cat({token.expand({tokens.size(0), -1, -1}), tokens}, 1);
    return pass.read_out(block(all, 0, pass)).squeeze(1);
  }

  void walk(nn::Walk& w) {
    w("token", token);
    w("block", block);
  }
};

}  // namespace

class Esn : public Learner {
 public:
  struct Options : LearnerOptions {
    int64_t prompts = 100;
    double energy = 0.1;
    double beta = 1;
    double anchor = -10;
    void bind(Fields& f) override {
      f("prompts", prompts, "Prompt tokens, trained on the first task and then frozen.",
        at_least(1));
      f("energy", energy, "Weight of the squared distance of energies from the anchor.",
        at_least(0));
      f("beta", beta, "Inverse temperature of the energies in training.", above(0));
      f("anchor", anchor, "Where energies are held.");
    }
  };

  Esn(Setup setup, const Options& options)
      : backbone_(setup.backbone), seeds_(setup.seeds), options_(options) {
    Random random = seeds_("prompt");
    prompt_ = make_prompt({.tokens = options.prompts, .deep = false}, backbone_.tower(), random);
  }

  void begin_task(const Task& task, Trainer&) override {
    if (task.index > 0) nn::freeze(*prompt_);
    for (auto& stage : stages_) nn::freeze(stage);
    heads_.freeze();
    Random random = seeds_("stage", uint64_t(task.index));
    add_stage();
    stages_.back().initialize(weight_of(backbone_, "cls_token"), random);
    heads_.add(int64_t(task.fresh.size()), backbone_.block().width, random, backbone_.place());
  }

  // CE(z) + λ mean (E - Δ)², E = -1/β log Σ_c exp(-β z_c), with the sign as in the authors' code.
  Tensor loss(const Batch& batch, const Step&) override {
    const Tensor z = stage_scores(stages_.size() - 1, encoded(batch.input));
    const double beta = options_.beta;
    const Tensor energy = at::logsumexp(-beta * z, at::IntArrayRef{1}) / -beta;
    return nn::cross_entropy(z, batch.target - heads_.known()) +
           options_.energy * (energy - options_.anchor).square().mean();
  }

  std::vector<ParamGroup> trainable() override {
    return {trainable_group(*prompt_, stages_.back(), heads_.newest())};
  }

  // Adds the temperature that best separates the task's own samples from those of earlier stages to
  // the voters.
  void end_task(const Task& task, Trainer& trainer) override {
    double chosen = kTemperatures[0];
    if (task.index > 0) {
      std::vector<std::vector<Tensor>> rows(stages_.size());
      trainer.each_batch(*task.train, "temperatures", [&](const Batch& batch) {
        const auto z = all_scores(batch.input);
        for (size_t j = 0; j < z.size(); ++j) rows[j].push_back(z[j]);
      });
      std::vector<Tensor> scores;
      for (const auto& stage : rows) scores.push_back(at::cat(stage));
      chosen = separating_temperature(scores, task.index, kTemperatures);
    }
    if (std::ranges::count(voters_, chosen) == 0) voters_.push_back(chosen);
  }

  // Probabilities within each stage, plus one for the classes of the stage with most votes.
  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    const auto z = all_scores(asked.input);
    const Tensor stage = voted_stage(z, voters_);
    std::vector<Tensor> scores;
    for (size_t j = 0; j < z.size(); ++j)
      scores.push_back(at::softmax(z[j], 1) + stage.eq(int64_t(j)).unsqueeze(1));
    return at::cat(scores, 1);
  }

  void state(Archive& a) override {
    a("prompt", *prompt_);
    a("heads", heads_);
    if (a.loading()) stages_.clear();
    while (stages_.size() < heads_.tasks()) add_stage();
    for (size_t j = 0; j < stages_.size(); ++j) a("stages." + std::to_string(j), stages_[j]);
    a("voters", voters_);
  }

 private:
  nn::BlockShape shape() const {
    const nn::BlockShape of = backbone_.block();
    return {.width = of.width, .heads = of.heads, .hidden = of.width / 2, .eps = 1e-5};
  }

  void add_stage() {
    stages_.emplace_back(shape());
    nn::bring(stages_.back(), backbone_.place());
  }

  Tensor encoded(const Input& input) const {
    BeforeNorm last;
    backbone_.tokens(input, {prompt_.get(), &last});
    return last.tokens;
  }

  Tensor stage_scores(size_t j, const Tensor& tokens) const {
    return heads_.of_task(j, stages_[j](tokens, backbone_.engine()));
  }

  std::vector<Tensor> all_scores(const Input& input) const {
    const Tensor tokens = encoded(input);
    std::vector<Tensor> scores;
    for (size_t j = 0; j < stages_.size(); ++j) scores.push_back(stage_scores(j, tokens));
    return scores;
  }

  Backbone& backbone_;
  Seeds seeds_;
  Options options_;
  std::unique_ptr<adapt::Prompt> prompt_;
  std::vector<Stage> stages_;
  nn::TaskHeads heads_;
  std::vector<double> voters_;  // distinct temperatures
};

LearnerRow esn_learner() {
  return learner_row<Esn>(
      {.paper = "Wang et al., AAAI 2023",
       .about = "A class-attention stage for each task, trained alone; energies vote for a "
                "sample's stage.",
       .stores = "The prompts, a class-attention block with its token, and a head a task.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .training = {
           .epochs = 30, .batch_size = 128, .optimizer = {.lr = 0.01, .weight_decay = 5e-4}}});
}

}  // namespace patina
