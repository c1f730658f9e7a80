#include "patina/learn/adapted.h"

#include <algorithm>
#include <map>

#include "patina/base/error.h"
#include "patina/ops.h"

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

TowerShape tower_of(const Backbone& backbone, nn::Tower which) {
  TowerShape found{.tower = which};
  for (const auto& shape : backbone.towers())
    if (shape.tower == which) found = shape;
  found.place = backbone.place();
  return found;
}

std::unique_ptr<adapt::Adapter> make_adapter(const adapt::AdapterOptions& options,
                                             const TowerShape& tower, Random& random) {
  return made<adapt::Adapter>(tower, options, tower.block.width, tower.layers, random);
}

std::unique_ptr<adapt::Lora> make_lora(const adapt::LoraOptions& options, const TowerShape& tower,
                                       Random& random) {
  return made<adapt::Lora>(tower, options, tower.block, tower.layers, random);
}

std::unique_ptr<adapt::Lora> sum_of(const std::vector<const adapt::Lora*>& parts,
                                    const TowerShape& tower) {
  NoGrad no_grad;
  std::map<std::pair<int64_t, adapt::Part>, std::vector<adapt::Lora::Update>> of_layer;
  for (const auto* part : parts)
    for (auto& update : part->updates())
      of_layer[{update.layer, update.part}].push_back(std::move(update));
  std::vector<adapt::Lora::Update> sums;
  for (const auto& [place, updates] : of_layer) {
    const double scale = updates.front().scale;
    const bool alike =
        std::ranges::all_of(updates, [&](const auto& u) { return u.scale == scale; });
    std::vector<Tensor> as, bs;
    for (const auto& update : updates) {
      as.push_back(update.a);
      bs.push_back(alike ? update.b : update.b * update.scale);
    }
    sums.push_back({place.first, place.second, at::cat(as), at::cat(bs, 1), alike ? scale : 1});
  }
  auto lora = std::make_unique<adapt::Lora>(sums, tower.block, tower.layers);
  lora->set_tower(tower.tower);
  return lora;
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

std::unique_ptr<adapt::Context> make_context(int64_t length, const Backbone& clip, Random& random) {
  const Tensor words = weight_of(clip, "text.embed.weight");
  PATINA_CHECK(words.defined(), "a context for a network without a text tower");
  return made<adapt::Context>(tower_of(clip, nn::Tower::text), length, words, random);
}

std::vector<int64_t> blocks_within(const Backbone& backbone, const std::vector<int64_t>& wanted) {
  std::vector<int64_t> within;
  for (const int64_t block : wanted)
    if (block < backbone.layers()) within.push_back(block);
  return within;
}

Tensor weight_of(const Backbone& backbone, std::string_view name) {
  for (const auto& weight : nn::tensors(const_cast<Backbone&>(backbone)))  // changes nothing
    if (weight.name == name) return weight.floats();
  return {};
}

}  // namespace patina
