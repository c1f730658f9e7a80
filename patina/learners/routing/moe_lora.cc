// MoELoRA, as CoIN (Chen et al., NeurIPS 2024) learns instructions with it: several LoRAs are
// experts of all tasks, and a router reads a prompt and says how much of each answers it.
#include "patina/learn/adapted.h"
#include "patina/learners/instruction/answer_learner.h"
#include "patina/learners/instruction/prompts.h"
#include "patina/models/text/text_tower.h"
#include "patina/nn/layers.h"
#include "patina/ops.h"

namespace patina {

class MoeLora : public AnswerLearner {
 public:
  struct Options : LearnerOptions {
    int64_t experts = 8;
    int64_t top = 0;
    adapt::LoraOptions lora{.rank = 16, .alpha = 32, .parts = "qkv", .mlp = true};
    void bind(Fields& f) override {
      f("experts", experts, "Number of LoRAs.", {.low = 1, .high = 1024});
      f("top", top, "Answer with so many of them, the likeliest; 0: with all.", at_least(0));
      lora.bind(f);
      f.require(top <= experts, "top", "is more than there are experts");
    }
  };

  MoeLora(Setup setup, const Options& options)
      : AnswerLearner(setup, {.lora = options.lora}),
        options_(options),
        router_(backbone().block().width, options.experts, false) {
    for (int64_t i = 1; i < options.experts; ++i) {
      Random random = seeds()("expert", uint64_t(i));
      others_.push_back(make_lora(options.lora, backbone().tower(), random));
    }
    Random random = seeds()("router");
    nn::init_kaiming(router_.weight, random);
    nn::bring(router_, {.device = backbone().place().device});
    nn::freeze(router_, false);
  }

  std::optional<AsNetwork> as_network() const override { return std::nullopt; }

  nn::Adaptations adaptations(const Input& input) const override {
    const Prompts prompts = prompts_of(input);
    std::vector<const adapt::Lora*> experts = {lora()};
    for (const auto& other : others_) experts.push_back(other.get());
    return mixed(experts, prompts, weights(prompts.input));
  }

  std::vector<ParamGroup> trainable() override {
    ParamGroup group = trainable_group(*lora(), router_);
    for (const auto& other : others_)
      for (const auto& item : nn::trainable(*other)) group.tensors.push_back(item.tensor);
    return {group};
  }

  void state(Archive& a) override {
    AnswerLearner::state(a);
    for (size_t i = 0; i < others_.size(); ++i) a(fmt::format("expert_{}", i + 1), *others_[i]);
    a("router", router_);
  }

 private:
  // softmax(W mean E(x)), of the largest ones only: [N,experts].
  Tensor weights(const Input& prompts) const {
    const Tensor scores = router_(mean_of(word_embeddings(backbone(), prompts), prompts.mask));
    if (options_.top == 0) return at::softmax(scores, 1);
    const auto [largest, expert] = at::topk(scores, options_.top);
    return at::zeros_like(scores).scatter(1, expert, at::softmax(largest, 1));
  }

  Options options_;
  std::vector<std::unique_ptr<adapt::Lora>> others_;  // the experts after the first
  nn::Linear router_;                                 // [experts,D]
};

LearnerRow moe_lora_learner() {
  return learner_row<MoeLora>(
      {.paper = "Chen et al., NeurIPS 2024",
       .about =
           "Learns all tasks with the same LoRAs, of which a router takes for every prompt its "
           "own mixture.",
       .stores = "The LoRAs and the router.",
       .differs = "The router reads the words of a sample's prompt, once for all layers; the "
                  "authors' reads every token in every layer. It never sees the rest of a batch.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::decoder,
       .training = {.epochs = 1,
                    .batch_size = 16,
                    .optimizer = {.optimizer = "adamw", .lr = 2e-4, .schedule = "cosine"}}});
}

}  // namespace patina
