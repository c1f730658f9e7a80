// A sample's features have the same bits alone and in any batch. So features can be stored, and
// predictions compared.
#include <gtest/gtest.h>

#include "patina/nn/engine.h"
#include "patina/ops.h"
#include "tests/support/toy_world.h"

namespace patina {
namespace {

TEST(Features, AreTheSameBitsWhateverIsInTheBatch) {
  NoGrad no_grad;
  // Widths that fill whole vector registers and widths that do not.
  for (const bool starter : {false, true})
    for (const auto precision : {nn::Precision::fp32, nn::Precision::bf16}) {
      const auto network =
          starter ? load_backbone({.name = "starter"}) : kImages.network("simplecil");
      network->set_engine(nn::packed_engine(precision));
      const int64_t side = network->image_input()->size, count = 40;
      const Tensor images = random_tensor({count, 3, side, side}, 3);
      const Tensor all = network->features(images);
      for (const int64_t n : {1, 2, 3, 5, 7, 8, 13, 31})
        for (int64_t from = 0; from + n <= count; from += n)
          EXPECT_TRUE(at::equal(network->features(images.slice(0, from, from + n)),
                                all.slice(0, from, from + n)))
              << network->about() << ", " << n << " from " << from;
    }
}

}  // namespace
}  // namespace patina
