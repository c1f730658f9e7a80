// Graphs of ONNX: what they give for their example is what the network gives. That ONNX Runtime
// computes the same is tested where it is installed (tests/cli/onnx_test.py).
#include <gtest/gtest.h>

#include "patina/base/file.h"
#include "patina/models/probe.h"
#include "patina/models/vision/vit_onnx.h"
#include "patina/nn/layers.h"
#include "patina/ops.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/tensors.h"

namespace patina {
namespace {

ViTShape tiny() {
  return {.image_size = 16, .patch_size = 4, .width = 12, .depth = 2, .heads = 3, .hidden = 20};
}

// A network of that shape whose tensors all have values of their own.
std::unique_ptr<ViT> drawn(const ViTShape& shape) {
  auto network = std::make_unique<ViT>(shape);
  Random random = Seeds(3)("weights");
  NoGrad no_grad;
  for (auto& item : nn::tensors(*network)) nn::init_normal(item.tensor, random, 0.3, 0.4);
  return network;
}

double error_of_graph(const ViTShape& shape) {
  const auto network = drawn(shape);
  const Input probes = probe_input(*network);
  OnnxGraph graph;
  const auto features = add_features(graph, *network, graph.input("images", probes.pixels()));
  NoGrad no_grad;
  return difference_of(network->features(probes), features.example).relative();
}

TEST(OnnxGraphs, OfEveryShapeGiveTheNetworksFeatures) {
  EXPECT_LT(error_of_graph(tiny()), 1e-5);
  auto shape = tiny();
  shape.distilled = true;
  EXPECT_LT(error_of_graph(shape), 1e-5);
  shape.class_only = true;
  EXPECT_LT(error_of_graph(shape), 1e-5);
  shape = tiny();
  shape.registers = 3;
  shape.layer_scale = true;
  EXPECT_LT(error_of_graph(shape), 1e-5);
  shape.placed_tokens = 4;
  EXPECT_LT(error_of_graph(shape), 1e-5);
  shape = tiny();
  shape.pre_norm = true;
  shape.patch_bias = shape.qkv_bias = false;
  shape.activation = nn::Activation::quick_gelu;
  EXPECT_LT(error_of_graph(shape), 1e-5);
  shape = tiny();
  shape.class_token = shape.final_norm = false;
  shape.pooled_norm = true;
  shape.activation = nn::Activation::gelu_tanh;
  EXPECT_LT(error_of_graph(shape), 1e-5);
  shape = tiny();
  shape.head_norm = shape.attention_norm = shape.mlp_norm = shape.patch_mean = true;
  shape.positions = false;
  EXPECT_LT(error_of_graph(shape), 1e-5);
}

TEST(OnnxGraphs, HaveEveryKindOfClassifier) {
  const auto network = drawn(tiny());
  const Input probes = probe_input(*network);
  const fs::path file = scratch_folder("onnx") / "model.onnx";
  NoGrad no_grad;
  const Tensor f = network->features(probes);
  const Tensor weight = at::arange(36, at::kFloat).view({3, 12}).cos(), bias = at::ones({3}),
               projection = at::arange(240, at::kFloat).view({12, 20}).sin(),
               wide = at::arange(60, at::kFloat).view({3, 20}).cos();
  const auto written = [&](const LinearClassifier& classifier) {
    return write_onnx(*network, classifier, probes.pixels(), file);
  };
  EXPECT_LT(relative_error(written({weight, bias}), nn::linear(f, weight, bias)), 1e-5);
  EXPECT_LT(relative_error(written({.weight = wide, .projection = projection}),
                           at::relu(f.matmul(projection)).matmul(wide.t())),
            1e-5);
  // The cosine by hand: products over the lengths.
  const Tensor lengths = (f * f).sum(1, true).sqrt() * (weight * weight).sum(1).sqrt();
  const Tensor cosines = written({.weight = weight, .classes = {"a", "b", "c"}, .cosine = true});
  EXPECT_LT(relative_error(cosines, f.matmul(weight.t()) / lengths), 1e-5);
  const std::string text = read_text(file);
  for (const char* part :
       {"images", "scores", "LayerNormalization", R"(["a","b","c"])", "\"size\":16"})
    EXPECT_NE(text.find(part), std::string::npos) << part;
}

TEST(OnnxGraphs, SayWhatHasNone) {
  auto shape = tiny();
  shape.gated = true;
  const auto why = [](const ViTShape& given) {
    return error_of(ErrorKind::model, [&] { error_of_graph(given); });
  };
  EXPECT_TRUE(contains(why(shape), "MLPs with gates"));
  shape = tiny();
  shape.attention_pool = true;
  EXPECT_TRUE(contains(why(shape), "a query that pools"));
  shape = tiny();
  shape.rotary.theta = 100;
  EXPECT_TRUE(contains(why(shape), "positions that turn"));
}

// The message of protobuf's own documents: field 1 of 150 is 08 96 01, field 2 of "testing" is
// 12 07 and the letters.
TEST(ProtobufMessages, AreWrittenInTheWireFormat) {
  EXPECT_EQ(ProtobufMessage().whole(1, 150).bytes(), "\x08\x96\x01");
  EXPECT_EQ(ProtobufMessage().text(2, "testing").bytes(), "\x12\x07testing");
  EXPECT_EQ(ProtobufMessage().message(3, ProtobufMessage().whole(1, 150)).bytes(),
            std::string("\x1a\x03\x08\x96\x01"));
  EXPECT_EQ(ProtobufMessage().whole(1, -1).bytes(), "\x08" + std::string(9, '\xff') + "\x01");
  EXPECT_EQ(ProtobufMessage().real32(1, 1.5F).bytes(), std::string("\x0d\0\0\xc0\x3f", 5));
  EXPECT_EQ(ProtobufMessage().real64(1, -2).bytes(), std::string("\x09\0\0\0\0\0\0\0\xc0", 9));
}

}  // namespace
}  // namespace patina
