#include "bench/language/decoders.h"

#include <array>

#include "patina/kernels/weight_tiles.h"
#include "patina/learn/adapted.h"
#include "patina/models/answer_scores.h"
#include "patina/ops.h"

namespace patina::bench {

LanguageShape decoder_shape(bool quick) {
  LanguageShape shape{.family = "llama"};
  shape.pooling = Pooling::last;
  shape.words = true;
  TextShape& text = shape.text;
  text.causal = true;
  text.depth = quick ? 2 : 30;
  text.vocabulary = quick ? 1000 : 49152;
  text.longest = 8192;
  nn::BlockShape& block = text.block;
  block.width = quick ? 96 : 576;
  block.heads = quick ? 3 : 9;
  block.key_heads = quick ? 1 : 3;
  block.hidden = quick ? 256 : 1536;
  block.qkv_bias = block.proj_bias = block.mlp_bias = false;
  block.rms_norm = block.gated = true;
  block.activation = nn::Activation::silu;
  block.rotary.theta = 100000;
  block.eps = 1e-5;
  return shape;
}

namespace {

kernels::StoredWeight in_bf16(const Tensor& weight) {
  const int64_t rows = weight.size(0), width = weight.size(1);
  const Tensor bytes = weight.to(at::kBFloat16).view(at::kByte).flatten();
  return kernels::in_tiles({bytes, {{{kernels::BlockType::bf16, rows}}, width}});
}

// Random numbers of four bits, with the scale and the least number that spread them as the others
// are: 0.005 and -0.0375.
kernels::StoredWeight in_q4_1(int64_t rows, int64_t width, Random& random) {
  const auto& block = kernels::block_format(kernels::BlockType::q4_1);
  constexpr std::array<uint8_t, 4> kScale = {0x1f, 0x1d, 0xcd, 0xa8};  // two halves
  const Tensor bytes = at::empty({rows * width / block.numbers * block.bytes}, at::kByte);
  auto* to = bytes.data_ptr<uint8_t>();
  for (int64_t i = 0; i < bytes.numel(); ++i) {
    const auto at = size_t(i % block.bytes);
    to[i] = at < kScale.size() ? kScale[at] : uint8_t(random.below(256));
  }
  return {bytes, {{{kernels::BlockType::q4_1, rows}}, width}};
}

}  // namespace

std::unique_ptr<LanguageModel> random_model(const LanguageShape& shape, Form form) {
  auto model = std::make_unique<LanguageModel>(shape);
  const NoGrad no_grad;
  uint64_t index = 0;
  nn::Walk walk([&](const std::string& name, Tensor& tensor) {
    Random random = Seeds(1)("weights", index++);
    if (tensor.dim() == 1) {
      tensor.fill_(name.ends_with("weight") ? 1 : 0);
      return;
    }
    const bool other = form != Form::fp32 && walk.form() != nullptr;
    kernels::StoredWeight stored;
    if (other && form == Form::q4_1) {
      stored = in_q4_1(tensor.size(0), tensor.size(1), random);
    } else {
      nn::init_normal(tensor, random, 0, 0.02);
      if (other) stored = in_bf16(tensor);
    }
    if (!other) return;
    tensor = stored.bytes;
    *walk.form() = stored.form;
  });
  model->walk(walk);
  nn::freeze(*model);
  return model;
}

Tensor random_ids(int64_t rows, int64_t tokens, int64_t vocabulary, uint64_t seed) {
  Random random = Seeds(1)("ids", seed);
  std::vector<int64_t> ids(size_t(rows * tokens));
  for (int64_t& id : ids) id = int64_t(random.below(uint64_t(vocabulary)));
  return tensor_of(ids).view({rows, tokens});
}

Input learned_texts(int64_t rows, int64_t tokens, int64_t vocabulary) {
  Input texts(random_ids(rows, tokens, vocabulary));
  texts.loss = at::ones_like(texts.data);
  texts.loss.select(1, 0).zero_();
  return texts;
}

LoraStep::LoraStep(LanguageModel& model, Input texts) : model_(model), texts_(std::move(texts)) {
  Random random = Seeds(1)("lora");
  lora_ = make_lora({.rank = 8, .alpha = 16, .parts = "qv"}, model.tower(), random);
  ParamGroup trained;
  for (auto& item : nn::trainable(*lora_)) trained.tensors.push_back(item.tensor);
  optimizer_.emplace(OptimizerOptions{.optimizer = "adamw"}, std::vector{trained});
}

void LoraStep::operator()() {
  optimizer_->zero_grad();
  answer_losses(model_, texts_, {lora_.get()}).mean().backward();
  optimizer_->step(1e-4);
}

}  // namespace patina::bench
