// The network that a learner is tested on.
#pragma once

#include <memory>

#include "patina/learners/registry.h"
#include "tests/support/toy_clip.h"
#include "tests/support/toy_vit.h"

namespace patina {

/// A tiny ViT; a CLIP if the learner reads class names; an MLP if it masks units. The same each
/// time. ViT and CLIP are trained on the toy classes.
inline std::unique_ptr<Backbone> toy_network(const std::string& learner, int64_t classes) {
  const Network kind = find_learner(learner)->network;
  if (kind == Network::mlp) return toy_mlp(ToySource::kSide);
  if (kind != Network::clip) {
    static const auto vit = toy_vit(ToySource(classes, 12, 3));
    return vit->clone();
  }
  static const auto trained = toy_clip(ToySource(classes, 12, 1));
  auto clip = trained->clone();
  clip->set_tokenizer(std::make_shared<ClipWords>());
  return clip;
}

}  // namespace patina
