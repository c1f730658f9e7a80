// Which tensors of a network methods prune or mask: the weights of its linear and convolution
// layers.
#pragma once

#include "patina/nn/module.h"

namespace patina {

/// Whether a tensor is the weight of a linear or convolution layer: not a bias, a norm, or a table
/// of rows that are looked up or added to a sequence, such as embeddings, positions and a class
/// token. Tables are told by the names that networks give them.
bool is_layer_weight(const nn::NamedTensor& item);

}  // namespace patina
