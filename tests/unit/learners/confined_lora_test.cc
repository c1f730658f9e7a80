// LoRAs that read only what earlier tasks do not: InfLoRA and KeepLoRA.
#include "patina/learners/instruction/confined_lora.h"

#include <gtest/gtest.h>

#include "patina/algebra/subspace.h"
#include "patina/models/linear_layers.h"
#include "patina/session/feed.h"
#include "tests/support/answer_course.h"
#include "tests/support/tensors.h"

namespace patina {
namespace {

using Course = AnswerCourse;
using adapt::Part;

Tensor twice(const Tensor& x) {
  return x.detach().to(at::kDouble);
}

double energy_of(const Tensor& x) {
  return twice(x).square().sum().item<double>();
}

// What the layers of one site read, without padding.
class Reader : public nn::Adaptation {
 public:
  Reader(nn::Site site, int layer) : site_(site), layer_(layer) {}
  Tensor after(nn::Site site, int layer, const Tensor& in, Tensor out) override {
    if (site == site_ && layer == layer_)
      for (int64_t row = 0; row < in.size(0); ++row)
        rows_.push_back(twice(in[row].slice(0, 0, lengths[row].item<int64_t>())));
    return out;
  }
  Tensor moment() const {
    const Tensor x = at::cat(rows_);
    return x.t().matmul(x);
  }
  Tensor lengths;

 private:
  nn::Site site_;
  int layer_;
  std::vector<Tensor> rows_;
};

Tensor moment_of(Course& course, nn::Site site, int layer, int64_t batch_size = 8) {
  NoGrad no_grad;
  Reader reader(site, layer);
  Loader loader(*course.task->train, course.rig.train_feed(), course.rig.pool(), batch_size);
  while (const auto batch = loader.next()) {
    reader.lengths = batch->input.mask.sum(1);
    auto all = course.learner().generator()->adaptations(batch->input);
    all.add(&reader);
    course.network->tokens(batch->input, all);
  }
  return reader.moment();
}

// The LoRA that learns and the index of its update.
struct Learning {
  Learning(Course& course, Part part)
      : lora(dynamic_cast<const adapt::Lora&>(
            *course.learner().generator()->adaptations({}).list().front())) {
    for (const auto& each : lora.updates()) {
      if (each.layer == 1 && each.part == part) {
        update = each;
        basis = course.state()["basis_" + std::to_string(index)];
        return;
      }
      ++index;
    }
    ADD_FAILURE() << "no such update";
  }
  const adapt::Lora& lora;
  adapt::Lora::Update update;
  size_t index = 0;
  Tensor basis;
};

TEST(InputMoments, AreSumsOverTokensWhateverTheBatch) {
  Course course("sft", {"rank=2"});
  course.begin();
  const auto updates = Learning(course, Part::fc2).lora.updates();
  const auto in_batches = [&](int64_t size) {
    NoGrad no_grad;
    InputMoments moments(updates);
    Loader loader(*course.task->train, course.rig.train_feed(), course.rig.pool(), size);
    while (const auto batch = loader.next()) {
      moments.set_mask(batch->input.mask);
      course.network->tokens(batch->input, {&moments});
    }
    return moments;
  };
  for (const auto& update : updates) {
    if (update.layer != 1) continue;
    const nn::Site site = update.part == Part::fc2    ? nn::Site::fc2
                          : update.part == Part::gate ? nn::Site::fc1
                          : update.part == Part::up   ? nn::Site::fc1
                                                      : nn::Site::qkv;
    const Tensor wanted = moment_of(course, site, 1, 1);
    EXPECT_LT(furthest(in_batches(8).of(update), wanted), 1e-4 * largest(wanted));
    EXPECT_LT(furthest(in_batches(3).of(update), wanted), 1e-4 * largest(wanted));
  }
}

TEST(InfLora, ReadsTheMainInputsOutsideThoseOfEarlierTasks) {
  Course course("inflora",
                {"rank=3", "alpha=6", "parts=\"qv\"", "energy=0.9", "last_energy=0.99", "tasks=2"});
  course.begin();
  // The first task's A: the main directions of its inputs, with rows of length 1/√3.
  const Tensor first = twice(Learning(course, Part::q).update.a),
               inputs = moment_of(course, nn::Site::qkv, 1);
  EXPECT_LT(furthest(first.matmul(first.t()), at::eye(3, at::kDouble) / 3), 1e-6);
  const auto [squares, vectors] = at::linalg_eigh(inputs);
  const Tensor main = vectors.t().slice(0, -3);
  EXPECT_LT(furthest(first.t().matmul(first) * 3, main.t().matmul(main)), 1e-3);
  course.fit();
  EXPECT_EQ(furthest(Learning(course, Part::q).update.a, first.to(at::kFloat)),
            0);  // only B learns
  EXPECT_GT(largest(Learning(course, Part::q).update.b), 1e-4);
  course.learner().end_task(*course.task, course.rig.trainer());
  // The fewest directions that hold 0.9 of the squares of the moment, with the learned model.
  const Tensor basis = Learning(course, Part::q).basis, after = moment_of(course, nn::Site::qkv, 1);
  EXPECT_EQ(furthest(basis, Learning(course, Part::v).basis), 0);
  const auto held = [&](const Tensor& rows) {
    return energy_of(after.matmul(rows.t())) / energy_of(after);
  };
  EXPECT_GE(held(basis), 0.9 - 1e-4);
  EXPECT_LT(held(basis.slice(0, 0, basis.size(0) - 1)), 0.9);
  // The second task's A: of the rest.
  course.begin();
  const auto second = Learning(course, Part::q);
  const Tensor a = twice(second.update.a);
  EXPECT_LT(largest(a.matmul(basis.t())), 1e-6);
  EXPECT_EQ(furthest(second.update.a, Learning(course, Part::v).update.a), 0);
  const Tensor rest = outside_rows(moment_of(course, nn::Site::qkv, 1), basis);
  EXPECT_NEAR(energy_of(rest.matmul(a.t())) * 3, energy_of(rest.matmul(leading_rows(rest, 3).t())),
              1e-3 * energy_of(rest));
  EXPECT_EQ(largest(second.update.b), 0);
  // What is learned changes nothing for inputs of the first task's subspace.
  course.fit();
  const auto learned = Learning(course, Part::q);
  EXPECT_GT(largest(learned.update.b), 1e-4);
  EXPECT_LT(largest(twice(learned.update.b).matmul(a).matmul(basis.t())), 1e-6);
  course.learner().end_task(*course.task, course.rig.trainer());
  const Tensor longer = Learning(course, Part::q).basis;
  EXPECT_GT(longer.size(0), basis.size(0));
  EXPECT_EQ(furthest(longer.slice(0, 0, basis.size(0)), basis), 0);
  EXPECT_LT(furthest(longer.matmul(longer.t()), at::eye(longer.size(0), at::kDouble)), 1e-9);
}

// With layers of 24 inputs and 40 outputs, and the reverse: a basis of outputs does not fit.
TEST(KeepLora, ReadsTheGradientOutsideTheWeightsMainInputs) {
  Course course("keeplora", {"rank=3", "alpha=6", "mlp=true", "weight_energy=0.5"});
  for (const auto& [part, width] : {std::pair(Part::gate, 24), std::pair(Part::fc2, 40)}) {
    const auto initial = Learning(course, part);
    const Tensor weight =
        twice(layer_weight(*course.network, 1, part)).slice(0, 0, part == Part::gate ? 40 : 24);
    ASSERT_EQ(initial.basis.size(1), width);
    const auto held = [&](const Tensor& rows) {
      return energy_of(weight.matmul(rows.t())) / energy_of(weight);
    };
    EXPECT_GE(held(initial.basis), 0.5 - 1e-6);
    EXPECT_LT(held(initial.basis.slice(0, 0, initial.basis.size(0) - 1)), 0.5);
  }
  course.learn();
  course.task = *course.stream.next();
  // The gradient of the present model, by the whole batch.
  Learner& learner = course.learner();
  const Batch batch = course.batch();
  const auto scores = [&] {
    NoGrad no_grad;
    return answer_scores(*course.network, batch.input,
                         learner.generator()->adaptations(batch.input))
        .scores;
  };
  const Tensor before = scores();
  Tensor weight = layer_weight(*course.network, 1, Part::gate);
  weight.requires_grad_(true);
  answer_losses(
      answer_scores(*course.network, batch.input, learner.generator()->adaptations(batch.input)))
      .sum()
      .backward();
  const Tensor gradient = weight.grad().slice(0, 0, 40).clone();
  weight.mutable_grad() = Tensor();
  weight.requires_grad_(false);
  learner.begin_task(*course.task, course.rig.trainer());
  EXPECT_FALSE(weight.requires_grad());
  EXPECT_FALSE(weight.grad().defined());
  EXPECT_LT(furthest(scores(), before), 1e-5);  // a new LoRA changes nothing yet
  const auto begun = Learning(course, Part::gate);
  const Tensor a = twice(begun.update.a), rest = outside_rows(gradient, begun.basis);
  EXPECT_LT(furthest(a.matmul(a.t()), at::eye(3, at::kDouble)), 1e-6);
  EXPECT_LT(largest(a.matmul(begun.basis.t())), 1e-6);
  EXPECT_NEAR(energy_of(rest.matmul(a.t())), energy_of(rest.matmul(leading_rows(rest, 3).t())),
              1e-3 * energy_of(rest));
  course.fit();
  const auto learned = Learning(course, Part::gate);
  EXPECT_EQ(furthest(learned.update.a, begun.update.a), 0);
  EXPECT_GT(largest(learned.update.b), 1e-4);
  EXPECT_LT(largest(twice(learned.update.b).matmul(a).matmul(begun.basis.t())), 1e-6);
  learner.end_task(*course.task, course.rig.trainer());
  const Tensor inputs = moment_of(course, nn::Site::fc1, 1),
               basis = Learning(course, Part::gate).basis;
  EXPECT_GE(energy_of(inputs.matmul(basis.t())) / energy_of(inputs), 0.99 - 1e-4);
}

}  // namespace
}  // namespace patina
