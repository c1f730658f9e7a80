// Probes: a few inputs and a network's outputs for them, to compare two forms of one network.
#pragma once

#include "patina/models/backbone.h"

namespace patina {

/// Inputs for any network, the same every time: texts where it has a tokenizer, else random ids;
/// noise for images, also in front of the texts of a network that reads both. At the network's
/// place.
Input probe_input(const Backbone& network);

/// The scores of a network's own head: of words at every token, of classes, else the features.
Tensor probe_outputs(const Backbone& network, const Input& input,
                     const nn::Adaptations& adaptations = {});

/// The largest difference of two outputs, and the largest magnitude of the first.
struct Difference {
  double largest = 0, magnitude = 0;
  /// By the magnitude; 0 for outputs that are all zero.
  double relative() const { return magnitude > 0 ? largest / magnitude : largest; }
};
Difference difference_of(const Tensor& expected, const Tensor& actual);

}  // namespace patina
