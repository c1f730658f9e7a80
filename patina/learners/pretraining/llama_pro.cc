// LLaMA Pro (Wu et al., "LLaMA Pro: Progressive LLaMA with Block Expansion", ACL 2024): behind
// every few blocks stands a new one, a copy that at first adds nothing to the residual stream. Only
// the new blocks learn; what the network knew stays in the others.
#include <fmt/ranges.h>

#include <algorithm>

#include "patina/base/error.h"
#include "patina/learners/pretraining/round_learner.h"

namespace patina {

namespace {

// Blocks e-1, 2e-1, ... of `depth`.
std::vector<int64_t> every_so_many(int64_t every, int64_t depth) {
  every = std::min(every, depth);
  if (depth % every != 0) {
    std::vector<int64_t> divisors;
    for (int64_t i = 1; i <= depth; ++i)
      if (depth % i == 0) divisors.push_back(i);
    fail(ErrorKind::recipe,
         "learner.every = {} does not divide the model's {} blocks: use one of {}", every, depth,
         fmt::join(divisors, ", "));
  }
  std::vector<int64_t> behind;
  for (int64_t block = every - 1; block < depth; block += every) behind.push_back(block);
  return behind;
}

}  // namespace

class LlamaPro : public RoundLearner {
 public:
  struct Options : LearnerOptions, RoundOptions {
    int64_t every = 4;
    void bind(Fields& f) override {
      f("every", every,
        "A new block stands behind every so many; it divides the model's number of blocks. More "
        "than these: one behind the last.",
        at_least(1));
      RoundOptions::bind(f);
    }
  };

  LlamaPro(Setup setup, const Options& options) : RoundLearner(setup, {.tune = "full"}, options) {
    nn::freeze(setup.backbone);
    expand(setup.backbone, options.every);
    for (const int64_t block : setup.backbone.inserted_blocks())
      for (auto& item : nn::tensors(setup.backbone))
        if (item.name.starts_with(fmt::format("text.blocks.{}.", block))) {
          item.tensor.requires_grad_(true);
          added_.push_back(item);
        }
  }

  // The other blocks keep the model's weights.
  void state(Archive& a) override {
    round_state(a);
    for (auto& item : added_) a(item.name, item.tensor);
  }

 private:
  // A copy of a network that was expanded is expanded already.
  static void expand(Backbone& backbone, int64_t every) {
    const auto have = int64_t(backbone.inserted_blocks().size());
    const auto behind = every_so_many(every, backbone.layers() - have);
    if (have > 0) {
      if (have == int64_t(behind.size())) return;
      fail(ErrorKind::recipe, "the model was expanded by {} blocks, and learner.every = {} is {}",
           have, every, behind.size());
    }
    if (!backbone.insert_blocks(behind))
      fail(ErrorKind::recipe,
           "llama_pro needs pre-norm blocks, and those of {} normalise after each sum: a new block "
           "would change the text's scores before it learned anything",
           backbone.about());
  }

  std::vector<nn::NamedTensor> added_;
};

LearnerRow llama_pro_learner() {
  return learner_row<LlamaPro>(
      {.paper = "Wu et al., ACL 2024",
       .about = "Inserts copies of blocks that at first change nothing, and trains these alone.",
       .stores = "The new blocks.",
       .differs = "As published, all rounds train the same new blocks.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::decoder,
       .training = {.epochs = 1,
                    .batch_size = 1024,
                    .optimizer = {.optimizer = "adamw",
                                  .lr = 2e-4,
                                  .beta2 = 0.95,
                                  .weight_decay = 0.1,
                                  .schedule = "rewarm_cosine",
                                  .warmup_epochs = 0.06,
                                  .clip_norm = 1}}});
}

}  // namespace patina
