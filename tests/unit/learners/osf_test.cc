// OSF: what stays of a weight, and the gradients of what learns.
#include <gtest/gtest.h>

#include "patina/models/linear_layers.h"
#include "tests/support/answer_course.h"
#include "tests/support/tensors.h"

namespace patina {
namespace {

using Course = AnswerCourse;

// The gate's rows of the second block's weight, 40 by 24, in double.
Tensor gate(const Backbone& network) {
  const Tensor weight = layer_weight(network, 1, adapt::Part::gate);
  return weight.detach().slice(0, 0, 40).to(at::kDouble).clone();
}

// With Adam and weight decay, either of which moves factors along what stays.
TEST(Osf, LeavesTheLargestSingularValuesAndTheirVectors) {
  Course course("osf", {"protect=[0.5, 0.75]"}, 64, /*weight_decay=*/0.5);
  const auto frozen = nn::tensors(*toy_decoder());
  for (const int64_t high : {12, 18, 18}) {
    const Tensor before = gate(*course.network);
    const auto [u, s, v] = before.svd();
    course.learn();
    const Tensor after = gate(*course.network);
    const Tensor left = u.slice(1, 0, high), right = v.slice(1, 0, high);
    EXPECT_LT(largest(after.matmul(right) - left * s.slice(0, 0, high)), 2e-5);
    EXPECT_LT(largest(left.t().matmul(after) - (right * s.slice(0, 0, high)).t()), 2e-5);
    EXPECT_GT(largest(after - before), 1e-3);
  }
  // Norms and embeddings are as they were.
  const auto now = nn::tensors(*course.network);
  for (size_t i = 0; i < now.size(); ++i) {
    if (now[i].name.find("norm") != std::string::npos ||
        now[i].name.find("embed") != std::string::npos) {
      EXPECT_TRUE(at::equal(now[i].tensor, frozen[i].tensor)) << now[i].name;
    }
  }
}

TEST(Osf, FactorsHaveTheWeightsGradientOutsideWhatStays) {
  Course course("osf", {"protect=[0.5]"});
  course.begin();
  Learner& learner = course.learner();
  const Tensor before = gate(*course.network);
  learner.after_step({}, {});
  EXPECT_LT(largest(gate(*course.network) - before), 1e-5);  // the factors are of the weight
  const Batch batch = course.batch();
  learner.loss(batch, {.tokens = batch.input.loss.sum().item<int64_t>()}).backward();
  const Tensor weight = layer_weight(*course.network, 1, adapt::Part::gate);
  const Tensor gradient = weight.grad().slice(0, 0, 40).to(at::kDouble).clone();
  EXPECT_GT(largest(gradient), 0);
  learner.after_backward({});
  EXPECT_FALSE(weight.grad().defined());
  // The factors of the same shape as the gate's, whose product is the low part of it.
  const auto [u_all, s_all, v_all] = before.svd();
  const Tensor low = (u_all.slice(1, 12) * s_all.slice(0, 12)).matmul(v_all.slice(1, 12).t());
  const auto factors = learner.trainable().front().tensors;
  size_t found = 0;
  for (size_t i = 0; i < factors.size(); i += 3) {
    std::vector<Tensor> leaf;
    for (size_t k = 0; k < 3; ++k)
      leaf.push_back(factors[i + k].detach().to(at::kDouble).clone().requires_grad_(true));
    const Tensor product = (leaf[0] * leaf[1]).matmul(leaf[2]);
    if (product.sizes() != low.sizes() || largest(product.detach() - low) > 1e-4) continue;
    ++found;
    (product * gradient).sum().backward();
    const Tensor left = u_all.slice(1, 0, 12), right = v_all.slice(1, 0, 12);
    const Tensor u = leaf[0].grad() - left.matmul(left.t().matmul(leaf[0].grad()));
    const Tensor v = leaf[2].grad() - leaf[2].grad().matmul(right).matmul(right.t());
    EXPECT_GT(largest(leaf[0].grad() - u), 1e-2 * largest(u));  // the projection matters
    EXPECT_LT(furthest(factors[i].grad(), u), 1e-4 * largest(u));
    EXPECT_LT(furthest(factors[i + 1].grad(), leaf[1].grad()), 1e-4 * largest(leaf[1].grad()));
    EXPECT_LT(furthest(factors[i + 2].grad(), v), 1e-4 * largest(v));
  }
  EXPECT_EQ(found, 1u);
}

}  // namespace
}  // namespace patina
