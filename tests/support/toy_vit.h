// A tiny trained ViT, because learners need a network whose features separate images; and an
// untrained MLP.
#pragma once

#include "patina/data/dataset.h"
#include "patina/learn/learner.h"
#include "patina/models/vision/mlp.h"
#include "patina/nn/heads.h"
#include "patina/nn/losses.h"
#include "patina/optim/optimizer.h"
#include "tests/support/tensors.h"
#include "tests/support/toy_source.h"

namespace patina {

/// Trains a network until it separates the classes of `source`, and freezes it; the same each time.
inline void teach(Backbone& network, const Source& source, const Feed& feed, int steps = 60) {
  const at::AutoGradMode gradients(true);  // whoever asks for the network first may have none
  nn::freeze(network, false);
  nn::LinearHead head;
  Random random = Seeds(1)("head");
  head.grow(int64_t(source.classes().size()), network.width(), random);
  const Dataset data = whole(source);
  ThreadPool pool(1);
  const Batch all = *Loader(data, feed, pool, data.size()).next();
  Optimizer optimizer({.optimizer = "adam"}, {trainable_group(network, head)});
  for (int step = 0; step < steps; ++step) {
    optimizer.zero_grad();
    nn::cross_entropy(head(network.features(all.input)), all.target).backward();
    optimizer.step(0.01);
  }
  nn::freeze(network);
  for (auto& item : nn::tensors(network)) item.tensor.mutable_grad() = Tensor();
}

inline std::unique_ptr<ViT> toy_vit(const Source& source) {
  auto vit = random_vit();
  teach(*vit, source, ImageFeed({.size = 16, .normalize = "imagenet"}));
  return vit;
}

/// A small untrained MLP; the same each time.
inline std::unique_ptr<Mlp> toy_mlp(int64_t side) {
  auto mlp = std::make_unique<Mlp>(MlpShape{.image_size = side, .hidden = {48, 48}, .channels = 3},
                                   "imagenet");
  Random random = Seeds(1)("mlp");
  mlp->initialize(random);
  return mlp;
}

}  // namespace patina
