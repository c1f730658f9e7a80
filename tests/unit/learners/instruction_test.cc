// Methods that answer with text, against their papers' formulas.
#include <gtest/gtest.h>

#include "patina/models/answer_scores.h"
#include "patina/ops.h"
#include "tests/support/answer_course.h"

namespace patina {
namespace {

TEST(Slao, MergesEverMoreSlowlyAndBeginsOrthogonally) {
  AnswerCourse course("slao", {"rank=3"});
  const std::string a = "blocks.1.q.a", b = "blocks.1.q.b";
  course.learn();
  const auto first = course.state();
  EXPECT_EQ(furthest(first.at("merged." + b), first.at("lora." + b)), 0);
  course.task = *course.stream.next();
  course.learner().begin_task(*course.task, course.rig.trainer());
  const auto begun = course.state();
  // Rows of A with a length of 1 and right angles, the first along A's first; B goes on.
  const Tensor rows = begun.at("lora." + a).to(at::kDouble);
  EXPECT_LT(furthest(rows.matmul(rows.t()), at::eye(3, at::kDouble)), 1e-6);
  const Tensor before = first.at("lora." + a)[0].to(at::kDouble);
  EXPECT_LT(furthest(rows[0], before / before.norm()), 1e-6);
  EXPECT_EQ(furthest(begun.at("lora." + b), first.at("lora." + b)), 0);
  course.learner().fit(*course.task, course.rig.trainer());
  course.learner().end_task(*course.task, course.rig.trainer());
  const auto second = course.state();
  EXPECT_EQ(furthest(second.at("merged." + a), second.at("lora." + a)), 0);
  const Tensor merged =
      first.at("merged." + b) + (second.at("lora." + b) - first.at("merged." + b)) / std::sqrt(2.0);
  EXPECT_LT(furthest(second.at("merged." + b), merged), 1e-6);
  course.learn();
  EXPECT_EQ(course.state().size(), second.size());  // no more for a third task
}

// Σ -log p / tokens + λ1 Σ |A_i A_tᵀ|.
TEST(OLora, PenalisesDirectionsOfEarlierTasks) {
  AnswerCourse course("o_lora", {"rank=2", "orthogonality=0.25"});
  course.learn();
  const auto first = course.state();
  course.task = *course.stream.next();
  course.learner().begin_task(*course.task, course.rig.trainer());
  const auto begun = course.state();
  double penalty = 0;
  int products = 0;
  for (const auto& [name, tensor] : begun) {
    if (!name.starts_with("lora.") || !name.ends_with(".a")) continue;
    const std::string part = name.substr(5);
    EXPECT_EQ(furthest(begun.at("task_0." + part), first.at(name)), 0) << name;
    EXPECT_GT(furthest(tensor, first.at(name)), 0) << name << " begins anew";
    penalty += begun.at("task_0." + part).matmul(tensor.t()).abs().sum().item<double>();
    ++products;
  }
  EXPECT_EQ(products, 4);  // queries and values of two blocks
  const Batch batch =
      *Loader(*course.task->train, course.rig.train_feed(), course.rig.pool(), 8).next();
  NoGrad no_grad;
  const Tensor losses = answer_losses(answer_scores(
      *course.network, batch.input, course.learner().generator()->adaptations(batch.input)));
  Step step{.tokens = losses.size(0)};
  EXPECT_NEAR(course.learner().loss(batch, step).item<double>(),
              losses.mean().item<double>() + 0.25 * penalty, 1e-4);
  step.part = 1;  // the penalty is the step's, not each part's
  EXPECT_NEAR(course.learner().loss(batch, step).item<double>(), losses.mean().item<double>(),
              1e-5);
}

// Half of an epoch: as many as the 8 samples of the task.
TEST(SftReplay, MixesAnExactPartOfKeptSamples) {
  AnswerCourse course("sft_replay", {"replay=0.5", "memory_per_task=3"});
  course.learn();
  course.task = *course.stream.next();
  course.rig.learn(*course.task);
  course.task = *course.stream.next();
  const Dataset epoch = course.learner().generator()->samples_of(*course.task, 0);
  EXPECT_EQ(epoch.size(), 16);
  EXPECT_EQ(course.learner().generator()->samples_of({.train = course.task->train}, 1).size(), 16);
}

}  // namespace
}  // namespace patina
