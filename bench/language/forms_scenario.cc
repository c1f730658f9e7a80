#include "bench/language/forms_scenario.h"

#include <fmt/format.h>

#include "bench/language/decoders.h"
#include "bench/turns.h"
#include "patina/kernels/isa.h"
#include "patina/models/generate.h"
#include "patina/ops.h"

namespace patina::bench {

namespace {

constexpr int64_t kTexts = 4;  // of a LoRA step

struct NamedForm {
  const char* name;
  Form form;
};
constexpr NamedForm kForms[] = {{"fp32", Form::fp32}, {"bf16", Form::bf16}, {"Q4_1", Form::q4_1}};

std::shared_ptr<const nn::Engine> best_engine() {
  return nn::packed_engine(kernels::bf16_is_faster() ? nn::Precision::bf16 : nn::Precision::fp32);
}

std::unique_ptr<LanguageModel> model_in(Form form, bool quick) {
  auto model = random_model(decoder_shape(quick), form);
  model->set_engine(best_engine());
  return model;
}

// Something that a model does, made for it once: the first call prepares what later ones use.
using Action = std::function<void()>;
using MakeAction = std::function<Action(LanguageModel&)>;

// Of each way, in their order, the first one being what the others are compared with.
Case compared(std::string name, const std::vector<std::string>& ways,
              const std::vector<double>& times) {
  Case result{.name = std::move(name)};
  for (size_t i = 0; i < ways.size(); ++i) {
    result.values.push_back({ways[i], times[i], "s"});
    if (i > 0) result.ratios.push_back({ways[i] + " as a part of " + ways[0], times[i] / times[0]});
  }
  return result;
}

// With all networks in memory. How much of it each takes, only processes of their own tell: what an
// earlier one leaves to the allocator counts for the next.
void measure_in_each_form(const std::string& what, bool quick, const Pace& pace,
                          const MakeAction& make, const Take& take) {
  std::vector<std::string> names;
  std::vector<std::unique_ptr<LanguageModel>> models;
  std::vector<Action> works;
  for (const auto& [name, form] : kForms) {
    names.emplace_back(name);
    models.push_back(model_in(form, quick));
    works.push_back(make(*models.back()));
  }
  const auto times = times_in_turn(pace, works);
  take(compared(
      fmt::format("{}: {}, {}", models.front()->about(), what, models.front()->engine().text()),
      names, times));
}

MakeAction lora_steps(bool quick) {
  return [=](LanguageModel& model) {
    const int64_t batch = quick ? 2 : kTexts, tokens = quick ? 16 : 256;
    const auto step = std::make_shared<LoraStep>(
        model, learned_texts(batch, tokens, model.shape().text.vocabulary));
    return [step] { (*step)(); };
  };
}

MakeAction continuations(bool quick, int64_t batch) {
  return [=](LanguageModel& model) {
    const Input prompts(random_ids(batch, 16, model.shape().text.vocabulary));
    return [&model, prompts, quick] {
      const NoGrad no_grad;
      generate(model, prompts, {}, {.max_tokens = quick ? 2 : 64});
    };
  };
}

// Prompts of which three quarters are the same in all, a token of answer each. A beginning that the
// batch before had is remembered.
void measure_beginnings(bool quick, const Pace& pace, const Take& take) {
  const auto model = model_in(Form::fp32, quick);
  const int64_t batch = quick ? 3 : 16, tokens = quick ? 32 : 256, common = tokens * 3 / 4,
                words = model->shape().text.vocabulary;
  const auto prompts = [&](uint64_t seed, bool alike) {
    Tensor ids = random_ids(batch, tokens, words, seed);
    if (alike) ids.slice(1, 0, common).copy_(ids[0].slice(0, 0, common).clone());
    return Input(ids);
  };
  // One beginning is remembered, so that each of these two is new after the other.
  const Input apart = prompts(1, false), fresh = prompts(2, true), known = prompts(3, true);
  const auto answer = [&](const Input& input) {
    const NoGrad no_grad;
    generate(*model, input, {}, {.max_tokens = 1});
  };
  answer(known);
  const auto timed = [&](const Input& input) {
    return seconds([&] { answer(input); }, pace.clock);
  };
  const auto times =
      medians_in_turn(pace, {[&] { return timed(apart); }, [&] { return timed(fresh); },
                             [&] {
                               answer(known);
                               return timed(known);
                             }});
  take(compared(fmt::format("{}: {} prompts of {} tokens, {} of them in common, {}", model->about(),
                            batch, tokens, common, model->engine().text()),
                {"nothing in common", "a new beginning", "the beginning of the batch before"},
                times));
}

}  // namespace

void measure_forms(bool quick, const Take& take) {
  const Pace pace = quick ? kOnce : one_of(3);
  const int64_t batch = quick ? 2 : kTexts, tokens = quick ? 16 : 256;
  measure_in_each_form(fmt::format("LoRA step, batch {} x {}", batch, tokens), quick, pace,
                       lora_steps(quick), take);
  for (const int64_t prompts : {1, 8})
    measure_in_each_form(
        fmt::format("{} of 16 tokens continued by {}",
                    prompts == 1 ? "a prompt" : fmt::format("{} prompts", prompts), quick ? 2 : 64),
        quick, pace, continuations(quick, prompts), take);
  measure_beginnings(quick, pace, take);
}

}  // namespace patina::bench
