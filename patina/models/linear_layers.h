// The linear layers of a network's blocks under the names of its family's checkpoints, as programs
// that know low-rank changes by module name call them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "patina/adapt/lora.h"
#include "patina/models/backbone.h"

namespace patina {

/// A linear layer of a block that an adaptation reaches, or one of the parts that a checkpoint
/// stores by themselves.
struct LinearLayer {
  nn::Tower tower = nn::Tower::image;
  int64_t layer = 0;  // as adaptations number the blocks
  adapt::Part part = adapt::Part::q;
  std::string module;       // "model.layers.0.self_attn.q_proj"
  bool transposed = false;  // stored [in,out]
};

/// Those of all towers; `prefix` is what the names begin with. Layers of heads, embeddings and
/// cross-attention are not among them.
std::vector<LinearLayer> linear_layers(const Backbone& network, const std::string& prefix);

/// All modules of the network with a weight of two dimensions or more: those that a list of module
/// names can mean.
std::vector<std::string> weighted_modules(const Backbone& network, const std::string& prefix);

/// The rows of the `count` tensors of which a checkpoint has one of ours, [rows,...], by its name.
std::vector<int64_t> piece_rows(const Backbone& network, const std::string& name, int64_t rows,
                                size_t count);

/// The weight [out,in] of a layer of a tower, of which the part is all or some rows. It shares
/// storage with the network's. Throws Error(recipe) if it is not stored as floats.
Tensor layer_weight(const Backbone& network, nn::Tower tower, int64_t layer, adapt::Part part);
/// The same of the network's first tower.
Tensor layer_weight(const Backbone& network, int64_t layer, adapt::Part part);

/// Adds a LoRA's changes to the weights of the tower it acts in, in fp32, which those that are
/// stored in another form become.
void merge_lora(Backbone& network, const adapt::Lora& lora);

/// The shape of a tower's blocks.
nn::BlockShape block_of(const Backbone& network, nn::Tower tower);

}  // namespace patina
