#include "patina/place.h"

#include <gtest/gtest.h>

#include "patina/ops.h"
#include "tests/support/errors.h"
#include "tests/support/tensors.h"

namespace patina {
namespace {

TEST(Place, IsTheHostByItsName) {
  EXPECT_EQ(place_of("cpu"), Place{});
  EXPECT_TRUE(place_of("cpu").on_host());
  EXPECT_EQ(place_of("cpu").text(), "cpu");
  EXPECT_EQ(devices().front(), "cpu");
}

TEST(Place, AutoIsTheFirstGpuOrTheHost) {
  EXPECT_EQ(place_of("auto").text(), devices().size() > 1 ? "cuda:0" : "cpu");
}

TEST(Place, WhatIsNotThereIsRefusedByWhatIs) {
  if (devices().size() > 1) GTEST_SKIP() << "there is a GPU here";
  for (const std::string text :
       {"cuda", "cuda:1", "cuda:x", "cuda:-1", "cuda:", "cpu:1", "gpu", ""})
    EXPECT_EQ(error_of([&] { place_of(text); }),
              fmt::format("there is no device \"{}\": here is cpu", text));
}

TEST(Place, OfATensor) {
  EXPECT_EQ(place_of(at::zeros({1}, at::kDouble)).dtype, at::kDouble);
  EXPECT_EQ(place_of(at::zeros({1}, at::kLong)), Place{});
}

TEST(Place, BringsAModuleAndKeepsWhatIsFrozen) {
  nn::Linear linear(2, 3);
  linear.bias.requires_grad_(true);
  nn::Linear same = linear;
  nn::bring(same, {});
  EXPECT_TRUE(same.weight.is_same(linear.weight));
  nn::bring(linear, {.dtype = at::kDouble});
  EXPECT_EQ(linear.weight.scalar_type(), at::kDouble);
  EXPECT_FALSE(linear.weight.requires_grad());
  EXPECT_TRUE(linear.bias.requires_grad());
  EXPECT_TRUE(linear.bias.is_leaf());
}

TEST(HostValues, AreOfContiguousTensors) {
  Tensor t = at::zeros({2, 3});
  EXPECT_EQ(host_values(t).size(), 6u);
  Tensor transposed = t.t();
  EXPECT_EQ(
      error_of([&] { host_values(transposed); }),
      "cannot read the values of a tensor [3, 2] on cpu: it must be contiguous and on the host");
}

}  // namespace
}  // namespace patina
