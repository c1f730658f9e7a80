// KeepLoRA on both towers: what a task's LoRAs may read, and what stays.
#include <gtest/gtest.h>

#include "patina/learn/adapted.h"
#include "patina/ops.h"
#include "tests/support/tensors.h"
#include "tests/support/toy_towers.h"

namespace patina {
namespace {

struct KeptTowers : TowerCourse {
  KeptTowers()
      : TowerCourse("clip_keeplora", {"learner.rank=2", "learner.image_energy=0.3",
                                      "learner.text_energy=0.2", "learner.input_energy=0.6"}) {}
};

// The function is that of before until something is learned, and A is outside of what stays.
TEST(ClipKeepLora, BeginsOutsideOfWhatStays) {
  KeptTowers course;
  for (int task = 0; task < 2; ++task) {
    Tensor before;
    if (task > 0) before = course.scores(course.tested());
    const Batch asked = task > 0 ? course.tested() : Batch();
    course.begin();
    if (task > 0) {
      const Tensor now = course.scores(asked);
      EXPECT_LT(relative_error(now.slice(1, 0, before.size(1)), before), 1e-5);
    }
    const auto state = course.state();
    for (const std::string side : {"image", "text"}) {
      int64_t checked = 0;
      for (const auto& [name, a] : state) {
        if (!name.starts_with(side + "_" + std::to_string(task)) || !name.ends_with(".a")) continue;
        const Tensor rows = a.to(at::kDouble);
        const Tensor lengths = rows.square().sum(1);
        EXPECT_LT(largest((lengths - 1).abs() * (lengths > 0.5).to(at::kDouble)), 1e-5)
            << name << ": rows have length one, or are zero";
        ++checked;
      }
      EXPECT_GT(checked, 0);
    }
    course.drive.learner->fit(*course.task, course.drive.trainer);
    course.drive.learner->end_task(*course.task, course.drive.trainer);
  }
}

// What a LoRA of the newest task reads is orthogonal to the subspaces of the updates of its layer.
TEST(ClipKeepLora, ReadsNothingThatEarlierTasksRead) {
  KeptTowers course;
  course.learn();
  const auto kept = course.state();
  course.begin();
  const auto state = course.state();
  for (const std::string side : {"image", "text"}) {
    // Updates come block by block, as q, k, v and o.
    int64_t number = 0;
    double before = 0;
    const auto tower = side == "image" ? nn::Tower::image : nn::Tower::text;
    const int64_t layers = tower_of(*course.network, tower).layers;
    for (int64_t layer = 0; layer < layers; ++layer)
      for (const std::string part : {"q", "k", "v", "o"}) {
        const std::string key = side + "_1.blocks." + std::to_string(layer) + "." + part + ".a";
        ASSERT_TRUE(state.contains(key)) << key;
        const Tensor basis = kept.at(side + "_bases." + std::to_string(number++));
        EXPECT_GT(basis.size(0), 0);
        EXPECT_LT(largest(at::matmul(state.at(key).to(at::kDouble), basis.to(at::kDouble).t())),
                  1e-5)
            << key;
        before = std::max(before, double(basis.size(0)));
      }
    EXPECT_GT(before, 1);
  }
}

// The weights are untouched; what changes is beside them.
TEST(ClipKeepLora, LeavesTheWeights) {
  KeptTowers course;
  course.learn();
  const auto now = nn::tensors(*course.network), was = nn::tensors(*course.pristine);
  for (size_t i = 0; i < now.size(); ++i) {
    EXPECT_TRUE(at::equal(now[i].tensor, was[i].tensor)) << now[i].name;
    EXPECT_FALSE(now[i].tensor.requires_grad()) << now[i].name;
  }
  double changed = 0;
  for (const auto& [name, tensor] : course.state())
    if (name.ends_with(".b")) changed = std::max(changed, largest(tensor));
  EXPECT_GT(changed, 0);
}

}  // namespace
}  // namespace patina
