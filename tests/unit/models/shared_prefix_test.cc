// What the texts of a batch have in common at their beginning is read once, and changes nothing.
#include "patina/models/text/shared_prefix.h"

#include <gtest/gtest.h>

#include "patina/adapt/lora.h"
#include "patina/adapt/prefix.h"
#include "patina/models/answer_scores.h"
#include "patina/models/generate.h"
#include "tests/support/families.h"

namespace patina {
namespace {

// Rows that begin with `common` equal tokens and go on with others, the second four tokens shorter.
Input texts(int64_t rows, int64_t common, int64_t tokens, uint64_t seed = 1) {
  Random same = Seeds(9)("common"), random = Seeds(seed)("texts");
  Tensor ids = at::empty({rows, tokens}, at::kLong), mask = at::ones({rows, tokens}, at::kLong);
  for (int64_t i = 0; i < common; ++i) ids.select(1, i).fill_(int64_t(2 + same.below(20)));
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t i = common; i < tokens; ++i)  // the first differs in every row
      ids[row][i] = i == common ? row : int64_t(2 + random.below(20));
  if (rows > 1) {
    mask[1].slice(0, tokens - 4).fill_(0);
    ids[1].slice(0, tokens - 4).fill_(0);
  }
  return {ids, mask};
}

LanguageModel& decoder(const TinyFamily& family) {
  return dynamic_cast<LanguageModel&>(*family.network);
}

std::unique_ptr<adapt::Lora> small_lora(const LanguageModel& model) {
  Random random = Seeds(3)("lora");
  auto lora = std::make_unique<adapt::Lora>(
      adapt::LoraOptions{.rank = 2, .alpha = 4, .parts = "qkv", .mlp = true}, model.block(),
      model.layers(), random);
  NoGrad no_grad;
  for (auto& item : nn::tensors(*lora)) nn::init_normal(item.tensor, random, 0, 0.2);
  return lora;
}

TEST(SharedPrefix, LeavesTokensAsTheyAre) {
  for (const std::string name : {"gpt2", "llama", "qwen2", "gemma"}) {
    const auto family = tiny_family(name);
    LanguageModel& model = decoder(family);
    const auto lora = small_lora(model);
    for (const auto& engine : {nn::plain_engine(), nn::packed_engine(nn::Precision::fp32)})
      for (const bool adapted : {false, true}) {
        model.set_engine(engine);
        nn::Adaptations adaptations;
        if (adapted) adaptations.add(lora.get());
        Input input = texts(5, 24, 40);
        input.loss = at::zeros_like(input.data);
        input.loss.slice(1, 24, 30).fill_(1);
        Tensor wanted;
        {
          NoGrad no_grad;
          wanted = model.text_tower()(input, adaptations);
        }
        const Tensor with_graph = answer_losses(model, input, adaptations).detach();
        const int64_t before = model.shared_prefix().tokens_read();
        NoGrad no_grad;
        const Tensor got = model.tokens(input, adaptations);
        EXPECT_EQ(model.shared_prefix().tokens_read() - before, 24) << name;
        // Padding is read by nobody.
        const Tensor real = input.mask.unsqueeze(-1);
        if (engine->text() == nn::plain_engine()->text())
          EXPECT_LT(relative_error(got * real, wanted * real), 2e-6) << name << engine->text();
        else  // a row depends on itself alone
          EXPECT_TRUE(at::equal(got * real, wanted * real)) << name << engine->text();
        EXPECT_LT(relative_error(answer_losses(model, input, adaptations), with_graph), 2e-6)
            << name << engine->text();
      }
  }
}

TEST(SharedPrefix, IsRememberedAsLongAsItIsTheSame) {
  const auto family = tiny_family("llama");
  LanguageModel& model = decoder(family);
  NoGrad no_grad;
  const auto read_by = [&](const Input& input, const nn::Adaptations& adaptations = {}) {
    const int64_t before = model.shared_prefix().tokens_read();
    const Tensor wanted = model.text_tower()(input, adaptations);
    const Tensor real = input.mask.unsqueeze(-1);
    EXPECT_LT(relative_error(model.tokens(input, adaptations) * real, wanted * real), 2e-6);
    return model.shared_prefix().tokens_read() - before;
  };
  EXPECT_EQ(read_by(texts(3, 20, 30)), 20);
  EXPECT_EQ(read_by(texts(4, 20, 33, 2)), 0) << "the next batch";
  EXPECT_EQ(read_by(texts(3, 26, 33)), 26) << "a longer one";
  EXPECT_EQ(read_by(texts(3, 18, 33)), 18) << "a part of it";
  EXPECT_EQ(read_by(texts(1, 22, 33)), 0) << "one text";
  EXPECT_EQ(read_by(texts(3, 15, 33)), 0) << "too short";
  // One text alone is not remembered.
  const auto lora = small_lora(model);
  EXPECT_EQ(read_by(texts(1, 26, 33), {lora.get()}), 0);
  // Another network or another LoRA is another.
  EXPECT_EQ(read_by(texts(3, 26, 33), {lora.get()}), 26);
  nn::tensors(*lora).front().tensor.mul_(-2);
  EXPECT_EQ(read_by(texts(3, 26, 33), {lora.get()}), 26);
  EXPECT_EQ(read_by(texts(3, 26, 33), {lora.get()}), 0);
  for (auto& item : nn::tensors(model))
    if (item.name == "text.blocks.0.attn.qkv.weight") item.tensor.mul_(1.5);
  EXPECT_EQ(read_by(texts(3, 26, 33), {lora.get()}), 26);
  // A copy of the network knows nothing yet.
  const auto copy = model.clone();
  dynamic_cast<LanguageModel&>(*copy).tokens(texts(3, 20, 30));
  EXPECT_EQ(dynamic_cast<LanguageModel&>(*copy).shared_prefix().tokens_read(), 20);
}

TEST(SharedPrefix, IsNotUsedWhereTokensDependOnMore) {
  const auto family = tiny_family("llama");
  LanguageModel& model = decoder(family);
  const Input input = texts(3, 20, 30);
  model.tokens(input);  // with gradients
  EXPECT_EQ(model.shared_prefix().tokens_read(), 0);
  NoGrad no_grad;
  Random random = Seeds(3)("prefix");
  adapt::Prefix prefix({}, model.block(), model.layers(), random);
  model.tokens(input, {&prefix});
  Input packed = input;
  packed.mask = Tensor();
  packed.positions = at::arange(30).remainder(15).expand({3, 30}).contiguous();
  model.tokens(packed);
  Input left = input;  // padded on the left
  left.mask = at::ones_like(left.data);
  left.mask[1][0] = 0;
  model.tokens(left);
  EXPECT_EQ(model.shared_prefix().tokens_read(), 0);
  // An encoder's tokens depend on those behind them.
  const auto bert = tiny_family("bert");
  decoder(bert).tokens(texts(3, 20, 30));
  EXPECT_EQ(decoder(bert).shared_prefix().tokens_read(), 0);
}

TEST(SharedPrefix, LeavesGeneratedTextsAsTheyAre) {
  for (const std::string name : {"gpt2", "llama", "gemma"}) {
    const auto family = tiny_family(name);
    LanguageModel& model = decoder(family);
    model.set_engine(nn::packed_engine(nn::Precision::fp32));
    const Input prompts = texts(4, 20, 30);
    GenerateOptions options{.max_tokens = 12};
    const auto got = generate(model, prompts, {}, options);
    EXPECT_EQ(model.shared_prefix().tokens_read(), 20) << name;
    options.cache = false;
    EXPECT_EQ(got, generate(model, prompts, {}, options)) << name;
    for (int64_t row = 0; row < 4; ++row) {
      const Tensor ids = prompts.data.slice(0, row, row + 1).slice(1, 0, row == 1 ? 26 : 30);
      EXPECT_EQ(got[size_t(row)], generate(model, ids, {}, options)[0]) << name << row;
    }
  }
}

}  // namespace
}  // namespace patina
