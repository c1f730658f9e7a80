// Every kind of adaptation, made for any tiny family.
#pragma once

#include <gtest/gtest.h>

#include "patina/adapt/adapter.h"
#include "patina/adapt/lora.h"
#include "patina/adapt/prefix.h"
#include "patina/adapt/prompt.h"
#include "patina/adapt/ssf.h"
#include "tests/support/families.h"

namespace patina::adapt {

using Made = std::unique_ptr<nn::Adaptation>;

struct Kind {
  std::string name;
  std::function<Made(const TinyFamily&, Random&)> make;
};

inline std::vector<Kind> kinds() {
  const auto prompt = [](bool deep) {
    return [deep](const TinyFamily& f, Random& r) -> Made {
      return std::make_unique<Prompt>(PromptOptions{3, deep}, f.block.width, f.prompt_layers, 8, r);
    };
  };
  const auto adapter = [](const char* placement) {
    return [placement](const TinyFamily& f, Random& r) -> Made {
      AdapterOptions options{6, 0.5, placement};
      if (options.placement == "attention") options.activation = "gelu";
      options.learned_scale = options.placement == "attention";
      return std::make_unique<Adapter>(options, f.block.width, f.layers, r);
    };
  };
  const auto lora = [](const char* parts) {
    return [parts](const TinyFamily& f, Random& r) -> Made {
      return std::make_unique<Lora>(LoraOptions{2, 3, parts}, f.block, f.layers, r);
    };
  };
  return {
      {"shallow_prompt", prompt(false)},
      {"deep_prompt", prompt(true)},
      {"prefix",
       [](const TinyFamily& f, Random& r) -> Made {
         return std::make_unique<Prefix>(PrefixOptions{4, {0, 1}}, f.block, f.layers, r);
       }},
      {"compensated_prefix",
       [](const TinyFamily& f, Random& r) -> Made {
         return std::make_unique<Prefix>(
             PrefixOptions{.length = 4, .layers = {0}, .learned_scale = true, .compensated = true},
             f.block, f.layers, r);
       }},
      {"parallel_adapter", adapter("parallel")},
      {"sequential_adapter", adapter("sequential")},
      {"attention_adapter", adapter("attention")},
      {"lora_qv", lora("qv")},
      {"lora_qkv", lora("qkv")},
      {"lora_kv_of_one_block",
       [](const TinyFamily& f, Random& r) -> Made {
         return std::make_unique<Lora>(
             LoraOptions{
                 .rank = 2, .alpha = 3, .parts = "kv", .learned_scale = true, .layers = {1}},
             f.block, f.layers, r);
       }},
      {"lora_of_every_layer",
       [](const TinyFamily& f, Random& r) -> Made {
         return std::make_unique<Lora>(
             LoraOptions{.rank = 2, .alpha = 3, .parts = "qkv", .output = true, .mlp = true},
             f.block, f.layers, r);
       }},
      {"scale_shift", [](const TinyFamily& f, Random& r) -> Made {
         return std::make_unique<ScaleShift>(ScaleShiftOptions{}, f.block, f.layers, r);
       }}};
}

/// An adaptation in which every tensor is changed from its initial value.
inline Made make_stirred(const Kind& kind, const TinyFamily& family) {
  Random random = Seeds(7)("adapt");
  Made made = kind.make(family, random);
  NoGrad no_grad;
  uint64_t seed = 1;
  for (auto& item : nn::tensors(*made))
    item.tensor.add_(random_tensor(item.tensor.sizes().vec(), ++seed, 0.1));
  return made;
}

/// A test case: the name of a family and the name of a kind.
using Case = std::tuple<std::string, std::string>;

inline auto in_every_family(const std::vector<Kind>& kinds) {
  std::vector<std::string> names;
  for (const auto& kind : kinds) names.push_back(kind.name);
  return testing::Combine(testing::ValuesIn(tiny_families()), testing::ValuesIn(names));
}

inline std::string name_of_case(const testing::TestParamInfo<Case>& info) {
  return std::get<0>(info.param) + "_" + std::get<1>(info.param);
}

}  // namespace patina::adapt
