#include "patina/models/vision/resnet.h"

#include <cmath>

#include <fmt/format.h>

#include "patina/nn/layers.h"
#include "patina/ops.h"

namespace patina {

namespace {

Tensor convolve(const Tensor& x, const Tensor& weight, int64_t stride) {
  const int64_t padding = weight.size(2) / 2;
  return at::conv2d(x, weight, {}, {stride, stride}, {padding, padding});
}

}  // namespace

ResNet::ResNet(ResNetShape shape, std::string normalize)
    : shape_(shape),
      normalize_(std::move(normalize)),
      conv1_(at::empty({shape.channels, 3, 3, 3})),
      bn1_(shape.channels) {
  int64_t in = shape.channels;
  for (int64_t stage = 0; stage < 4; ++stage) {
    const int64_t out = shape.channels << stage;
    std::vector<Block> blocks;
    for (int64_t i = 0; i < 2; ++i) {
      Block block{.conv1 = at::empty({out, in, 3, 3}),
                  .conv2 = at::empty({out, out, 3, 3}),
                  .bn1 = nn::BatchNorm(out),
                  .bn2 = nn::BatchNorm(out),
                  .stride = stage > 0 && i == 0 ? 2 : 1};
      if (in != out) {
        block.shortcut = at::empty({out, in, 1, 1});
        block.shortcut_norm = nn::BatchNorm(out);
      }
      blocks.push_back(std::move(block));
      in = out;
    }
    stages_.push_back(std::move(blocks));
  }
  nn::freeze(*this);
}

bool ResNet::initialize(Random& random) {
  const auto draw = [&](Tensor& weight) {
    const int64_t out = weight.size(0) * weight.size(2) * weight.size(3);
    nn::init_normal(weight, random, 0, std::sqrt(2.0 / double(out)));
  };
  draw(conv1_);
  for (auto& stage : stages_)
    for (auto& block : stage) {
      draw(block.conv1);
      draw(block.conv2);
      if (block.shortcut.defined()) draw(block.shortcut);
    }
  return true;
}

Tensor ResNet::Block::operator()(const Tensor& x) const {
  const Tensor inner = at::relu(bn1(convolve(x, conv1, stride)));
  const Tensor through = bn2(convolve(inner, conv2, 1));
  return at::relu(through +
                  (shortcut.defined() ? shortcut_norm(convolve(x, shortcut, stride)) : x));
}

void ResNet::Block::walk(nn::Walk& w) {
  w("conv1.weight", conv1);
  w("bn1", bn1);
  w("conv2.weight", conv2);
  w("bn2", bn2);
  w("downsample.0.weight", shortcut);
  if (shortcut.defined()) w("downsample.1", shortcut_norm);
}

Tensor ResNet::maps(const Input& input) const {
  Tensor x = at::relu(bn1_(convolve(input.pixels(), conv1_, 1)));
  for (const auto& stage : stages_)
    for (const auto& block : stage) x = block(x);
  return x;
}

Tensor ResNet::encode(const Input& input, const nn::Adaptations&) const {
  return maps(input).mean({2, 3});
}

Tensor ResNet::tokens(const Input& input, const nn::Adaptations&) const {
  return maps(input).flatten(2).transpose(1, 2);
}

std::string ResNet::about() const {
  return fmt::format("ResNet-18 of {} channels at {} px", shape_.channels, shape_.image_size);
}

void ResNet::walk(nn::Walk& w) {
  w("conv1.weight", conv1_);
  w("bn1", bn1_);
  for (size_t i = 0; i < stages_.size(); ++i) w(fmt::format("layer{}", i + 1), stages_[i]);
}

}  // namespace patina
