#include "bench/language_scenario.h"

#include <fmt/format.h>

#include "bench/memory.h"
#include "bench/turns.h"
#include "patina/kernels/isa.h"
#include "patina/learn/adapted.h"
#include "patina/models/answer_scores.h"
#include "patina/models/generate.h"
#include "patina/models/text/language_model.h"
#include "patina/ops.h"
#include "patina/optim/optimizer.h"

namespace patina::bench {

namespace {

using Engine = std::shared_ptr<const nn::Engine>;

struct Way {
  std::string name;
  Engine engine;
};

// The plain one first.
std::vector<Way> ways() {
  std::vector<Way> list = {{"eager fp32", nn::plain_engine()},
                           {"packed fp32", nn::packed_engine(nn::Precision::fp32)}};
  if (kernels::bf16_is_faster())
    list.push_back({"packed bf16", nn::packed_engine(nn::Precision::bf16)});
  return list;
}

// SmolLM2-135M (Hugging Face, 2024); quick: two narrow blocks of it.
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

// all-MiniLM-L6-v2 (Wang et al., 2020); quick: one narrow block of it.
LanguageShape encoder_shape(bool quick) {
  LanguageShape shape{.family = "bert"};
  shape.pooling = Pooling::mean;
  shape.unit_length = true;
  TextShape& text = shape.text;
  text.depth = quick ? 1 : 6;
  text.vocabulary = quick ? 1000 : 30522;
  text.positions = 512;
  text.types = 2;
  text.embed_norm = true;
  text.final_norm = false;
  nn::BlockShape& block = text.block;
  block.width = quick ? 96 : 384;
  block.heads = quick ? 3 : 12;
  block.hidden = quick ? 192 : 1536;
  block.post_norm = true;
  block.eps = 1e-12;
  return shape;
}

std::unique_ptr<LanguageModel> random_model(const LanguageShape& shape) {
  auto model = std::make_unique<LanguageModel>(shape);
  const NoGrad no_grad;
  uint64_t index = 0;
  for (auto& item : nn::tensors(*model)) {
    Random random = Seeds(1)("weights", index++);
    if (item.tensor.dim() > 1)
      nn::init_normal(item.tensor, random, 0, 0.02);
    else
      item.tensor.fill_(item.name.ends_with("weight") ? 1 : 0);
  }
  nn::freeze(*model);
  return model;
}

Tensor random_ids(int64_t rows, int64_t tokens, int64_t vocabulary) {
  Random random = Seeds(1)("ids");
  std::vector<int64_t> ids(size_t(rows * tokens));
  for (int64_t& id : ids) id = int64_t(random.below(uint64_t(vocabulary)));
  return tensor_of(ids).view({rows, tokens});
}

// Forward, the loss over all tokens but the first, backward, AdamW: a LoRA of rank 8 on queries and
// values, as PEFT's default for this family.
class LoraStep {
 public:
  LoraStep(LanguageModel& model, Input texts) : model_(model), texts_(std::move(texts)) {
    Random random = Seeds(1)("lora");
    lora_ = make_lora({.rank = 8, .alpha = 16, .parts = "qv"}, model.tower(), random);
    ParamGroup trained;
    for (auto& item : nn::trainable(*lora_)) trained.tensors.push_back(item.tensor);
    optimizer_.emplace(OptimizerOptions{.optimizer = "adamw"}, std::vector{trained});
  }

  void operator()(const Engine& engine) {
    model_.set_engine(engine);
    optimizer_->zero_grad();
    answer_losses(model_, texts_, {lora_.get()}).mean().backward();
    optimizer_->step(1e-4);
  }

 private:
  LanguageModel& model_;
  Input texts_;
  std::unique_ptr<adapt::Lora> lora_;
  std::optional<Optimizer> optimizer_;
};

Case against_plain(std::string name, const std::vector<Way>& ways, const std::vector<double>& times,
                   const std::string& unit, double amount) {
  Case result{.name = std::move(name)};
  for (size_t i = 0; i < ways.size(); ++i) {
    result.values.push_back({ways[i].name, times[i], "s"});
    result.values.push_back({ways[i].name, amount / times[i], unit});
    if (i > 0)
      result.ratios.push_back({ways[i].name + " against " + ways[0].name, times[0] / times[i]});
  }
  return result;
}

template <class Work>
std::vector<double> times_of(const std::vector<Way>& ways, const Pace& pace, const Work& work) {
  std::vector<std::function<void()>> works;
  for (const auto& way : ways) works.emplace_back([&] { work(way.engine); });
  return times_in_turn(pace, works);
}

void measure_lora(bool quick, const Pace& pace, LanguageModel& model, const Take& take) {
  const int64_t batch = quick ? 2 : 8, tokens = quick ? 16 : 256;
  Input texts(random_ids(batch, tokens, model.shape().text.vocabulary));
  texts.loss = at::ones_like(texts.data);
  texts.loss.select(1, 0).zero_();
  LoraStep step(model, texts);
  const auto list = ways();
  // First, before another way leaves memory to the allocator.
  step(list.back().engine);
  const double ours = peak_bytes([&] { step(list.back().engine); }),
               plain = peak_bytes([&] { step(list.front().engine); });
  const auto times = times_of(list, pace, [&](const Engine& engine) { step(engine); });
  Case result =
      against_plain(fmt::format("{}: LoRA step, batch {} x {}", model.about(), batch, tokens), list,
                    times, "tokens/s", double(batch * tokens));
  result.values.push_back({list.front().name + ", memory", plain, "bytes"});
  result.values.push_back({list.back().name + ", memory", ours, "bytes"});
  result.ratios.push_back({list.back().name + " as a part of " + list.front().name + ", memory",
                           ours / plain, std::nullopt, true});
  take(std::move(result));
}

void measure_features(bool quick, const Pace& pace, const Take& take) {
  const auto model = random_model(encoder_shape(quick));
  const int64_t batch = quick ? 4 : 64, tokens = quick ? 16 : 64;
  const Input texts(random_ids(batch, tokens, model->shape().text.vocabulary));
  const NoGrad no_grad;
  const auto list = ways();
  const auto times = times_of(list, pace, [&](const Engine& engine) {
    model->set_engine(engine);
    model->features(texts);
  });
  take(against_plain(fmt::format("{}: features, batch {} x {}", model->about(), batch, tokens),
                     list, times, "texts/s", double(batch)));
}

void measure_continuation(bool quick, const Pace& pace, LanguageModel& model, int64_t batch,
                          const Take& take) {
  const int64_t tokens = quick ? 4 : 64;
  const Input prompts(random_ids(batch, 16, model.shape().text.vocabulary));
  const NoGrad no_grad;
  const auto list = ways();
  const auto times = times_of(list, pace, [&](const Engine& engine) {
    model.set_engine(engine);
    generate(model, prompts, {}, {.max_tokens = tokens});
  });
  take(against_plain(fmt::format("{}: {} continued by {} tokens", model.about(),
                                 batch == 1 ? "a prompt of 16 tokens"
                                            : fmt::format("{} prompts of 16 tokens", batch),
                                 tokens),
                     list, times, "tokens/s", double(batch * tokens)));
}

}  // namespace

void measure_language(bool quick, const Take& take) {
  const Pace pace = quick ? kOnce : one_of(4);
  const auto decoder = random_model(decoder_shape(quick));
  measure_lora(quick, pace, *decoder, take);
  measure_features(quick, pace, take);
  for (const int64_t batch : {1, 8}) measure_continuation(quick, pace, *decoder, batch, take);
}

}  // namespace patina::bench
