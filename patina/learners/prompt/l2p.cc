// L2P (Wang et al., CVPR 2022): a pool of prompts with keys. A sample uses the prompts whose keys
// are nearest to its query, its feature under the frozen network, so that similar tasks share
// prompts. The prompts enter as tokens, and the head reads the mean of their outputs.
#include "patina/adapt/per_sample.h"
#include "patina/config/sizes.h"
#include "patina/learners/prompt/prompt_learner.h"
#include "patina/ops.h"

namespace patina {

class L2p : public PromptLearner {
 public:
  struct Options : LearnerOptions {
    int64_t pool = 10;
    int64_t length = 10;
    int64_t chosen = 4;
    double pull = 1;
    std::string compat = "paper";
    void bind(Fields& f) override {
      f("pool", pool, "Prompts in the pool.", sized(1));
      f("length", length, "Tokens of a prompt.", sized(1));
      f("chosen", chosen, "Prompts a sample takes.", sized(1));
      f("pull", pull, "Weight of the similarity of queries with the keys they chose.", at_least(0));
      f("compat", compat,
        "\"pilot\": the whole batch takes the prompts it chose most often, prompts get the class "
        "token's position, and prompts and keys begin in U(-1, 1), as in LAMDA-PILOT.",
        {"paper", "pilot"});
      f.require(chosen <= pool, "chosen", "must not be above pool");
    }
  };

  L2p(Setup setup, const Options& options)
      : PromptLearner(setup, setup.backbone.block().width, Heads::zero),
        options_(options),
        prompts_(at::empty({options.pool, options.length, backbone().block().width},
                           backbone().place().options())),
        keys_(at::empty({options.pool, backbone().width()}, backbone().place().options())) {
    Random random = seeds()("pool");
    for (Tensor* tensor : {&prompts_, &keys_}) {
      draw_prompts(*tensor, random, options.compat == "pilot");
      tensor->requires_grad_(true);
    }
    if (options.compat == "pilot") position_ = weight_of(backbone(), "pos_embed");
  }

  void state(Archive& a) override {
    PromptLearner::state(a);
    a("prompts", prompts_);
    a("keys", keys_);
  }

 private:
  // S = the k keys of largest cos(q(x), K_m); features: the mean of the prompts' outputs;
  // loss: CE - λ mean_b Σ_{m in S} cos(q(x_b), K_m).
  Prompted prompted(const Input& input, bool training) const override {
    const Tensor similarity = cosine_scores(query(input), keys_);
    Tensor chosen = nearest(similarity, options_.chosen);
    if (options_.compat == "pilot") chosen = majority(chosen, options_.pool);
    if (!training) usage_.add(chosen, options_.pool);
    Tensor rows = picked(prompts_, chosen).flatten(1, 2);  // [B, k length, D]
    // Positions were added before adaptations act, so that prompts have none, as in the paper.
    if (position_.defined()) rows = rows + position_.select(1, 0).detach();
    adapt::SamplePrompt prompt(rows);
    const Tensor tokens = backbone().tokens(input, {&prompt});
    return {tokens.slice(1, 1, 1 + rows.size(1)).mean(1),
            -options_.pull * pull(similarity, chosen)};
  }

  std::vector<Tensor> prompts() override { return {prompts_, keys_}; }

  Options options_;
  Tensor prompts_;   // [M,length,D]
  Tensor keys_;      // [M,D]
  Tensor position_;  // [1,T,D]: the network's learned position embedding; "pilot", if there is any
};

LearnerRow l2p_learner() {
  // The authors' rate is 0.03 for a batch of 256, scaled with the batch size.
  return learner_row<L2p>(
      {.paper = "Wang et al., CVPR 2022",
       .about = "A pool of prompts, of which each sample takes those whose keys are nearest to its "
                "feature.",
       .stores = "The pool, its keys, and a head a task.",
       .differs =
           "Every sample takes its own prompts. In other implementations the whole batch "
           "takes those that most of its samples chose, at test too, so that a score "
           "depends on the rest of the batch: `compat = \"pilot\"`. Prompts have no position "
           "and begin in U(0, 0.01), as keys do, as in the authors' own code; the PyTorch "
           "port adds the class token's position and begins in U(-1, 1), and so does "
           "LAMDA-PILOT: `pilot`, too.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .training = {
           .epochs = 5,
           .batch_size = 128,
           .optimizer = {
               .optimizer = "adam", .lr = 0.015, .schedule = "constant", .clip_norm = 1}}});
}

}  // namespace patina
