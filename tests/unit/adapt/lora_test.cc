// LoRA on every linear layer of a block: which parts change, their shapes and their scales.
#include "patina/adapt/lora.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/support/errors.h"
#include "tests/support/tensors.h"

namespace patina::adapt {
namespace {

// A gate and its up projection have a change each, unless they are joint; all scales are told.
TEST(Lora, ChangesEveryLinearLayerOfAGatedBlock) {
  nn::BlockShape shape = kTinyViT.block();
  shape.gated = true;
  shape.heads = 4;
  shape.key_heads = 2;
  shape.head_size = 5;
  LoraOptions options{.rank = 4, .alpha = 6, .parts = "qkv", .output = true, .mlp = true};
  options.rank_stabilized = true;
  Random random = Seeds(7)("adapt");
  Lora each(options, shape, kTinyViT.depth, random);
  std::map<Part, Shape> sizes;
  for (const auto& update : each.updates()) {
    sizes[update.part] = {update.a.size(1), update.b.size(0)};
    EXPECT_EQ(update.scale, 3) << "alpha / sqrt(rank)";
  }
  const int64_t hidden = shape.hidden;
  EXPECT_EQ(sizes, (std::map<Part, Shape>{{Part::q, {kTinyViT.width, 20}},
                                          {Part::k, {kTinyViT.width, 10}},
                                          {Part::v, {kTinyViT.width, 10}},
                                          {Part::o, {20, kTinyViT.width}},
                                          {Part::gate, {kTinyViT.width, hidden}},
                                          {Part::up, {kTinyViT.width, hidden}},
                                          {Part::fc2, {hidden, kTinyViT.width}}}));
  EXPECT_EQ(part_shape(Part::up, shape).from, hidden);
  options.joint = true;
  Lora joint(options, shape, kTinyViT.depth, random);
  std::map<Part, int> counts;
  for (const auto& update : joint.updates()) ++counts[update.part];
  EXPECT_EQ(counts,
            (std::map<Part, int>{{Part::qkv, 2}, {Part::o, 2}, {Part::fc1, 2}, {Part::fc2, 2}}));
}

TEST(Lora, OfGivenUpdatesHasThemAndNoOthers) {
  const nn::BlockShape shape = kTinyViT.block();
  const Tensor a = random_tensor({2, kTinyViT.width}, 1), b = random_tensor({kTinyViT.width, 2}, 2);
  const Lora lora({{1, Part::k, a, b, 0.5}, {0, Part::o, a, b, 2}}, shape, kTinyViT.depth);
  ASSERT_EQ(lora.updates().size(), 2u);
  EXPECT_EQ(lora.updates()[0].part, Part::o);
  EXPECT_EQ(lora.updates()[1].scale, 0.5);
  EXPECT_TRUE(lora.acts(nn::Site::proj));
  EXPECT_FALSE(lora.acts(nn::Site::fc1));
  EXPECT_EQ(lora.text(), "lora scale=2,0.5");
  EXPECT_THROW(Lora({{2, Part::k, a, b, 1}}, shape, kTinyViT.depth), Error);
  EXPECT_THROW(Lora({{0, Part::k, b, a, 1}}, shape, kTinyViT.depth), Error);
  EXPECT_THROW(Lora({{0, Part::k, a, b, 1}, {0, Part::k, a, b, 1}}, shape, kTinyViT.depth), Error);
}

}  // namespace
}  // namespace patina::adapt
