#include "bench/networks.h"

#include <fmt/format.h>

#include "patina/base/error.h"
#include "patina/models/catalog.h"
#include "patina/ops.h"

namespace patina::bench {

const std::vector<Network>& networks() {
  const auto listed = [](const std::string& name) {
    for (const auto& info : model_list())
      if (info.name == name) {
        ViTShape shape = info.shape;
        shape.classes = 0;
        return shape;
      }
    PATINA_CHECK(false, "no model is called {}", name);
  };
  static const ViTShape tiny = {.image_size = 32, .patch_size = 4};
  const auto at_112 = [](ViTShape shape) {
    shape.image_size = 112;
    return shape;
  };
  static const std::vector<Network> list = {
      {"ViT-Tiny/4 at 32 px", tiny, 64, 0, 4},
      {"DeiT-Tiny/16 at 112 px", at_112(listed("deit_tiny_patch16_224")), 64, 32, 2},
      {"DeiT-Tiny/16 at 224 px", listed("deit_tiny_patch16_224"), 32, 16, 2},
      {"ViT-B/16 at 224 px", listed("vit_base_patch16_224"), 8, 4, 0},
  };
  return list;
}

std::string case_name(const Network& network, int64_t batch) {
  return fmt::format("{}, batch {}", network.name, batch);
}

std::unique_ptr<ViT> random_vit(const ViTShape& shape) {
  auto vit = std::make_unique<ViT>(shape);
  Random random = Seeds(1)("weights");
  vit->initialize(random);
  return vit;
}

Tensor random_images(const ViTShape& shape, int64_t batch) {
  Tensor images = at::empty({batch, 3, shape.image_size, shape.image_size});
  Random random = Seeds(1)("images");
  random.fill_normal(host_values(images));
  return images;
}

}  // namespace patina::bench
