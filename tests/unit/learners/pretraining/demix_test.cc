// DEMix: which expert learns, which it begins as, and that all answer together.
#include "patina/base/json.h"
#include "tests/support/answer_course.h"

namespace patina {
namespace {

const std::vector<std::string> kSmall = {"rank=4", "alpha=16"};

// The third set is the first again.
DataSplits first_again() {
  std::vector<DataSplits> parts;
  for (const int64_t set : {0, 1, 0})
    parts.push_back({fmt::format("part {}", parts.size()), std::make_unique<ToyAnswers>(set, 8),
                     std::make_unique<ToyAnswers>(set, 4)});
  return joined(std::move(parts), /*shared_classes=*/true);
}

TEST(Demix, NewExpertsBeginAsTheNearestOne) {
  AnswerCourse course("demix", kSmall, first_again());
  course.learn();
  EXPECT_TRUE(course.learner().diagnostics().is_null());
  const auto first = course.state();
  course.learn();
  course.begin();
  const auto third = course.state();
  EXPECT_EQ(course.learner().diagnostics(), (Json{{"began_as_a_copy_of", {0, 0}}}));
  int64_t tensors = 0, apart = 0;
  for (const auto& [name, tensor] : first) {
    if (!name.starts_with("lora.")) continue;
    const std::string rest = name.substr(5);
    EXPECT_EQ(furthest(third.at("task_0." + rest), tensor), 0) << name << " learned on";
    EXPECT_EQ(furthest(third.at(name), tensor), 0) << name << " is no copy";
    apart += furthest(third.at("task_1." + rest), tensor) > 1e-4;
    ++tensors;
    const auto changes = [&](const char* layer) { return rest.find(layer) != rest.npos; };
    EXPECT_TRUE(changes(".gate.") || changes(".up.") || changes(".fc2.")) << name;
  }
  EXPECT_GT(tensors, 0);
  EXPECT_GT(apart, 0);
}

// The domain is known while it is learned: its expert has all the loss.
TEST(Demix, TheNewestExpertLearnsAlone) {
  AnswerCourse course("demix", kSmall);
  course.learn();
  course.begin();
  const Batch batch = course.batch();
  const Tensor own = answer_losses(*course.network, batch.input,
                                   course.learner().generator()->adaptations(batch.input));
  const double loss = course.learner().loss(batch, {.tokens = own.size(0)}).item<double>();
  EXPECT_NEAR(loss, own.mean().item<double>(), 1e-6);
  EXPECT_EQ(course.learner().trainable().size(), 1u);
}

TEST(Demix, AllExpertsAnswer) {
  AnswerCourse course("demix", kSmall);
  course.learn();
  const Input input = course.batch().input;
  const Experts one = course.learner().generator()->experts(input);
  EXPECT_TRUE(one.alone());
  course.learn();
  const Experts two = course.learner().generator()->experts(input);
  ASSERT_EQ(two.each.size(), 2u);
  EXPECT_EQ(two.prior, (std::vector<double>{0.5, 0.5}));
  // Texts of the first domain are the first expert's.
  const Tensor posterior = log_posterior(*course.network, input, two).exp().mean(1);
  EXPECT_GT(posterior[0].item<double>(), 0.5);
  NoGrad no_grad;
  const double mixed = course.losses(input).mean().item<double>();
  const double newest = answer_losses(*course.network, input, two.each[1]).mean().item<double>();
  EXPECT_LT(mixed, newest);
  expect_samples_apart(course);
}

}  // namespace
}  // namespace patina
