// Loading stored tensors into modules: types, and one message for everything that does not match.
#include "patina/checkpoint/load.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "patina/checkpoint/safetensors.h"
#include "patina/nn/layers.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/tensors.h"

namespace patina {
namespace {

SafetensorsFile file_of(const std::string& folder, const std::map<std::string, Tensor>& tensors) {
  const auto path = scratch_folder(folder) / "file.safetensors";
  std::map<std::string, StoredTensor> stored;
  for (const auto& [name, tensor] : tensors) stored[name] = to_stored(tensor);
  write_safetensors(path, stored);
  return SafetensorsFile::open(path);
}

TEST(LoadTensors, CopiesAndConverts) {
  const Tensor weight = random_tensor({3, 2}, 1), bias = random_tensor({3}, 2).to(at::kBFloat16);
  const auto file =
      file_of("load", {{"weight", weight}, {"bias", bias}, {"extra.x", at::ones({1})}});
  nn::Linear linear(2, 3);
  load_tensors(nn::tensors(linear), file, "origin", {.unneeded = {"extra.*"}});
  EXPECT_TRUE(at::equal(linear.weight, weight));
  EXPECT_TRUE(at::equal(linear.bias, bias.to(at::kFloat)));
  EXPECT_EQ(linear.bias.scalar_type(), at::kFloat);
}

TEST(LoadTensors, NamesEverythingThatDoesNotFitAtOnce) {
  struct Pair {
    nn::Linear first{2, 3}, second{3, 4};
    void walk(nn::Walk& w) {
      w("first", first);
      w("second", second);
    }
  } pair;
  pair.first.weight.fill_(7);
  const auto file = file_of("load_bad", {{"first.weight", at::ones({3, 2})},
                                         {"first.bais", at::ones({3})},
                                         {"second.weight", at::ones({3, 4})}});
  const std::string text =
      error_of([&] { load_tensors(nn::tensors(pair), file, "net.safetensors"); });
  EXPECT_EQ(text,
            "net.safetensors: the weights do not fit the network:\n"
            "  missing: first.bias [3], did you mean \"first.bais\"?\n"
            "  wrong shape: second.weight is [3, 4], the network needs [4, 3]\n"
            "  missing: second.bias [4]\n"
            "  unexpected: first.bais [3]");
  EXPECT_EQ(pair.first.weight[0][0].item<float>(), 7);  // nothing is loaded in part
}

TEST(LoadTensors, RefusesValuesThatAreNotFinite) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Tensor weight = at::ones({3, 2}), bias = at::ones({3}, at::kDouble);
  weight[1][0] = nan;
  weight[2][1] = -std::numeric_limits<float>::infinity();
  bias[2] = 1e300;  // finite, but not as a float
  const auto file = file_of("load_nan", {{"weight", weight}, {"bias", bias}});
  nn::Linear linear(2, 3);
  linear.weight.fill_(7);
  EXPECT_EQ(error_of([&] { load_tensors(nn::tensors(linear), file, "net.safetensors"); }),
            "net.safetensors: weights are not finite; the file is damaged, or its training "
            "diverged:\n"
            "  weight: 2 of 6 values are nan or inf\n"
            "  bias: 1 of 3 values are nan or inf");
  EXPECT_EQ(linear.weight[0][0].item<float>(), 7);
}

TEST(ToTensor, RoundTripsEveryType) {
  std::map<std::string, Tensor> tensors;
  for (const auto type : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16, at::kLong, at::kInt,
                          at::kShort, at::kChar, at::kByte, at::kBool})
    tensors[at::toString(type)] = at::arange(6).to(type).reshape({2, 3});
  tensors["scalar"] = at::full({}, 3.5);
  tensors["empty"] = at::empty({0, 4});
  const auto file = file_of("load_types", tensors);
  for (const auto& [name, tensor] : tensors) {
    const Tensor back = to_tensor(file.at(name));
    EXPECT_EQ(back.scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(at::equal(back, tensor)) << name;
  }
}

TEST(ToTensor, TakesAnyByteForTrue) {
  const Bytes bytes = {0, 1, 2, 255};
  const Tensor t = to_tensor({DType::boolean, {4}, bytes});
  const auto* raw = static_cast<const uint8_t*>(t.data_ptr());
  EXPECT_EQ(Bytes(raw, raw + 4), (Bytes{0, 1, 1, 1}));
}

TEST(ContentHash, SeesNamesShapesAndValues) {
  const auto hash = [](const std::string& name, const Tensor& t) {
    return content_hash({{name, t}});
  };
  const std::string plain = hash("w", at::ones({4}));
  EXPECT_EQ(hash("w", at::ones({4})), plain);
  EXPECT_NE(hash("v", at::ones({4})), plain);
  EXPECT_NE(hash("w", at::ones({2, 2})), plain);
  EXPECT_NE(hash("w", at::zeros({4})), plain);
}

}  // namespace
}  // namespace patina
