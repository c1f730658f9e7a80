// Networks whose layers hold their weights as the file stores them, or in bf16.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>

#include "patina/adapt/lora.h"
#include "patina/base/file.h"
#include "patina/models/answer_scores.h"
#include "patina/models/catalog.h"
#include "patina/models/generate.h"
#include "patina/models/linear_layers.h"
#include "patina/models/model_folder.h"
#include "patina/models/text/language_model.h"
#include "patina/ops.h"
#include "tests/support/errors.h"
#include "tests/support/gguf_writing.h"
#include "tests/support/shared.h"
#include "tests/support/tensors.h"

namespace patina {
namespace {

std::string written(const QuantizedLlama& llama, const std::string& name) {
  const fs::path path = scratch_folder("held") / (name + ".gguf");
  const Bytes bytes = llama.bytes();
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size()));
  return path.string();
}

// In blocks of 32 numbers, of 256, and in 16 bits.
const std::vector<std::pair<std::string, QuantizedLlama>>& llamas() {
  using enum kernels::BlockType;
  static const std::vector<std::pair<std::string, QuantizedLlama>> all = {
      {"k", {}},
      {"small", {.width = 96, .hidden = 160, .queries = q4_1, .values = q8_0, .layers = q5_0}},
      {"halves", {.width = 64, .hidden = 96, .queries = f16, .values = bf16, .layers = f16}}};
  return all;
}

Input ids_of(int64_t rows, int64_t tokens) {
  Random random = Seeds(3)("ids");
  Tensor ids = at::empty({rows, tokens}, at::kLong);
  for (auto& id : host_items(ids)) id = int64_t(random.below(40));
  return {ids, at::ones_like(ids)};
}

std::unique_ptr<adapt::Lora> drawn_lora(const Backbone& network) {
  Random random = Seeds(3)("lora");
  auto lora = std::make_unique<adapt::Lora>(
      adapt::LoraOptions{.rank = 3, .alpha = 5, .parts = "qkv", .output = true, .mlp = true},
      network.block(), network.layers(), random);
  lora->set_tower(network.tower().tower);
  NoGrad no_grad;
  uint64_t seed = 0;
  for (auto& item : nn::tensors(*lora))
    item.tensor.copy_(random_tensor(item.tensor.sizes().vec(), ++seed, 0.2));
  return lora;
}

std::vector<std::shared_ptr<const nn::Engine>> engines() {
  return {nn::packed_engine(nn::Precision::fp32), nn::packed_engine(nn::Precision::bf16)};
}

TEST(HeldWeights, ComputeWhatTheirFloatsCompute) {
  for (const auto& [name, llama] : llamas()) {
    const std::string path = written(llama, name);
    const auto floats = load_backbone({.name = path});
    const auto held = load_backbone({.name = path, .form = "stored"});
    EXPECT_EQ(held->about(), floats->about());
    EXPECT_EQ(nn::count(nn::tensors(*held)), nn::count(nn::tensors(*floats)));
    const Input input = ids_of(3, 21);
    for (const auto& engine : engines()) {
      floats->set_engine(engine);
      held->set_engine(engine);
      const Tensor tokens = floats->tokens(input);
      EXPECT_TRUE(at::equal(held->tokens(input), tokens)) << name << engine->text();
      EXPECT_TRUE(at::equal(held->word_scores(tokens), floats->word_scores(tokens))) << name;
      EXPECT_EQ(generate(*held, ids_of(2, 5), {}, {.max_tokens = 9}),
                generate(*floats, ids_of(2, 5), {}, {.max_tokens = 9}));
    }
    floats->set_engine(nn::plain_engine());
    held->set_engine(nn::plain_engine());
    EXPECT_LT(relative_error(held->tokens(input), floats->tokens(input)), 1e-5) << name;
  }
}

TEST(HeldWeights, TakeNoMoreMemoryThanTheFile) {
  for (const auto& [name, llama] : llamas()) {
    const std::string path = written(llama, name);
    const auto held = load_backbone({.name = path, .form = "stored"});
    held->set_engine(nn::packed_engine(nn::Precision::fp32));
    held->tokens(ids_of(2, 9));
    EXPECT_LE(nn::bytes(nn::tensors(*held)), int64_t(fs::file_size(path)));
    for (const auto& item : nn::tensors(*held))
      if (item.name.ends_with(".weight") && item.name.find("norm") == std::string::npos) {
        EXPECT_TRUE(item.form.stored()) << item.name;
      }
  }
  const auto held = load_backbone({.name = written(llamas()[0].second, "k"), .form = "stored"});
  for (const auto& item : nn::tensors(*held)) {
    if (item.name == "text.blocks.0.attn.qkv.weight") {
      EXPECT_EQ(item.form.text(), "Q4_K, Q6_K");
    }
  }
}

// The gradients of a LoRA's numbers.
std::vector<Tensor> gradients(const Backbone& network, adapt::Lora& lora) {
  Input input = ids_of(3, 12);
  input.loss = at::ones_like(input.data);
  input.loss.slice(1, 0, 4).fill_(0);
  std::vector<Tensor> found;
  auto tensors = nn::tensors(lora);
  for (auto& item : tensors) item.tensor.requires_grad_(true);
  answer_losses(network, input, {&lora}).sum().backward();
  for (auto& item : tensors) {
    found.push_back(item.tensor.grad().clone());
    item.tensor.mutable_grad() = Tensor();
  }
  return found;
}

TEST(HeldWeights, GiveALoraTheGradientsOfTheirFloats) {
  for (const auto& [name, llama] : llamas()) {
    const std::string path = written(llama, name);
    const auto floats = load_backbone({.name = path});
    const auto held = load_backbone({.name = path, .form = "stored"});
    const auto lora = drawn_lora(*floats);
    for (const auto& engine : engines()) {
      floats->set_engine(engine);
      held->set_engine(engine);
      const auto wanted = gradients(*floats, *lora), got = gradients(*held, *lora);
      for (size_t i = 0; i < wanted.size(); ++i) {
        EXPECT_GT(largest(wanted[i]), 0) << i;
        EXPECT_TRUE(at::equal(got[i], wanted[i])) << name << engine->text() << i;
      }
    }
  }
}

TEST(HeldWeights, InBf16AreTheRoundedOnes) {
  const std::string path = written(llamas()[1].second, "small");
  const auto rounded = load_backbone({.name = path});
  {
    NoGrad no_grad;
    for (auto& item : nn::tensors(*rounded))
      if (item.tensor.dim() == 2) item.tensor.copy_(item.tensor.to(at::kBFloat16));
  }
  const auto held = load_backbone({.name = path, .form = "bf16"});
  EXPECT_LT(nn::bytes(nn::tensors(*held)), nn::bytes(nn::tensors(*rounded)) * 51 / 100);
  const Input input = ids_of(3, 21);
  const auto lora = drawn_lora(*held);
  for (const auto& engine : engines()) {
    rounded->set_engine(engine);
    held->set_engine(engine);
    const Tensor tokens = rounded->tokens(input);
    EXPECT_TRUE(at::equal(held->tokens(input), tokens));
    EXPECT_TRUE(at::equal(held->word_scores(tokens), rounded->word_scores(tokens)));
    EXPECT_EQ(generate(*held, ids_of(2, 5), {}, {.max_tokens = 9}),
              generate(*rounded, ids_of(2, 5), {}, {.max_tokens = 9}));
    const auto wanted = gradients(*rounded, *lora), got = gradients(*held, *lora);
    for (size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_TRUE(at::equal(got[i], wanted[i])) << engine->text() << i;
    }
  }
  // Weights that a file has transposed, and those of an encoder-decoder.
  for (const std::string name : {"gpt2", "t5", "bert"}) {
    const std::string folder =
        (fixture_folder(Fixtures::small) / "language" / name / "model.safetensors").string();
    const auto network = load_backbone({.name = folder});
    const auto half = load_backbone({.name = folder, .form = "bf16"});
    EXPECT_LT(nn::bytes(nn::tensors(*half)), nn::bytes(nn::tensors(*network))) << name;
    const Input few = ids_of(2, 6);
    EXPECT_LT(relative_error(half->tokens(few), network->tokens(few)), 0.05) << name;
    nn::store_as_floats(*half);
    EXPECT_LT(relative_error(half->tokens(few), network->tokens(few)), 0.05) << name;
  }
}

TEST(HeldWeights, AreWrittenAndMergedAsFloats) {
  const std::string path = written(llamas()[0].second, "k");
  const auto floats = load_backbone({.name = path});
  const auto held = load_backbone({.name = path, .form = "stored"});
  const auto wanted = stored_tensors(*floats, at::kFloat), got = stored_tensors(*held, at::kFloat);
  ASSERT_EQ(got.size(), wanted.size());
  for (const auto& [name, tensor] : wanted) EXPECT_TRUE(at::equal(got.at(name), tensor)) << name;
  const auto lora = drawn_lora(*floats);
  merge_lora(*floats, *lora);
  merge_lora(*held, *lora);
  const Input input = ids_of(2, 9);
  EXPECT_LT(relative_error(held->tokens(input), floats->tokens(input)), 1e-5);
  EXPECT_FALSE(linear_layers(*held, "").empty());
  EXPECT_EQ(weighted_modules(*held, ""), weighted_modules(*floats, ""));
}

TEST(HeldWeights, OfInsertedBlocksAreFloats) {
  const auto held = load_backbone({.name = written(llamas()[1].second, "small"), .form = "stored"});
  const Input input = ids_of(2, 9);
  const Tensor before = held->tokens(input);
  ASSERT_TRUE(held->insert_blocks({0}));
  EXPECT_TRUE(at::equal(held->tokens(input), before));
  for (const auto& item : nn::tensors(*held)) {
    if (item.name.starts_with("text.blocks.1.")) {
      EXPECT_FALSE(item.form.stored()) << item.name;
    }
    if (item.name == "text.blocks.0.mlp.fc1.weight") {
      EXPECT_TRUE(item.form.stored());
    }
  }
}

TEST(HeldWeights, AreRefusedWhereFloatsAreNeeded) {
  const auto held = load_backbone({.name = written(llamas()[0].second, "k"), .form = "stored"});
  EXPECT_TRUE(
      contains(error_of(ErrorKind::recipe, [&] { nn::freeze(*held, false); }),
               "text.embed.weight is stored as Q8_0 and cannot be trained: set model.form"));
  EXPECT_TRUE(contains(error_of(ErrorKind::recipe, [&] { layer_weight(*held, 1, adapt::Part::v); }),
                       "text.blocks.1.attn.qkv.weight is stored as Q4_K, Q6_K, and this learner "
                       "needs the gradients"));
  const auto refused = [](const std::string& name, const std::string& base) {
    return error_of(ErrorKind::recipe, [&] { load_backbone({.name = name, .form = base}); });
  };
  const fs::path small = fixture_folder(Fixtures::small);
  EXPECT_TRUE(contains(refused((small / "gguf/llama.gguf").string(), "stored"),
                       "stores its layers in fp32, or transposed: set model.form to bf16 or fp32"));
  EXPECT_TRUE(contains(refused((small / "vision/vit_random.safetensors").string(), "bf16"),
                       "model.form is bf16: networks of texts have it"));
  EXPECT_TRUE(contains(refused("mlp", "bf16"), "starts untrained: set it to fp32"));
}

TEST(HeldWeights, StayOnTheHost) {
  for (const char* form : {"stored", "bf16"}) {
    const auto held = load_backbone({.name = written(llamas()[0].second, "k"), .form = form});
    held->to({});
    EXPECT_TRUE(contains(
        error_of(ErrorKind::recipe, [&] { held->to({.device = at::Device(at::kCUDA, 0)}); }),
        fmt::format("text.embed.weight is stored as {}, which is multiplied on the CPU alone: set "
                    "model.form = \"fp32\", or engine.device = \"cpu\"",
                    form == std::string("bf16") ? "BF16" : "Q8_0")));
    EXPECT_TRUE(held->place().on_host());
  }
}

// NaN in a scale would make every score NaN.
TEST(HeldWeights, ThatAreNotFiniteAreRefused) {
  const fs::path path = written(llamas()[1].second, "small");
  Bytes bytes = read_file(path);
  // The last tensor is blk.1.ffn_down, of blocks that begin with their scale.
  bytes[bytes.size() - 22 + 1] = 0x7e;
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size()));
  for (const char* base : {"fp32", "stored"})
    EXPECT_TRUE(contains(
        error_of(ErrorKind::model, [&] { load_backbone({.name = path.string(), .form = base}); }),
        "model.layers.1.mlp.down_proj.weight: 32 of 15360 values are nan or inf"))
        << base;
}

}  // namespace
}  // namespace patina
