// S-iPrompts: which domain an image is taken to be from, and what of it classifies.
#include <gtest/gtest.h>

#include <limits>

#include "patina/algebra/cosine.h"
#include "patina/learn/adapted.h"
#include "patina/learners/prompt/domain_centres.h"
#include "patina/ops.h"
#include "tests/support/toy_learning.h"
#include "tests/support/toy_towers.h"

namespace patina {
namespace {

TEST(DomainCentres, TheNearestCentreOfAllTellsTheDomain) {
  DomainCentres centres;
  const Tensor asked = float_tensor({3, 0, 0, 2, -5, 0, 4, 3}).reshape({4, 2});
  EXPECT_EQ(items_of(centres.domain_of(asked)), (std::vector<int64_t>{0, 0, 0, 0}));
  // Of unit length: (1,0) and (-1,0); then (0,1).
  centres.add(float_tensor({2, 0, -3, 0}).reshape({2, 2}), 2, Random());
  centres.add(float_tensor({0, 7}).reshape({1, 2}), 2, Random());
  // (0.8,0.6) is 0.8 from (1,0) and 1.2 from (0,1).
  EXPECT_EQ(items_of(centres.domain_of(asked)), (std::vector<int64_t>{0, 1, 0, 0}));
}

// By squares the second domain's centre is nearer.
TEST(DomainCentres, DistancesAreSumsOfMagnitudes) {
  const Tensor z = float_tensor({1, 0, 0}).reshape({1, 3});
  DomainCentres centres;
  centres.add(float_tensor({0.6F, 0.8F, 0}).reshape({1, 3}), 1, Random());            // 1.2; 0.80
  centres.add(float_tensor({0.62F, 0.5548F, 0.5548F}).reshape({1, 3}), 1, Random());  // 1.49; 0.76
  EXPECT_EQ(items_of(centres.domain_of(z)), (std::vector<int64_t>{0}));
}

const TrainingOptions kTraining{
    .epochs = 2,
    .batch_size = 8,
    .optimizer = {.optimizer = "adam", .lr = 0.05, .schedule = "constant"}};

TEST(SiPrompts, AnImageIsClassifiedByItsDomainAlone) {
  ToyLearning toy("s_iprompts", "length = 3\ncentres = 2", kTraining);
  toy.learn();
  const auto first = toy.state();
  toy.learn();
  const auto state = toy.state();
  for (const char* kept : {"prompt_0.tokens", "head_0.weight", "head_0.bias", "centres.centres.0"})
    EXPECT_TRUE(at::equal(first.at(kept), state.at(kept))) << kept;
  const Tensor scores = toy.scores(), plain = toy.features();
  NoGrad no_grad;
  std::vector<Tensor> own;
  for (const std::string d : {"0", "1"}) {
    Random random;
    const auto prompt = make_prompt({.tokens = 3, .deep = false}, toy.vit->tower(), random);
    nn::tensors(*prompt).front().tensor.copy_(state.at("prompt_" + d + ".tokens"));
    own.push_back(at::linear(toy.features({prompt.get()}), state.at("head_" + d + ".weight"),
                             state.at("head_" + d + ".bias")));
  }
  const Tensor z = normalized(plain);
  std::vector<int64_t> taken(2);
  for (int64_t i = 0; i < scores.size(0); ++i) {
    const int64_t d = nearest_domain(state, z[i]);
    ++taken[size_t(d)];
    Tensor wanted = at::full({4}, -std::numeric_limits<double>::infinity());
    wanted.slice(0, 2 * d, 2 * d + 2).copy_(own[size_t(d)][i]);
    EXPECT_LT(relative_error(scores[i], wanted), 1e-5) << i;
  }
  EXPECT_GT(taken[0], 0);
  EXPECT_GT(taken[1], 0);
}

}  // namespace
}  // namespace patina
