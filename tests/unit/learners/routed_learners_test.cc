// Methods that answer with text and route between LoRAs, against their papers' formulas.
#include <cmath>

#include "tests/support/answer_course.h"

namespace patina {
namespace {

// With B = 0 a plain LoRA's A has no gradient. These atoms' has one, since they share the softmax
// with those of the task before.
TEST(Moram, NewAtomsLearnThroughTheSoftmaxAndOldOnesStay) {
  AnswerCourse course("moram", {"rank=2", "alpha=2", "k=4", "temperature=1"});
  course.learn();
  const auto first = course.state();
  course.begin();
  course.learner().loss(course.batch(), {.tokens = 8}).backward();
  for (const auto& group : course.learner().trainable())
    for (const auto& tensor : group.tensors) {
      EXPECT_EQ(tensor.size(0) == 2 || tensor.size(1) == 2, true) << "only new atoms learn";
      EXPECT_GT(tensor.grad().abs().sum().item<double>(), 0);
    }
  EXPECT_EQ(course.learner().trainable().front().tensors.size(), 8u);  // A, B of q, v; 2 blocks
  course.rig.learn(*course.task);
  const auto second = course.state();
  for (const auto& [name, tensor] : first) {
    if (!name.starts_with("lora.")) continue;
    EXPECT_EQ(furthest(second.at("task_0." + name.substr(5)), tensor), 0) << name;
  }
}

TEST(Moram, AThresholdHoldsInAnswersOnly) {
  AnswerCourse course("moram", {"threshold=1"});
  course.learn();
  const Batch batch = course.batch();
  NoGrad no_grad;
  const Tensor base = answer_losses(answer_scores(*course.network, batch.input, {}));
  EXPECT_LT(furthest(course.losses(batch.input), base), 1e-6) << "y = W x";
  const double learning = course.learner().loss(batch, {.tokens = base.size(0)}).item<double>();
  EXPECT_GT(std::abs(learning - base.mean().item<double>()), 1e-4);
}

TEST(Moram, SamplesAreApart) {
  AnswerCourse course("moram", {"k=3"});
  course.learn();
  course.learn();
  expect_samples_apart(course);
}

}  // namespace
}  // namespace patina
