// Rotary positions as config.json describes them, with the scalings that stretch them to longer
// texts.
#pragma once

#include <span>

#include "patina/models/config_json.h"
#include "patina/nn/rotary.h"

namespace patina {

/// What beside the description itself determines a network's rotary positions.
struct RotaryBasis {
  double theta = 10000;   // the base where the description has none
  int64_t head_size = 0;  // d
  int64_t longest = 0;    // max_position_embeddings; raised where a scaling reaches further
  int64_t original = 0;   // the length before it was stretched; 0: the description says it
  bool partial = false;   // whether the family reads partial_rotary_factor; others turn whole heads
  std::span<const char* const> scalings = {};  // types that the family has; empty: all
};

/// The rotary positions of `rope_parameters`, or in older files of `rope_theta` and `rope_scaling`:
/// of the type default, linear, dynamic, yarn, llama3 or longrope, computed as transformers does.
/// Throws Error(model) for other types, and for values that give no frequencies.
nn::Rotary read_rotary(ConfigJson& config, RotaryBasis& basis);
/// The same from one object with the keys of `rope_parameters`.
nn::Rotary read_rotary(ConfigJson& config, ConfigJson& rope, RotaryBasis& basis);

}  // namespace patina
