#include "patina/adapt/ssf.h"

#include "patina/nn/layers.h"
#include "patina/ops.h"

namespace patina::adapt {

void ScaleShiftOptions::bind(Fields& f) {
  f("deviation", deviation,
    "Standard deviation of the initial factors around 1 and offsets around 0.", at_least(0));
}

ScaleShift::ScaleShift(const ScaleShiftOptions& options, const nn::BlockShape& shape, int64_t depth,
                       Random& random)
    : blocks_(size_t(depth)) {
  const auto begin = [&](Channels& channels, int64_t width) {
    channels = {at::empty({width}), at::empty({width})};
    nn::init_normal(channels.gamma, random, 1, options.deviation);
    nn::init_normal(channels.beta, random, 0, options.deviation);
  };
  begin(embed_, shape.width);
  for (auto& block : blocks_) {
    begin(block.norm1, shape.width);
    begin(block.qkv, shape.qkv_width());
    begin(block.attention, shape.width);
    begin(block.norm2, shape.width);
    begin(block.fc1, shape.fc1_width());
    begin(block.fc2, shape.width);
  }
  begin(norm_, shape.width);
  nn::freeze(*this, false);
}

const ScaleShift::Channels* ScaleShift::find(nn::Site site, int layer, bool image) const {
  switch (site) {
    case nn::Site::patches:
      return &embed_;
    case nn::Site::embed:
      return layer == 0 && !image ? &embed_ : nullptr;
    case nn::Site::norm1:
      return &blocks_[size_t(layer)].norm1;
    case nn::Site::qkv:
      return &blocks_[size_t(layer)].qkv;
    case nn::Site::attention:
      return &blocks_[size_t(layer)].attention;
    case nn::Site::norm2:
      return &blocks_[size_t(layer)].norm2;
    case nn::Site::fc1:
      return &blocks_[size_t(layer)].fc1;
    case nn::Site::fc2:
      return &blocks_[size_t(layer)].fc2;
    case nn::Site::proj:
    case nn::Site::mlp:
      return nullptr;  // applied to attention and to fc2, which are next to them
    case nn::Site::norm:
      return layer == int(blocks_.size()) ? &norm_ : nullptr;
  }
  return nullptr;
}

Tensor ScaleShift::after(nn::Site site, int layer, const Tensor& in, Tensor out) {
  const Channels* channels = find(site, layer, /*image=*/in.dim() == 4);
  return channels ? out * channels->gamma + channels->beta : out;
}

void ScaleShift::walk(nn::Walk& w) {
  w("embed", embed_);
  w("blocks", blocks_);
  w("norm", norm_);
}

void ScaleShift::BlockChannels::walk(nn::Walk& w) {
  w("norm1", norm1);
  w("qkv", qkv);
  w("attention", attention);
  w("norm2", norm2);
  w("fc1", fc1);
  w("fc2", fc2);
}

void ScaleShift::Channels::walk(nn::Walk& w) {
  w("gamma", gamma);
  w("beta", beta);
}

}  // namespace patina::adapt
