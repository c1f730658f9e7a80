#include "bench/language/language_scenario.h"

#include <fmt/format.h>

#include "bench/language/decoders.h"
#include "bench/memory.h"
#include "bench/turns.h"
#include "patina/kernels/isa.h"
#include "patina/models/generate.h"
#include "patina/ops.h"

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
  LoraStep step(model, learned_texts(batch, tokens, model.shape().text.vocabulary));
  const auto step_on = [&](const Engine& engine) {
    model.set_engine(engine);
    step();
  };
  const auto list = ways();
  // First, before another way leaves memory to the allocator.
  step_on(list.back().engine);
  const double ours = peak_bytes([&] { step_on(list.back().engine); }),
               plain = peak_bytes([&] { step_on(list.front().engine); });
  const auto times = times_of(list, pace, step_on);
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
