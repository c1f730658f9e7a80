// Creates an adaptation of the frozen network by its name in a recipe.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "patina/adapt/adapter.h"
#include "patina/adapt/context.h"
#include "patina/adapt/lora.h"
#include "patina/adapt/prefix.h"
#include "patina/adapt/prompt.h"
#include "patina/adapt/ssf.h"
#include "patina/models/backbone.h"

namespace patina {

/// The tower of a kind, with the place of its weights; one with no layers if there is none.
TowerShape tower_of(const Backbone& backbone, nn::Tower which);

// Each acts in the tower it is created for.

std::unique_ptr<adapt::Adapter> make_adapter(const adapt::AdapterOptions& options,
                                             const TowerShape& tower, Random& random);
std::unique_ptr<adapt::Lora> make_lora(const adapt::LoraOptions& options, const TowerShape& tower,
                                       Random& random);
std::unique_ptr<adapt::Prefix> make_prefix(const adapt::PrefixOptions& options,
                                           const TowerShape& tower, Random& random);
std::unique_ptr<adapt::Prompt> make_prompt(const adapt::PromptOptions& options,
                                           const TowerShape& tower, Random& random);
std::unique_ptr<adapt::ScaleShift> make_scale_shift(const adapt::ScaleShiftOptions& options,
                                                    const TowerShape& tower, Random& random);
/// In the text tower of a CLIP.
std::unique_ptr<adapt::Context> make_context(int64_t length, const Backbone& clip, Random& random);

/// The sum of LoRAs of one tower as a LoRA whose ranks are the sums of theirs: the A below each
/// other and the B side by side, with their scales in them where these differ. Frozen.
std::unique_ptr<adapt::Lora> sum_of(const std::vector<const adapt::Lora*>& parts,
                                    const TowerShape& tower);

/// The wanted blocks that exist in the network.
std::vector<int64_t> blocks_within(const Backbone& backbone, const std::vector<int64_t>& wanted);

/// A weight of the network by its name, as floats; undefined if there is none.
Tensor weight_of(const Backbone& backbone, std::string_view name);

}  // namespace patina
