// Deep L2P++, the L2P variant that CODA-Prompt compares with (Smith et al., CVPR 2023): several
// blocks have a pool of prefixes with keys of their own. Every sample uses the prefixes with the
// nearest keys, in training and at test time, and the head reads the class token.
#include "patina/adapt/per_sample.h"
#include "patina/config/sizes.h"
#include "patina/learners/prompt/prompt_learner.h"
#include "patina/ops.h"

namespace patina {

class L2pDeep : public PromptLearner {
 public:
  struct Options : LearnerOptions {
    int64_t pool = 30;
    int64_t length = 20;
    int64_t chosen = 5;
    std::vector<int64_t> layers = {0, 1, 2, 3, 4};
    void bind(Fields& f) override {
      f("pool", pool, "Prefixes in a block's pool.", sized(1));
      f("length", length, "Rows of a prefix: half of them keys, half values.", sized(2));
      f("chosen", chosen, "Prefixes a sample takes in a block.", sized(1));
      f("layers", layers,
        "Blocks with a pool, of those the network has; [0] is L2P++, without \"deep\".",
        at_least(0));
      f.require(chosen <= pool, "chosen", "must not be above pool");
      f.require(length % 2 == 0, "length", "must be even");
    }
  };

  L2pDeep(Setup setup, const Options& options)
      : PromptLearner(setup, setup.backbone.width()),
        options_(options),
        layers_(blocks_within(backbone(), options.layers)) {
    const auto here = backbone().place().options();
    for (const int64_t layer : layers_) {
      prefixes_.push_back(
          at::empty({options.pool, options.length, backbone().block().key_width()}, here));
      keys_.push_back(at::empty({options.pool, backbone().width()}, here));
      Random random = seeds()("pool", uint64_t(layer));
      for (Tensor* tensor : {&prefixes_.back(), &keys_.back()}) {
        nn::init_uniform(*tensor, random, 0, 1);  // the authors' code; the paper does not say
        tensor->requires_grad_(true);
      }
    }
  }

  void state(Archive& a) override {
    PromptLearner::state(a);
    a("prefixes", prefixes_);
    a("keys", keys_);
  }

 private:
  // In each block S = the k keys of largest cos(q(x), K_m); loss: CE + Σ_{m in S} 1 - cos(q, K_m),
  // averaged over the batch.
  Prompted prompted(const Input& input, bool training) const override {
    const Tensor q = query(input);
    const int64_t half = options_.length / 2;
    adapt::SamplePrefix prefix;
    Tensor penalty;
    for (size_t i = 0; i < layers_.size(); ++i) {
      const Tensor similarity = cosine_scores(q, keys_[i]);
      const Tensor chosen = nearest(similarity, options_.chosen);
      if (!training) usage_.add(chosen, options_.pool);
      const Tensor rows = picked(prefixes_[i], chosen);  // [B,k,length,Hk d]
      prefix.set(layers_[i], rows.slice(2, 0, half).flatten(1, 2),
                 rows.slice(2, half).flatten(1, 2));
      const Tensor distance = double(options_.chosen) - pull(similarity, chosen);
      penalty = penalty.defined() ? penalty + distance : distance;
    }
    return {backbone().features(input, {&prefix}), penalty};
  }

  std::vector<Tensor> prompts() override {
    std::vector<Tensor> all = prefixes_;
    all.insert(all.end(), keys_.begin(), keys_.end());
    return all;
  }

  Options options_;
  std::vector<int64_t> layers_;
  std::vector<Tensor> prefixes_;  // per block, [M,length,Hk d]
  std::vector<Tensor> keys_;      // [M,D]
};

LearnerRow l2p_deep_learner() {
  return learner_row<L2pDeep>(
      {.paper = "Smith et al., CVPR 2023 (baseline)",
       .about = "L2P with prefixes in several blocks, each with a pool and keys of its own.",
       .stores = "The pool, its keys, and a head a task.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .training = {.epochs = 20,
                    .batch_size = 128,
                    .optimizer = {.optimizer = "adam", .lr = 1e-3, .schedule = "quarter_cosine"}}});
}

}  // namespace patina
