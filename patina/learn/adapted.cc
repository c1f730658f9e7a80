#include "patina/learn/adapted.h"

namespace patina {

namespace {

template <class Adaptation, class... Arguments>
std::unique_ptr<Adaptation> made(const TowerShape& tower, Arguments&&... arguments) {
  auto adaptation = std::make_unique<Adaptation>(std::forward<Arguments>(arguments)...);
  adaptation->set_tower(tower.tower);
  nn::bring(*adaptation, tower.place);
  return adaptation;
}

}  // namespace

std::unique_ptr<adapt::Adapter> make_adapter(const adapt::AdapterOptions& options,
                                             const TowerShape& tower, Random& random) {
  return made<adapt::Adapter>(tower, options, tower.block.width, tower.layers, random);
}

std::unique_ptr<adapt::Lora> make_lora(const adapt::LoraOptions& options, const TowerShape& tower,
                                       Random& random) {
  return made<adapt::Lora>(tower, options, tower.block, tower.layers, random);
}

std::unique_ptr<adapt::Prefix> make_prefix(const adapt::PrefixOptions& options,
                                           const TowerShape& tower, Random& random) {
  return made<adapt::Prefix>(tower, options, tower.block, tower.layers, random);
}

std::unique_ptr<adapt::Prompt> make_prompt(const adapt::PromptOptions& options,
                                           const TowerShape& tower, Random& random) {
  return made<adapt::Prompt>(tower, options, tower.block.width, tower.prompt_layers, tower.patch,
                             random);
}

std::unique_ptr<adapt::ScaleShift> make_scale_shift(const adapt::ScaleShiftOptions& options,
                                                    const TowerShape& tower, Random& random) {
  return made<adapt::ScaleShift>(tower, options, tower.block, tower.layers, random);
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
