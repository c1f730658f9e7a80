#include "patina/models/vision/mlp.h"

#include <cmath>

#include "patina/base/error.h"
#include "patina/nn/dropout.h"
#include "patina/ops.h"

namespace patina {

Mlp::Mlp(MlpShape shape, std::string normalize)
    : shape_(std::move(shape)), normalize_(std::move(normalize)) {
  int64_t in = shape_.channels * shape_.image_size * shape_.image_size;
  for (const int64_t out : shape_.hidden) layers_.emplace_back(std::exchange(in, out), out);
  nn::freeze(*this);
}

bool Mlp::initialize(Random& random) {
  for (auto& layer : layers_) {
    nn::init_kaiming(layer.weight, random);
    nn::init_uniform(layer.bias, random, 1 / std::sqrt(double(layer.weight.size(1))));
  }
  return true;
}

// Hidden layers call adaptations at site fc1, like the first linear layer of a block's MLP, so an
// adaptation may act on the units before the activation.
Tensor Mlp::encode(const Input& input, const nn::Adaptations& adaptations) const {
  Tensor x = input.pixels();  // [B,3,H,W]
  x = (shape_.channels == 1 ? x.mean(1) : x).flatten(1);
  for (size_t i = 0; i < layers_.size(); ++i) {
    if (layers_[i].weight.requires_grad())
      x = nn::dropout(x, i == 0 ? shape_.input_dropout : shape_.dropout);
    x = at::relu(adaptations.after(nn::Site::fc1, int(i), x, layers_[i](x)));
  }
  if (layers_.back().weight.requires_grad()) x = nn::dropout(x, shape_.dropout);
  return x;
}

Tensor Mlp::tokens(const Input& input, const nn::Adaptations& adaptations) const {
  return encode(input, adaptations).unsqueeze(1);
}

std::string Mlp::about() const {
  std::string text = "MLP";
  for (const int64_t units : shape_.hidden)
    text += fmt::format("{}{}", text == "MLP" ? " " : "-", units);
  return text + fmt::format(" at {} px", shape_.image_size);
}

}  // namespace patina
