// ZSCL: what it repeats, what it stays near, and which weights remain.
#include <gtest/gtest.h>

#include "patina/image/image.h"
#include "patina/learn/class_texts.h"
#include "patina/ops.h"
#include "tests/support/data_files.h"
#include "tests/support/shared.h"
#include "tests/support/toy_towers.h"

namespace patina {
namespace {

// T² CE(softmax(S0/T), S/T), the mean over rows, in double.
double repeated_of(const Tensor& said, const Tensor& wanted, double t) {
  const Tensor s = said.to(at::kDouble) / t, p = at::softmax(wanted.to(at::kDouble) / t, 1);
  return -(p * at::log_softmax(s, 1)).sum(1).mean().item<double>() * t * t;
}

TEST(Zscl, RepeatsTheFirstNetworkAndStaysNearTheLast) {
  TowerCourse course("zscl", {"learner.anchor=0.5", "learner.image_weight=0.7",
                              "learner.text_weight=0.4", "learner.temperature=3"});
  course.begin();
  const Batch batch = course.batch();
  Random random = Seeds(5)("moved");
  double moved = 0;
  {
    NoGrad no_grad;
    for (auto& item : nn::tensors(*course.network)) {
      if (!item.tensor.requires_grad()) continue;
      Tensor step = at::empty(item.tensor.sizes());
      nn::init_normal(step, random, 0, 0.01);
      item.tensor.add_(step);
      moved += step.to(at::kDouble).square().sum().item<double>();
    }
  }
  const double loss = course.drive.learner->loss(batch, {}).item<double>();
  NoGrad no_grad;
  const Backbone &first = *course.pristine, &now = *course.network;
  const ClassTexts first_texts(first, {}), texts(now, {});
  const Tensor f = now.features(batch.input);
  const Tensor reference = first_texts.encoded(course.names());
  const Tensor wanted = first.similarity(first.features(batch.input), reference);
  const Tensor said = now.similarity(f, reference);
  const double expected =
      cross_entropy_of(now.similarity(f, texts.encoded(course.names())), batch.target, 0.2) +
      0.7 * repeated_of(said, wanted, 3) + 0.4 * repeated_of(said.t(), wanted.t(), 3) + 0.5 * moved;
  EXPECT_NEAR(loss / expected, 1, 1e-4);
  for (const auto& item : nn::tensors(*course.network))
    EXPECT_EQ(item.tensor.requires_grad(), item.name != "logit_scale") << item.name;
}

TEST(Zscl, ReferenceDataComeFromFilesAndCaptionsAreReadOnce) {
  const fs::path folder = scratch_folder("zscl-reference");
  make_folder(folder / "images/more");
  const ToySource pictures(3, 1, 9);
  for (int i = 0; i < 3; ++i)
    write(folder / (i < 2 ? "images" : "images/more") / fmt::format("{}.png", i),
          encode_png(pictures.image(i)));
  const std::string captions = "a red thing\n\nstripes of blue\n";
  write(folder / "captions.txt", Bytes(captions.begin(), captions.end()));
  TowerCourse course("zscl", {"learner.anchor=0", "learner.reference_batch=8",
                              "learner.images=\"" + (folder / "images").string() + "\"",
                              "learner.captions=\"" + (folder / "captions.txt").string() + "\""});
  course.begin();
  const Batch batch = course.batch();
  const double loss = course.drive.learner->loss(batch, {}).item<double>();
  fs::remove(folder / "captions.txt");
  EXPECT_NEAR(course.drive.learner->loss(batch, {}).item<double>(), loss, 1e-6);

  const Backbone& clip = *course.pristine;
  NoGrad no_grad;
  const ImageFeed feed({.size = 16, .normalize = "clip"});
  ThreadPool pool(1);
  const Dataset data = whole(pictures);
  const Tensor images = clip.features(Loader(data, feed, pool, 3).next()->input);
  const auto& tokenizer = *clip.tokenizer();
  const Tensor texts = clip.features(padded(std::vector{tokenizer.encode_framed("a red thing"),
                                                        tokenizer.encode_framed("stripes of blue")},
                                            tokenizer));
  const Tensor same = clip.similarity(images, texts);
  const ClassTexts classes(clip, {});
  const Tensor scores =
      clip.similarity(clip.features(batch.input), classes.encoded(course.names()));
  EXPECT_NEAR(loss,
              cross_entropy_of(scores, batch.target, 0.2) + repeated_of(same, same, 2) +
                  repeated_of(same.t(), same.t(), 2),
              1e-4);
}

// What remains of a task's training, and the weights after each of its steps; first those before.
struct Trained {
  std::vector<Tensor> weights;
  Tensor remaining;
};
Trained trained(const std::string& setting) {
  TowerCourse course("zscl", {setting});
  const auto weight = [&] {
    for (const auto& item : nn::tensors(*course.network))
      if (item.name == "text.blocks.0.mlp.fc1.weight") return item.tensor.detach().clone();
    return Tensor();
  };
  std::vector<Tensor> weights = {weight()};
  course.task = *course.drive.stream.next();
  Learner& learner = *course.drive.learner;
  learner.begin_task(*course.task, course.drive.trainer);
  TrainingOptions training{.epochs = 2,
                           .batch_size = 6,
                           .optimizer = {.optimizer = "adam", .lr = 0.01, .schedule = "constant"}};
  Trainer trainer(training, course.drive.rig.train_feed(), course.drive.rig.test_feed(),
                  course.drive.rig.pool(), Seeds(7), [&] { weights.push_back(weight()); });
  learner.fit(*course.task, trainer);
  learner.end_task(*course.task, trainer);
  EXPECT_EQ(weights.size(), 9u) << "four steps in each of two epochs";
  return {weights, weight()};
}

TEST(Zscl, TheMeanOfTheWeightsRemains) {
  const auto [weights, remaining] = trained("learner.merge_every=2");
  // The weights before the task and those after steps 1, 3, 5 and 7.
  const Tensor mean = (weights[0] + weights[1] + weights[3] + weights[5] + weights[7]) / 5;
  EXPECT_LT(relative_error(remaining, mean), 1e-5);
  EXPECT_GT(relative_error(remaining, weights.back()), 1e-4);
}

TEST(Zscl, WithoutMergingTheLastWeightsRemain) {
  const auto [weights, remaining] = trained("learner.merge_every=0");
  EXPECT_TRUE(at::equal(remaining, weights.back()));
}

}  // namespace
}  // namespace patina
