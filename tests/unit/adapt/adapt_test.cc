// Adaptations: results are compared with another way of computing the same; gradients reach every
// tensor of the adaptation and none of the backbone.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "patina/adapt/adapter.h"
#include "patina/adapt/lora.h"
#include "patina/adapt/per_sample.h"
#include "patina/adapt/prefix.h"
#include "patina/adapt/prompt.h"
#include "patina/adapt/ssf.h"
#include "patina/checkpoint/load.h"
#include "patina/nn/engine.h"
#include "patina/optim/optimizer.h"
#include "tests/support/errors.h"
#include "tests/support/tensors.h"

namespace patina::adapt {
namespace {

constexpr int64_t kWidth = kTinyViT.width, kDepth = kTinyViT.depth, kRows = 5;

Random seed(uint64_t index = 0) {
  return Seeds(7)("adapt", index);
}

template <class Part>
std::map<std::string, Tensor> named(Part& part) {
  std::map<std::string, Tensor> found;
  for (const auto& item : nn::tensors(part)) found[item.name] = item.tensor;
  return found;
}

/// Changes every tensor of a fresh adaptation from its initial value.
void stir(nn::Adaptation& adaptation, uint64_t index) {
  NoGrad no_grad;
  for (auto& item : nn::tensors(adaptation))
    item.tensor.add_(random_tensor(item.tensor.sizes().vec(), ++index, 0.1));
}

/// Records the input of each block.
struct Recorder : nn::Adaptation {
  std::vector<Tensor> entering;
  Tensor tokens(int, Tensor x) override {
    entering.push_back(x);
    return x;
  }
};

Tensor input() {
  return random_tensor({2, 3, 16, 16}, 99);
}

// Tokens that were kept before a block replace the computation of all blocks before it.
TEST(FromTokens, BeginsWhereTheyWereKept) {
  const auto vit = random_vit();
  KeptTokens kept(1);
  const Tensor whole = vit->tokens(input(), {&kept});
  EXPECT_EQ(kept.kept().sizes(), at::IntArrayRef({2, kRows, kWidth}));
  FromTokens from(1, kept.kept());
  Recorder recorder;
  const Tensor other = random_tensor({2, 3, 16, 16}, 5);
  EXPECT_TRUE(at::equal(vit->tokens(other, {&from, &recorder}), whole));
  EXPECT_EQ(recorder.entering.size(), 1u) << "the block before is left out";
}

TEST(Adapter, IsTheIdentityWhenFresh) {
  const auto vit = random_vit();
  for (const char* placement : {"parallel", "sequential"}) {
    Random random = seed();
    Adapter adapter({.placement = placement}, kWidth, kDepth, random);
    EXPECT_TRUE(at::equal(vit->tokens(input(), {&adapter}), vit->tokens(input())));
    const auto tensors = named(adapter);
    EXPECT_EQ(tensors.at("blocks.1.down.weight").sizes(), at::IntArrayRef({64, kWidth}));
    const float largest = tensors.at("blocks.1.down.weight").abs().max().item<float>();
    EXPECT_LE(largest, 1 / std::sqrt(float(kWidth)));
    EXPECT_GT(largest, 0.9 / std::sqrt(float(kWidth)));
  }
}

TEST(Adapter, AddsItsBottleneck) {
  const Tensor in = random_tensor({2, 3, kWidth}, 1), out = random_tensor({2, 3, kWidth}, 2);
  for (const bool parallel : {true, false}) {
    Random random = seed();
    Adapter adapter({4, 0.25, parallel ? "parallel" : "sequential"}, kWidth, kDepth, random);
    stir(adapter, 3);
    const auto t = named(adapter);
    const Tensor hidden =
        at::relu(at::matmul(parallel ? in : out, t.at("blocks.1.down.weight").t()) +
                 t.at("blocks.1.down.bias"));
    const Tensor expected = out + 0.25 * (at::matmul(hidden, t.at("blocks.1.up.weight").t()) +
                                          t.at("blocks.1.up.bias"));
    EXPECT_LT(relative_error(adapter.after(nn::Site::mlp, 1, in, out), expected), 1e-6);
    EXPECT_TRUE(at::equal(adapter.after(nn::Site::fc2, 1, in, out), out));
  }
}

/// Records the input at two sites of the second block.
struct Sites : nn::Adaptation {
  Tensor read, at_attention;
  Tensor after(nn::Site site, int layer, const Tensor& in, Tensor out) override {
    if (layer == 1 && site == nn::Site::qkv) read = in;
    if (layer == 1 && site == nn::Site::attention) at_attention = in;
    return out;
  }
};

TEST(Adapter, BesideAttentionReadsWhatAttentionReads) {
  const auto vit = random_vit();
  Sites sites;
  vit->tokens(input(), {&sites});
  EXPECT_TRUE(at::equal(sites.at_attention, sites.read));

  const Tensor in = random_tensor({2, 3, kWidth}, 1), out = random_tensor({2, 3, kWidth}, 2);
  Random random = seed();
  Adapter adapter({.bottleneck = 4,
                   .scale = 0.5,
                   .placement = "attention",
                   .activation = "gelu",
                   .learned_scale = true,
                   .layers = {1, 7}},
                  kWidth, kDepth, random);
  EXPECT_TRUE(at::equal(vit->tokens(input(), {&adapter}), vit->tokens(input())));
  stir(adapter, 3);
  const auto t = named(adapter);
  EXPECT_EQ(t.size(), 5u);  // one block's
  const Tensor hidden =
      at::matmul(in, t.at("blocks.1.down.weight").t()) + t.at("blocks.1.down.bias");
  const Tensor gelu = hidden * 0.5 * (1 + (hidden / std::sqrt(2.0)).erf());
  const Tensor added = at::matmul(gelu, t.at("blocks.1.up.weight").t()) + t.at("blocks.1.up.bias");
  const Tensor expected = out + 0.5 * t.at("blocks.1.factor") * added;
  EXPECT_LT(relative_error(adapter.after(nn::Site::attention, 1, in, out), expected), 1e-6);
  EXPECT_TRUE(at::equal(adapter.after(nn::Site::attention, 0, in, out), out));
  EXPECT_TRUE(at::equal(adapter.after(nn::Site::mlp, 1, in, out), out));
}

TEST(Lora, IsTheIdentityWhenFresh) {
  const auto vit = random_vit();
  Random random = seed();
  Lora lora({}, kTinyViT.block(), kDepth, random);
  EXPECT_TRUE(at::equal(vit->tokens(input(), {&lora}), vit->tokens(input())));
  EXPECT_EQ(named(lora).size(), size_t(kDepth * 4));
  EXPECT_FALSE(named(lora).contains("blocks.0.k.a"));
}

TEST(Lora, EqualsTheFoldedWeights) {
  const auto vit = random_vit();
  for (const std::string parts : {"q", "k", "v", "qv", "qkv"}) {
    Random random = seed();
    Lora lora({2, 5, parts}, kTinyViT.block(), kDepth, random);
    stir(lora, 1);
    const auto folded = vit->clone();
    const auto weights = named(*folded), change = named(lora);
    {
      NoGrad no_grad;
      for (int64_t block = 0; block < kDepth; ++block)
        for (const char part : parts) {
          const auto key = fmt::format("blocks.{}.{}.", block, part);
          weights.at(fmt::format("blocks.{}.attn.qkv.weight", block))
              .slice(0, kWidth * int64_t(std::string("qkv").find(part)),
                     kWidth * int64_t(std::string("qkv").find(part) + 1))
              .add_(at::matmul(change.at(key + "b"), change.at(key + "a")), 5.0 / 2);
        }
    }
    EXPECT_LT(relative_error(vit->tokens(input(), {&lora}), folded->tokens(input())), 1e-5)
        << parts;
  }
}

TEST(Lora, ChangesQueriesKeysAndValuesByOneProduct) {
  const auto vit = random_vit();
  Random random = seed();
  Lora lora({.rank = 2, .alpha = 5, .parts = "qkv", .joint = true}, kTinyViT.block(), kDepth,
            random);
  EXPECT_TRUE(at::equal(vit->tokens(input(), {&lora}), vit->tokens(input())));
  auto change = named(lora);
  EXPECT_EQ(change.size(), size_t(kDepth * 2));
  EXPECT_EQ(change.at("blocks.1.qkv.a").sizes(), at::IntArrayRef({2, kWidth}));
  EXPECT_EQ(change.at("blocks.1.qkv.b").sizes(), at::IntArrayRef({3 * kWidth, 2}));
  const Tensor rows = random_tensor({2, kWidth}, 9);
  lora.begin_at(1, nn::Site::qkv, rows);
  lora.begin_at(1, nn::Site::fc1, rows);  // there is no such product
  EXPECT_TRUE(at::equal(named(lora).at("blocks.1.qkv.a"), rows));
  EXPECT_TRUE(named(lora).at("blocks.1.qkv.a").requires_grad());
  stir(lora, 1);
  change = named(lora);
  const auto folded = vit->clone();
  const auto weights = named(*folded);
  {
    NoGrad no_grad;
    for (int64_t block = 0; block < kDepth; ++block) {
      const auto key = fmt::format("blocks.{}.qkv.", block);
      weights.at(fmt::format("blocks.{}.attn.qkv.weight", block))
          .add_(at::matmul(change.at(key + "b"), change.at(key + "a")), 5.0 / 2);
    }
  }
  EXPECT_LT(relative_error(vit->tokens(input(), {&lora}), folded->tokens(input())), 1e-5);
}

TEST(Lora, ChangesTheMlpWhereItIsChosen) {
  const auto vit = random_vit();
  Random random = seed();
  Lora lora({.rank = 2, .alpha = 5, .parts = "v", .mlp = true}, kTinyViT.block(), kDepth, random);
  EXPECT_TRUE(at::equal(vit->tokens(input(), {&lora}), vit->tokens(input())));
  stir(lora, 1);
  const auto folded = vit->clone();
  const auto weights = named(*folded), change = named(lora);
  {
    NoGrad no_grad;
    for (int64_t block = 0; block < kDepth; ++block) {
      const auto add = [&](const std::string& part, Tensor weight) {
        const auto key = fmt::format("blocks.{}.{}.", block, part);
        weight.add_(at::matmul(change.at(key + "b"), change.at(key + "a")), 5.0 / 2);
      };
      const auto at = fmt::format("blocks.{}.", block);
      add("v", weights.at(at + "attn.qkv.weight").slice(0, 2 * kWidth));
      add("fc1", weights.at(at + "mlp.fc1.weight"));
      add("fc2", weights.at(at + "mlp.fc2.weight"));
    }
  }
  EXPECT_LT(relative_error(vit->tokens(input(), {&lora}), folded->tokens(input())), 1e-5);
}

TEST(ScaleShift, EqualsTheFoldedWeights) {
  const auto vit = random_vit();
  Random random = seed();
  ScaleShift ssf({}, kTinyViT.block(), kDepth, random);
  stir(ssf, 1);
  const auto folded = vit->clone();
  const auto weights = named(*folded), change = named(ssf);
  {
    NoGrad no_grad;
    const auto fold = [&](const std::string& layer, const std::string& site) {
      const Tensor gamma = change.at(site + ".gamma"), beta = change.at(site + ".beta");
      const Tensor weight = weights.at(layer + ".weight");
      weight.mul_(weight.dim() == 1 ? gamma : gamma.reshape({-1, 1}));
      weights.at(layer + ".bias").mul_(gamma).add_(beta);
    };
    const Tensor gamma = change.at("embed.gamma"), beta = change.at("embed.beta");
    weights.at("patch_embed.proj.weight").mul_(gamma.reshape({-1, 1, 1, 1}));
    weights.at("patch_embed.proj.bias").mul_(gamma).add_(beta);
    for (int64_t block = 0; block < kDepth; ++block) {
      const auto at = fmt::format("blocks.{}.", block);
      fold(at + "norm1", at + "norm1");
      fold(at + "attn.qkv", at + "qkv");
      fold(at + "attn.proj", at + "attention");
      fold(at + "norm2", at + "norm2");
      fold(at + "mlp.fc1", at + "fc1");
      fold(at + "mlp.fc2", at + "fc2");
    }
    fold("norm", "norm");
  }
  EXPECT_LT(relative_error(vit->tokens(input(), {&ssf}), folded->tokens(input())), 1e-5);
}

TEST(ScaleShift, BeginsNearTheIdentity) {
  Random random = seed();
  ScaleShift ssf({}, {.width = 768, .heads = 12, .hidden = 3072}, 1, random);
  const auto t = named(ssf);
  const Tensor gamma = t.at("blocks.0.fc1.gamma"), beta = t.at("blocks.0.fc1.beta");
  EXPECT_EQ(gamma.sizes(), at::IntArrayRef({3072}));
  EXPECT_EQ(t.at("blocks.0.qkv.gamma").sizes(), at::IntArrayRef({2304}));
  EXPECT_NEAR(gamma.mean().item<float>(), 1, 0.002);
  EXPECT_NEAR((gamma - 1).square().mean().sqrt().item<float>(), 0.02, 0.001);
  EXPECT_NEAR(beta.mean().item<float>(), 0, 0.002);
  EXPECT_NEAR(beta.square().mean().sqrt().item<float>(), 0.02, 0.001);

  const auto vit = random_vit();
  ScaleShift exact({.deviation = 0}, kTinyViT.block(), kDepth, random);
  EXPECT_TRUE(at::equal(vit->tokens(input(), {&exact}), vit->tokens(input())));
}

TEST(Prompt, EntersBehindTheClassTokenAndIsReplacedWhenDeep) {
  const auto vit = random_vit();
  Recorder plain;
  vit->tokens(input(), {&plain});
  for (const bool deep : {false, true}) {
    Random random = seed();
    Prompt prompt({3, deep}, kWidth, kDepth, 8, random);
    const Tensor own = named(prompt).at("tokens");
    EXPECT_EQ(own.sizes(), at::IntArrayRef({deep ? kDepth : 1, 3, kWidth}));
    Recorder seen;
    vit->tokens(input(), {&prompt, &seen});
    ASSERT_EQ(seen.entering.size(), size_t(kDepth));
    for (const Tensor& x : seen.entering)
      EXPECT_EQ(x.sizes(), at::IntArrayRef({2, kRows + 3, kWidth}));
    const auto prompts = [&](size_t block) { return seen.entering[block].slice(1, 1, 4); };
    EXPECT_TRUE(at::equal(seen.entering[0].slice(1, 0, 1), plain.entering[0].slice(1, 0, 1)));
    EXPECT_TRUE(at::equal(seen.entering[0].slice(1, 4), plain.entering[0].slice(1, 1)));
    for (int64_t sample = 0; sample < 2; ++sample) {
      EXPECT_TRUE(at::equal(prompts(0)[sample], own[0]));
      EXPECT_EQ(at::equal(prompts(1)[sample], own[deep ? 1 : 0]), deep);
    }
  }
}

TEST(Prompt, LeavesAPooledNetworkItsPatchesOnly) {
  ViTShape shape = kTinyViT;
  shape.pooled_norm = true;
  shape.final_norm = false;
  const auto vit = random_vit(shape);
  Random random = seed();
  Prompt prompt({3, true}, kWidth, kDepth, 8, random);
  const Tensor tokens = vit->tokens(input(), {&prompt});
  EXPECT_EQ(tokens.sizes(), at::IntArrayRef({2, kRows, kWidth}));
  EXPECT_TRUE(at::equal(vit->features(input(), {&prompt}), vit->pool(tokens)));
}

// Both tokens that its feature is read from, one of which stands where a prompt was.
TEST(Prompt, LeavesADistilledNetworkBothItsTokens) {
  NoGrad no_grad;
  ViTShape shape = kTinyViT;
  shape.distilled = true;
  const auto vit = random_vit(shape);
  const Tensor images = input();
  const int64_t own = vit->tokens(images).size(1);
  for (const int64_t count : {1, 3}) {
    Random random = Seeds(count)("prompt");
    Prompt prompt({.tokens = count, .deep = false}, kWidth, kDepth, 8, random);
    vit->set_engine(nn::plain_engine());
    EXPECT_EQ(vit->tokens(images, {&prompt}).size(1), own);
    const Tensor plain = vit->features(images, {&prompt});
    EXPECT_GT(relative_error(plain, vit->features(images)), 1e-3);
    vit->set_engine(nn::packed_engine(nn::Precision::fp32));
    EXPECT_LT(relative_error(vit->features(images, {&prompt}), plain), 1e-4) << count;
  }
}

TEST(Prompt, IsDrawnAsThePaperDraws) {
  Random random = seed();
  Prompt prompt({}, 768, 12, 16, random);
  const Tensor own = named(prompt).at("tokens");
  EXPECT_EQ(own.sizes(), at::IntArrayRef({12, 5, 768}));
  const double v = std::sqrt(6.0 / (3 * 16 * 16 + 768));
  EXPECT_LE(own.abs().max().item<double>(), v + 1e-7);
  EXPECT_NEAR(own.square().mean().item<double>(), v * v / 3, 0.02 * v * v);
  EXPECT_NEAR(own.mean().item<double>(), 0, 0.01 * v);
}

TEST(Prompt, BeginsAtZeroWhereItIsAsked) {
  Random random = seed();
  Prompt prompt({.tokens = 3, .zero = true}, kWidth, kDepth, 8, random);
  EXPECT_TRUE(at::equal(named(prompt).at("tokens"), at::zeros({kDepth, 3, kWidth})));
  EXPECT_TRUE(named(prompt).at("tokens").requires_grad());
}

// softmax(q [P_k; k]ᵀ / sqrt(d)) [P_v; v], one head, sample and query at a time; compensated, the
// prefix's weights are then divided by their sum.
class Prefixes : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Compensated, Prefixes, testing::Bool());

TEST_P(Prefixes, LengthenKeysAndValues) {
  const bool compensated = GetParam();
  const nn::BlockShape shape{.width = 6, .heads = 2, .hidden = 8};
  nn::Attention attention(shape);
  uint64_t index = 0;
  for (auto& item : nn::tensors(attention))
    item.tensor.copy_(random_tensor(item.tensor.sizes().vec(), ++index, 0.5));
  Random random = seed();
  PrefixOptions options{.length = 3, .layers = {1}};
  options.compensated = options.learned_scale = compensated;
  Prefix prefix(options, shape, 2, random);
  stir(prefix, 20);
  auto own = named(prefix);
  EXPECT_EQ(own.size(), compensated ? 4u : 2u);
  const Tensor x = random_tensor({2, 4, 6}, 50);

  NoGrad no_grad;
  if (compensated) {
    own.at("blocks.1.keys") = own.at("blocks.1.keys") * own.at("blocks.1.key_factor");
    own.at("blocks.1.values") = own.at("blocks.1.values") * own.at("blocks.1.value_factor");
  }
  const Tensor mixed = attention.qkv(x);
  Tensor heads = at::zeros({2, 4, 6});
  for (int64_t sample = 0; sample < 2; ++sample)
    for (int64_t head = 0; head < 2; ++head) {
      const auto part = [&](int64_t third, const Tensor& more) {
        const Tensor rows = mixed[sample].slice(1, 6 * third, 6 * third + 6);
        return (more.defined() ? at::cat({more, rows}) : rows).slice(1, 3 * head, 3 * head + 3);
      };
      const Tensor query = part(0, {}), key = part(1, own.at("blocks.1.keys")),
                   value = part(2, own.at("blocks.1.values"));
      for (int64_t row = 0; row < 4; ++row) {
        const Tensor weight = at::softmax((key * query[row]).sum(1) / std::sqrt(3.0), 0);
        if (compensated) weight.slice(0, 0, 3).div_(weight.slice(0, 0, 3).sum());
        heads[sample][row]
            .slice(0, 3 * head, 3 * head + 3)
            .copy_((value * weight.unsqueeze(1)).sum(0));
      }
    }
  const auto attended = [&](int layer, const nn::Adaptations& adaptations) {
    nn::Pass pass(adaptations);
    return attention(x, layer, pass);
  };
  EXPECT_LT(relative_error(attended(1, {&prefix}), heads), 1e-6);
  EXPECT_TRUE(at::equal(attended(0, {&prefix}), attended(0, {})));
}

TEST(Prefix, IsDrawnBetweenItsBounds) {
  Random random = seed();
  Prefix prefix({.length = 10, .layers = {0}, .low = 0, .high = 0.01},
                {.width = 768, .heads = 12, .hidden = 3072}, 1, random);
  for (const auto& item : nn::tensors(prefix)) {
    EXPECT_GE(item.tensor.min().item<float>(), 0);
    EXPECT_LE(item.tensor.max().item<float>(), 0.01f);
    EXPECT_NEAR(item.tensor.mean().item<float>(), 0.005, 2e-4);
  }
}

TEST(Prefix, NamesABlockThatIsNotThere) {
  Random random = seed();
  EXPECT_EQ(error_of([&] {
              Prefix({5, {0, 2}}, kTinyViT.block(), kDepth, random);
            }),
            "prefix.layers: the network has no block 2; its blocks are 0 to 1");
}

TEST(SamplePrompt, EqualsAPromptOfEachSamplesOwn) {
  const auto vit = random_vit();
  const Tensor rows = random_tensor({2, 3, kWidth}, 4);
  SamplePrompt given(rows);
  const Tensor tokens = vit->tokens(input(), {&given});
  EXPECT_EQ(tokens.sizes(), at::IntArrayRef({2, kRows + 3, kWidth}));
  for (int64_t sample = 0; sample < 2; ++sample) {
    Random random = seed();
    Prompt prompt({3, false}, kWidth, kDepth, 8, random);
    NoGrad no_grad;
    named(prompt).at("tokens").copy_(rows.slice(0, sample, sample + 1));
    const Tensor alone = vit->tokens(input().slice(0, sample, sample + 1), {&prompt})[0];
    EXPECT_LT(
        relative_error(at::cat({tokens[sample].slice(0, 0, 1), tokens[sample].slice(0, 4)}), alone),
        1e-5);
  }
}

TEST(SamplePrefix, EqualsAPrefixOfEachSamplesOwn) {
  const auto vit = random_vit();
  const Tensor keys = random_tensor({2, 3, kWidth}, 4), values = random_tensor({2, 3, kWidth}, 5);
  SamplePrefix given;
  given.set(1, keys, values);
  const Tensor features = vit->features(input(), {&given});
  for (int64_t sample = 0; sample < 2; ++sample) {
    Random random = seed();
    Prefix prefix({3, {1}}, kTinyViT.block(), kDepth, random);
    NoGrad no_grad;
    named(prefix).at("blocks.1.keys").copy_(keys[sample]);
    named(prefix).at("blocks.1.values").copy_(values[sample]);
    EXPECT_LT(relative_error(features.slice(0, sample, sample + 1),
                             vit->features(input().slice(0, sample, sample + 1), {&prefix})),
              1e-5);
  }
}

TEST(Adaptations, Compose) {
  const auto vit = random_vit();
  Random random = seed();
  Prompt prompt({3, true}, kWidth, kDepth, 8, random);
  Prefix prefix({2, {0}}, kTinyViT.block(), kDepth, random),
      other({4, {0}}, kTinyViT.block(), kDepth, random);
  Adapter adapter({}, kWidth, kDepth, random), twin({}, kWidth, kDepth, random);
  Lora lora({}, kTinyViT.block(), kDepth, random);
  ScaleShift ssf({}, kTinyViT.block(), kDepth, random);

  // Fresh adapters and LoRA change nothing on top of the others.
  const Tensor without = vit->tokens(input(), {&prompt, &prefix, &ssf});
  EXPECT_EQ(without.sizes(), at::IntArrayRef({2, kRows, kWidth}));
  EXPECT_TRUE(at::equal(vit->tokens(input(), {&prompt, &prefix, &adapter, &lora, &ssf}), without));

  // Prefixes are joined in order.
  const auto [keys, values] = nn::Adaptations{&prefix, &other}.prefix(0, 2);
  EXPECT_EQ(keys.sizes(), at::IntArrayRef({2, 6, kWidth}));
  EXPECT_TRUE(at::equal(keys[1].slice(0, 0, 2), named(prefix).at("blocks.0.keys")));
  EXPECT_TRUE(at::equal(values[1].slice(0, 2), named(other).at("blocks.0.values")));
  EXPECT_FALSE((nn::Adaptations{&prefix, &other}.prefix(1, 2).first.defined()));

  // The outputs of two parallel adapters add up; the second sees the first one's output as `out`.
  stir(adapter, 1), stir(twin, 30);
  const Tensor in = random_tensor({1, 2, kWidth}, 4), out = random_tensor({1, 2, kWidth}, 5);
  const Tensor both = nn::Adaptations{&adapter, &twin}.after(nn::Site::mlp, 0, in, out);
  const Tensor sum =
      adapter.after(nn::Site::mlp, 0, in, out) + twin.after(nn::Site::mlp, 0, in, out) - out;
  EXPECT_LT(relative_error(both, sum), 1e-6);
}

}  // namespace
}  // namespace patina::adapt
