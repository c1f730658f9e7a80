// The network that a learner is tested on.
#pragma once

#include <memory>

#include "patina/learners/registry.h"
#include "patina/learners/two_tower/fusion_learner.h"
#include "patina/models/two_tower/fused_towers.h"
#include "tests/support/toy_clip.h"
#include "tests/support/toy_language.h"
#include "tests/support/toy_vit.h"

namespace patina {

/// Whether a learner learns texts only.
inline bool reads_texts(const std::string& learner) {
  return find_learner(learner)->network.name == std::string_view("text");
}

/// Whether a learner answers questions about images.
inline bool learns_questions(const std::string& learner) {
  return find_learner(learner)->network == kQuestions;
}

/// Images of `Images`, each with one of two questions.
template <class Images>
class Asked : public Images {
 public:
  using Images::Images;
  bool is_text() const override { return true; }
  bool has_images() const override { return true; }
  Text text(int64_t i) const override {
    return {i % 2 == 0 ? "which one is it" : "what is to be seen here", ""};
  }
};

/// Settings without which a learner takes too long for a test, or learns too little in its few
/// steps.
inline std::vector<std::string> brief(const std::string& learner) {
  // Every test sample trains a copy of the network.
  if (learner == "mbpa") return {"learner.steps=2"};
  // Half of a batch is the query, and the memory is one of every three.
  if (learner == "oml_er")
    return {"learner.support=1", "learner.replay_every=24", "learner.replay_part=0.5"};
  // The papers' rates are for prompts, and a head learns at a hundredth of them.
  if (learner == "continual_prompt_tuning")
    return {"learner.length=4", "learner.backward_epochs=1", "learner.head_lr_factor=1"};
  if (learner == "progressive_prompts") return {"learner.head_lr_factor=1"};
  // The papers' sizes are for larger networks.
  if (learner == "b_cl" || learner == "ctr") return {"learner.hidden=32"};
  if (learner == "esn") return {"learner.prompts=10"};
  if (learner == "moe_adapters") return {"learner.experts=6", "learner.bottleneck=8"};
  // The papers' rates and lengths are for larger networks.
  if (learner == "coop") return {"training.optimizer=\"adam\"", "learner.context=4"};
  if (learner == "sprompts")
    return {"training.optimizer=\"adam\"", "learner.context=4", "learner.length=4"};
  if (learner == "diki") return {"training.optimizer=\"adam\"", "learner.length=4"};
  if (learner == "clap") return {"learner.hidden=32", "learner.samples=4"};
  if (learner == "promptfusion")
    return {"learner.context=4", "learner.image_tokens=4", "learner.vit_tokens=4"};
  if (learner == "rail") return {"learner.projection=200"};
  if (learner == "clip_keeplora")
    return {"learner.rank=4", "learner.image_energy=0.3", "learner.input_energy=0.5"};
  if (learns_questions(learner)) return {"learner.hidden=32"};
  if (learner == "zscl") return {"learner.merge_every=4"};
  if (learner == "recursive_ridge") return {"learner.projection=200"};
  // A look at the loss of the whole memory costs more than a step.
  if (learner == "clib") return {"learner.importance_every=4"};
  return {};
}

/// A tiny ViT; a BERT if the learner reads texts; a CLIP if it reads class names, or
/// questions about images; an MLP if it masks units. The same each time. All but the MLP are
/// trained on the toy classes.
inline std::unique_ptr<Backbone> toy_network(const std::string& learner, int64_t classes) {
  const Network kind = find_learner(learner)->network;
  if (reads_texts(learner)) {
    static const auto bert = toy_language("bert", ToyTexts(classes, 12, 3));
    return bert->clone();
  }
  if (kind == Network::mlp) return toy_mlp(ToySource::kSide);
  if (kind != Network::clip && kind != kQuestions) {
    static const auto vit = toy_vit(ToySource(classes, 12, 3));
    return vit->clone();
  }
  static const auto trained = toy_clip(ToySource(classes, 12, 1));
  auto clip = trained->clone();
  clip->set_tokenizer(std::make_shared<ClipWords>());
  if (kind == kQuestions) return fused_towers(std::move(clip));
  return clip;
}

}  // namespace patina
