// SAPT (Zhao et al., "SAPT: A Shared Attention Framework for Parameter-Efficient Continual Learning
// of Large Language Models", ACL 2024): every task has a LoRA and a key, and a prompt attends to
// the keys. Attentive reflection keeps the prompts of earlier tasks attending as they did.
#include <cmath>

#include "patina/learners/instruction/lora_per_task.h"
#include "patina/learners/instruction/prompts.h"
#include "patina/memory/sample_memory.h"
#include "patina/nn/layers.h"
#include "patina/ops.h"

namespace patina {

namespace {

// q = LN(W2 SiLU(W1 max E(x))), the maximum over a prompt's tokens.
struct Query {
  nn::Linear inner, outer;
  nn::Norm norm;

  Tensor operator()(const Tensor& largest) const {  // [N,D] -> [N,D]
    return norm(outer(at::silu(inner(largest))));
  }
  void walk(nn::Walk& w) {
    w("inner", inner);
    w("outer", outer);
    w("norm", norm);
  }
};

}  // namespace

class Sapt : public LoraPerTask {
 public:
  struct Options : LearnerOptions {
    int64_t hidden = 100;
    double reflection = 0.5;
    int64_t memory_per_task = 100;
    adapt::LoraOptions lora{.rank = 4, .alpha = 32, .parts = "qv"};
    void bind(Fields& f) override {
      f("hidden", hidden, "Width of the query's hidden layer.", at_least(1));
      f("reflection", reflection,
        "Weight of the divergence from each earlier task's attention, on its kept prompts.",
        at_least(0));
      f("memory_per_task", memory_per_task,
        "Samples of each task that are kept, drawn when it ends.", at_least(1));
      lora.bind(f);
    }
  };

  Sapt(Setup setup, const Options& options)
      : LoraPerTask(setup, options.lora), options_(options), samples_(setup.loader()) {
    const int64_t width = backbone().block().width;
    query_ = {{width, options.hidden, false}, {options.hidden, width, false}, {width, 1e-5}};
    Random random = seeds()("query");
    nn::init_kaiming(query_.inner.weight, random);
    nn::init_kaiming(query_.outer.weight, random);
    nn::bring(query_, {.device = backbone().place().device});
    nn::freeze(query_, false);
    add_key();
  }

  void begin_task(const Task& task, Trainer& trainer) override {
    LoraPerTask::begin_task(task, trainer);
    while (int(keys_.size()) <= task.index) add_key();
  }

  // The reflection is the step's, not a part's.
  Tensor loss(const Batch& batch, const Step& step) override {
    Tensor loss = LoraPerTask::loss(batch, step);
    if (step.part > 0 || options_.reflection == 0) return loss;
    const int64_t size = step.trainer ? step.trainer->options().batch_size : batch.input.size();
    for (size_t task = 0; task < kept_.size(); ++task) {
      const Random random = seeds()("reflect", step.number()).at(task);
      const auto slots = drawn(size_t(size), size_t(kept_[task].size()), random);
      const Batch past = samples_(kept_[task].at(slots), random.at(1));
      loss = loss + options_.reflection * divergence(attention_[task], prompts_of(past.input));
    }
    return loss;
  }

  void end_task(const Task& task, Trainer& trainer) override {
    NoGrad no_grad;
    Tensor sum = at::zeros({int64_t(keys_.size())}, keys_.back().options().dtype(at::kDouble));
    trainer.each_batch(*task.train, "measuring attention", [&](const Batch& batch) {
      sum += attention(prompts_of(batch.input)).sum(0, false, at::kDouble);
    });
    attention_.push_back((sum / double(task.train->size())).to(at::kFloat));
    kept_.emplace_back();
    for (const size_t i : drawn(size_t(options_.memory_per_task), size_t(task.train->size()),
                                seeds()("memory", uint64_t(task.index))))
      kept_.back().add(task.train->handle(int64_t(i)));
  }

  nn::Adaptations adaptations(const Input& input) const override {
    const Prompts prompts = prompts_of(input);
    return mixed(loras(), prompts, attention(prompts));
  }

  std::vector<ParamGroup> trainable() override {
    ParamGroup group = trainable_group(*lora(), query_);
    group.tensors.push_back(keys_.back());
    return {group};
  }

  void state(Archive& a) override {
    LoraPerTask::state(a);
    a("query", query_);
    int64_t tasks = int64_t(keys_.size());
    a("keys", tasks);
    while (int64_t(keys_.size()) < tasks) add_key();
    for (size_t i = 0; i < keys_.size(); ++i) a(fmt::format("key_{}", i), keys_[i]);
    a("attention", attention_);
    kept_.resize(attention_.size());
    for (size_t i = 0; i < kept_.size(); ++i) a(fmt::format("kept_{}", i), kept_[i]);
  }

 private:
  void add_key() {
    Random random = seeds()("key", keys_.size());
    Tensor key = at::empty({backbone().block().width});
    nn::init_uniform(key, random, 1);
    if (!keys_.empty()) keys_.back().requires_grad_(false);
    keys_.push_back(key.to(backbone().place().device).requires_grad_(true));
  }

  // softmax_i(k_i q / √D): [N,n].
  Tensor attention(const Prompts& prompts) const { return at::softmax(products(prompts), 1); }
  Tensor products(const Prompts& prompts) const {
    const Tensor q =
        query_(largest_of(word_embeddings(backbone(), prompts.input), prompts.input.mask));
    return nn::linear(q, at::stack(keys_)) / std::sqrt(double(q.size(1)));
  }

  // KL(ā ‖ a), mean over prompts; the tasks since have no part of ā.
  Tensor divergence(const Tensor& before, const Prompts& prompts) const {
    const Tensor now = at::log_softmax(products(prompts), 1).slice(1, 0, before.size(0));
    const Tensor terms =
        at::where(before > 0, before * (at::log(before) - now), at::zeros_like(now));
    return terms.sum(1).mean();
  }

  Options options_;
  const SampleLoader& samples_;
  Query query_;
  std::vector<Tensor> keys_;       // [D] each, one a task, all but the last frozen
  std::vector<Tensor> attention_;  // ā: [i+1], the mean over task i's prompts when it ended
  std::vector<SampleHandles> kept_;
};

LearnerRow sapt_learner() {
  return learner_row<Sapt>(
      {.paper = "Zhao et al., ACL 2024",
       .about = "Gives every task a LoRA and a key; prompts attend to the keys, and those of "
                "earlier tasks are kept attending as they did.",
       .stores = "A LoRA and a key a task, the query's layers, and some samples of every task.",
       .differs = "Earlier tasks are reflected on with kept samples instead of generated ones. "
                  "Padding is left out of the maximum over a prompt, in which the authors' code "
                  "has it.",
       .needs = {.boundaries = true, .many_passes = true},
       .keeps_samples = true,
       .network = Network::decoder,
       .training = {.epochs = 100,
                    .batch_size = 32,
                    .optimizer = {.optimizer = "adamw", .lr = 3e-4, .schedule = "constant"}}});
}

}  // namespace patina
