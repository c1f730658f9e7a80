#include "patina/learn/adapted.h"

namespace patina {

std::unique_ptr<adapt::Adapter> make_adapter(const adapt::AdapterOptions& options,
                                             const Backbone& backbone, Random& random) {
  return std::make_unique<adapt::Adapter>(options, backbone.block().width, backbone.layers(),
                                          random);
}

std::unique_ptr<adapt::Lora> make_lora(const adapt::LoraOptions& options, const Backbone& backbone,
                                       Random& random) {
  return std::make_unique<adapt::Lora>(options, backbone.block(), backbone.layers(), random);
}

std::unique_ptr<adapt::Prefix> make_prefix(const adapt::PrefixOptions& options,
                                           const Backbone& backbone, Random& random) {
  return std::make_unique<adapt::Prefix>(options, backbone.block(), backbone.layers(), random);
}

std::unique_ptr<adapt::Prompt> make_prompt(const adapt::PromptOptions& options,
                                           const Backbone& backbone, Random& random) {
  const auto images = backbone.image_input();
  constexpr int64_t kPatch = 16;  // for a network without patches: as VPT's own
  return std::make_unique<adapt::Prompt>(options, backbone.block().width, backbone.prompt_layers(),
                                         images ? images->patch : kPatch, random);
}

std::unique_ptr<adapt::ScaleShift> make_scale_shift(const adapt::ScaleShiftOptions& options,
                                                    const Backbone& backbone, Random& random) {
  return std::make_unique<adapt::ScaleShift>(options, backbone.block(), backbone.layers(), random);
}

std::vector<int64_t> blocks_within(const Backbone& backbone, const std::vector<int64_t>& wanted) {
  std::vector<int64_t> within;
  for (const int64_t block : wanted)
    if (block < backbone.layers()) within.push_back(block);
  return within;
}

Tensor weight_of(const Backbone& backbone, std::string_view name) {
  for (const auto& weight : nn::tensors(const_cast<Backbone&>(backbone)))  // changes nothing
    if (weight.name == name) return weight.tensor;
  return {};
}

}  // namespace patina
