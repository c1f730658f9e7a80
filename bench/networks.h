// The networks to time, with random weights: time does not depend on their values.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "patina/models/vision/vit.h"

namespace patina::bench {

struct Network {
  std::string name;
  ViTShape shape;
  int64_t forward_batch, train_batch, quick_batch;  // 0: not measured
};
/// ViT-Tiny/4 at 32 px, DeiT-Tiny/16 at 112 and 224 px, ViT-B/16 at 224 px.
const std::vector<Network>& networks();

/// "ViT-B/16 at 224 px, batch 16".
std::string case_name(const Network& network, int64_t batch);

std::unique_ptr<ViT> random_vit(const ViTShape& shape);
Tensor random_images(const ViTShape& shape, int64_t batch);  // [B,3,H,W], N(0,1)

}  // namespace patina::bench
