// DAS: gates, importance, soft masks and the contrast of views, each against values worked by hand.
// The authors' code fails at masks along inputs, sums of signed gradients, and pairs of two texts.
#include "patina/learners/pretraining/das.h"

#include <gtest/gtest.h>

#include "patina/models/answer_scores.h"
#include "tests/support/errors.h"
#include "tests/support/tensors.h"
#include "tests/support/toy_rounds.h"

namespace patina {
namespace {

using Course = RoundCourse;

// Gates of 1 change no bit; the gradient of a gate is that of scaling what its unit gives, here by
// central differences of the loss of one text.
TEST(Das, GatesScaleWhatUnitsGive) {
  for (const std::string family : {"llama", "gpt2"}) {
    SCOPED_TRACE(family);
    const auto network = toy_decoder(family);
    Course course("das", {}, steps_of_adamw(), toy_decoder(family));
    course.begin();
    const Input input = course.batch().slice(2, 3).input;
    Gates gates(*network, 0.1);
    const auto loss = [&] {
      return answer_losses(answer_scores(*network, input, nn::Adaptations{&gates})).mean();
    };
    {
      NoGrad no_grad;
      EXPECT_TRUE(at::equal(network->tokens(input, {&gates}), network->tokens(input)));
    }
    nn::freeze(gates, false);
    loss().backward();
    NoGrad no_grad;
    for (const auto& item : nn::tensors(gates)) {
      Tensor values = item.tensor.detach();
      for (const int64_t unit : {0, 3}) {
        constexpr float kStep = 1e-2F;
        const auto with = [&](float value) {
          values[1][unit].fill_(value);
          return loss().item<double>();
        };
        const double slope = (with(1 + kStep) - with(1 - kStep)) / (2 * kStep);
        values[1][unit].fill_(1);
        EXPECT_NEAR(item.tensor.grad()[1][unit].item<double>(), slope, 2e-3)
            << item.name << " " << unit;
      }
    }
  }
}

// z-scores of 1, 2, 3, 6: (x - 3) / sqrt(3.5).
TEST(Das, NormalisesEachLayerByItself) {
  const Tensor raw = at::stack({float_tensor({1, 2, 3, 6}), float_tensor({10, 20, 30, 60})});
  const Units units = normalised({raw, raw, at::ones({2, 3})});
  const double expected[] = {std::tanh(2 / std::sqrt(3.5)), std::tanh(1 / std::sqrt(3.5)), 0,
                             std::tanh(3 / std::sqrt(3.5))};
  for (int64_t layer = 0; layer < 2; ++layer)
    for (int64_t i = 0; i < 4; ++i)
      EXPECT_NEAR(units.heads[layer][i].item<double>(), expected[i], 1e-6) << layer << i;
  EXPECT_TRUE(at::equal(units.outputs, at::zeros({2, 3})));
}

// Of a head that matters, the rows of its queries and the columns by which it leaves stay; of keys
// that it shares, too. Nothing is masked along the inputs of queries, keys and values.
TEST(Das, ProtectsTheRowsOfAHead) {
  const auto network = toy_decoder("llama");  // 4 heads of 6, of which two share keys; width 24
  nn::freeze(*network, false);
  for (auto& item : nn::tensors(*network)) item.tensor.mutable_grad() = at::ones_like(item.tensor);
  Gates gates(*network, 0.1);
  Units& importance = gates.values;
  importance.heads.zero_();
  importance.hidden.zero_();
  importance.outputs.zero_();
  importance.heads[1][2] = 1;  // shares keys 1 with head 3
  importance.heads[1][0] = 0.25;
  importance.hidden[1][5] = 1;
  importance.outputs[1][7] = 0.5;
  soften_gradients(*network, importance);
  const auto gradient = [&](const std::string& name) {
    for (const auto& item : nn::tensors(*network))
      if (item.name == "text.blocks.1." + name) return item.tensor.grad();
    return Tensor();
  };
  const auto rows = [](std::vector<std::pair<int64_t, double>> parts) {
    std::vector<Tensor> all;
    for (const auto& [count, value] : parts) all.push_back(at::full({count}, value));
    return at::cat(all);
  };
  const Tensor qkv = gradient("attn.qkv.weight");
  EXPECT_TRUE(at::equal(qkv, rows({{6, 0.75},
                                   {6, 1},
                                   {6, 0},
                                   {6, 1},  // queries
                                   {6, 0.75},
                                   {6, 0},
                                   {6, 0.75},
                                   {6, 0}})  // keys, values
                                 .unsqueeze(1)
                                 .expand_as(qkv)));
  const Tensor proj = gradient("attn.proj.weight");
  EXPECT_TRUE(at::equal(proj, rows({{6, 0.75}, {6, 1}, {6, 0}, {6, 1}}).expand_as(proj)));
  const Tensor fc1 = gradient("mlp.fc1.weight");  // gate and up
  EXPECT_TRUE(
      at::equal(fc1, rows({{5, 1}, {1, 0}, {39, 1}, {1, 0}, {34, 1}}).unsqueeze(1).expand_as(fc1)));
  const Tensor fc2 = gradient("mlp.fc2.weight");
  EXPECT_TRUE(at::equal(fc2, rows({{7, 1}, {1, 0.5}, {16, 1}}).unsqueeze(1).expand_as(fc2)));
  for (const auto& item : nn::tensors(*network))
    if (item.name.starts_with("text.blocks.0.") || item.name.find("norm") != std::string::npos) {
      EXPECT_TRUE(at::equal(item.tensor.grad(), at::ones_like(item.tensor))) << item.name;
    }
}

// Importance is a mean of absolute gradients of single texts, whatever came before in a batch.
TEST(Das, AveragesAbsoluteGradientsOfSingleTexts) {
  const auto importance = [](const std::vector<std::string>& settings) {
    Course course("das", settings);
    course.begin();
    course.learner().end_task(*course.task, course.rig.trainer());
    Archive archive;
    course.learner().state(archive);
    return archive.tensors().at("importance.hidden").clone();
  };
  const Tensor all = importance({"contrast=0", "importance_samples=20"});
  EXPECT_TRUE(at::equal(all, importance({"contrast=0", "importance_samples=500"})));

  // The same by hand, without the class's own loop.
  Course course("das", {"contrast=0", "importance_samples=20"});
  course.begin();
  Archive before;
  course.learner().state(before);
  const Tensor general = before.tensors().at("importance.hidden").clone();
  Gates gates(*course.network, 0.1);
  Tensor sum = at::zeros_like(gates.values.hidden);
  Loader loader(*course.task->train, course.rig.train_feed(), course.rig.pool(), 1);
  while (const auto one = loader.next()) {
    gates.values.hidden = at::ones_like(sum).requires_grad_(true);
    answer_losses(answer_scores(*course.network, one->input, nn::Adaptations{&gates}))
        .mean()
        .backward();
    sum += gates.values.hidden.grad().abs();
  }
  const Tensor mean = sum / double(kRoundSize);
  const Tensor apart = mean - mean.mean(1, true);
  const Tensor own = at::tanh(apart / apart.square().mean(1, true).sqrt()).abs();
  EXPECT_LT(relative_error(all, at::maximum(general, own)), 1e-4);
}

// Two texts in two dimensions: cosines of one with two are 1 and 0, with the gated view 0.6, 0.8.
TEST(Das, ContrastsViewsOfTheSameText) {
  const Tensor one = at::stack({float_tensor({2, 0}), float_tensor({0, 3})}).requires_grad_(true);
  const Tensor two = at::stack({float_tensor({1, 0}), float_tensor({0, 5})}).requires_grad_(true);
  const Tensor apart =
      at::stack({float_tensor({3, 4}), float_tensor({0.8F, 0.6F})}).requires_grad_(true);
  const double t = 0.5;
  const auto e = [&](double cosine) { return std::exp(cosine / t); };
  const double first = -std::log(e(1) / (e(1) + e(0) + e(0.6) + e(0.8)));
  const double second = -std::log(e(1) / (e(1) + e(0) + e(0.8) + e(0.6)));
  const Tensor loss = view_contrast(one, two, apart, t);
  EXPECT_NEAR(loss.item<double>(), (first + second) / 2, 1e-6);
  // Texts out of step are no pairs.
  EXPECT_GT(view_contrast(one, two.flip({0}), apart, t).item<double>(), loss.item<double>() + 1);
  loss.backward();  // through every view of every text
  for (const Tensor& view : {one, two, apart})
    EXPECT_GT(view.grad().abs().sum(1).min().item<double>(), 0);
}

TEST(Das, RefusesPackedRows) {
  TrainingOptions training = steps_of_adamw();
  training.pack = true;
  Course course("das", {}, training);
  EXPECT_TRUE(
      contains(error_of(ErrorKind::recipe, [&] { course.learn(); }), "training.pack = false"));
  Course without("das", {"contrast=0"}, training);
  without.learn();
}

}  // namespace
}  // namespace patina
