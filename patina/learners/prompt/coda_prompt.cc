// CODA-Prompt (Smith et al., CVPR 2023): a prompt is a sum of components, weighted by the cosine
// between the component's key and the attended query. There is no selection step, so gradients
// reach everything. Every task adds components, orthogonal to all earlier ones, and trains only
// them.
#include "patina/adapt/per_sample.h"
#include "patina/algebra/linear_algebra.h"
#include "patina/config/sizes.h"
#include "patina/learners/prompt/prompt_learner.h"
#include "patina/ops.h"

namespace patina {

class CodaPrompt : public PromptLearner {
 public:
  struct Options : LearnerOptions {
    int64_t components = 10;
    int64_t length = 8;
    std::vector<int64_t> layers = {0, 1, 2, 3, 4};
    double orthogonality = 0;
    void bind(Fields& f) override {
      f("components", components, "New components a task in a block; the paper: 100 in all.",
        sized(1));
      f("length", length, "Rows of a prompt: half of them keys, half values.", sized(2));
      f("layers", layers, "Blocks with prompts, of those the network has.", at_least(0));
      f("orthogonality", orthogonality,
        "Weight of the penalty on components, keys and attentions that are not orthogonal.",
        at_least(0));
      f.require(length % 2 == 0, "length", "must be even");
    }
  };

  CodaPrompt(Setup setup, const Options& options)
      : PromptLearner(setup, setup.backbone.width()),
        options_(options),
        layers_(blocks_within(backbone(), options.layers)),
        parts_(layers_.size()) {}

  void state(Archive& a) override {
    PromptLearner::state(a);
    for (size_t i = 0; i < parts_.size(); ++i) a("blocks." + std::to_string(layers_[i]), parts_[i]);
  }

 private:
  // The components of one block, n rows per task.
  struct Components {
    TaskRows prompts;     // P: [n, length Hk d]
    TaskRows keys;        // K: [n,D]
    TaskRows attentions;  // A: [n,D]
    void state(Archive& a) {
      a("prompts", prompts);
      a("keys", keys);
      a("attentions", attentions);
    }
  };

  void add_prompts(const Task& task) override {
    const int64_t d = backbone().width(), prompt = options_.length * backbone().block().key_width();
    for (size_t i = 0; i < parts_.size(); ++i) {
      Random random = seeds()("components", uint64_t(task.index)).at(uint64_t(layers_[i]));
      const auto add = [&](TaskRows& rows, int64_t width) {
        rows.add(on(backbone().place().device,
                    orthogonal_rows(options_.components, width,
                                    rows.tasks() > 0 ? rows.all() : Tensor(), random)));
      };
      add(parts_[i].prompts, prompt);
      add(parts_[i].keys, d);
      add(parts_[i].attentions, d);
    }
  }

  // α_k = cos(q(x) ⊙ A_k, K_k), p = Σ_k α_k P_k; the first half of p are keys, the second values.
  Prompted prompted(const Input& input, bool training) const override {
    const Tensor q = query(input);
    adapt::SamplePrefix prefix;
    Tensor penalty;
    for (size_t i = 0; i < layers_.size(); ++i) {
      const Tensor p = parts_[i].prompts.all(), k = parts_[i].keys.all(),
                   a = parts_[i].attentions.all();
      const Tensor weights = attended(q, a, k);
      if (!training) usage_.add(nearest(weights, 1), weights.size(1));
      const Tensor rows = at::matmul(weights, p).reshape({q.size(0), options_.length, -1});
      prefix.set(layers_[i], rows.slice(1, 0, options_.length / 2),
                 rows.slice(1, options_.length / 2));
      if (!training || options_.orthogonality == 0) continue;
      const Tensor far = options_.orthogonality * (lack(k) + lack(a) + lack(p));
      penalty = penalty.defined() ? penalty + far : far;
    }
    return {backbone().features(input, {&prefix}), penalty};
  }

  // The cosines computed without the products q ⊙ A_k: q·(A_k ⊙ K_k) / (|q ⊙ A_k| |K_k|). [B,D] ->
  // [B,n].
  static Tensor attended(const Tensor& q, const Tensor& a, const Tensor& k) {
    const Tensor lengths = at::matmul(q.square(), a.square().t()).clamp_min(1e-24).sqrt();
    return at::matmul(q, (a * normalized(k)).t()) / lengths;
  }

  // Deviation from orthogonality: mean square of X Xᵀ - I.
  static Tensor lack(const Tensor& x) {
    return (at::matmul(x, x.t()) - at::eye(x.size(0), x.options())).square().mean();
  }

  std::vector<Tensor> prompts() override {
    std::vector<Tensor> newest;
    for (const auto& part : parts_)
      for (const auto* rows : {&part.prompts, &part.keys, &part.attentions})
        newest.push_back(rows->newest());
    return newest;
  }

  Options options_;
  std::vector<int64_t> layers_;
  std::vector<Components> parts_;  // one per block
};

LearnerRow coda_prompt_learner() {
  return learner_row<CodaPrompt>(
      {.paper = "Smith et al., CVPR 2023",
       .about = "Prompts are sums of components weighted by attention to the query; a task adds "
                "its own.",
       .stores = "The components met so far with their keys and attentions, and a head a task.",
       .differs = "The frozen network takes no gradients; LAMDA-PILOT computes those of all its "
                  "weights and drops them.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .training = {.epochs = 20,
                    .batch_size = 128,
                    .optimizer = {.optimizer = "adam", .lr = 1e-3, .schedule = "quarter_cosine"}}});
}

}  // namespace patina
