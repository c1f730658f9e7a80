// A tiny network of every family, with random weights, and input for it.
#pragma once

#include <functional>

#include "patina/models/text/encoder_decoder.h"
#include "patina/models/text/language_model.h"
#include "patina/models/two_tower/clip.h"
#include "tests/support/tensors.h"

namespace patina {

/// One family's tower, as an adaptation sees it.
struct TinyFamily {
  std::string name;
  std::shared_ptr<Backbone> network;  // frozen
  nn::BlockShape block;
  int64_t layers = 0, prompt_layers = 0;
  Input input;
  /// All tokens after all blocks: [B,T,D].
  std::function<Tensor(const nn::Adaptations&)> forward;
};

inline constexpr int64_t kTinyWords = 30;

/// Random ids, the second row two tokens shorter.
inline Input tiny_text(int64_t tokens = 7) {
  Random random = Seeds(3)("ids");
  Tensor ids = at::zeros({2, tokens}, at::kLong), mask = at::ones({2, tokens}, at::kLong);
  for (int64_t i = 0; i < ids.numel(); ++i)
    ids.data_ptr<int64_t>()[i] = 2 + int64_t(random.below(kTinyWords - 2));
  ids[1].slice(0, tokens - 2).fill_(1);
  mask[1].slice(0, tokens - 2).fill_(0);
  return {ids, mask};
}

/// Draws every weight from N(0, 0.2²), norms around 0.5, and freezes the network.
template <class Network>
std::shared_ptr<Network> stirred(Network network, uint64_t seed = 1) {
  auto made = std::make_shared<Network>(std::move(network));
  Random random = Seeds(seed)("weights");
  for (auto& item : nn::tensors(*made))
    nn::init_normal(item.tensor, random, item.name.find("norm") != std::string::npos ? 0.5 : 0,
                    0.2);
  nn::freeze(*made);
  return made;
}

inline LanguageShape tiny_language(const std::string& family) {
  LanguageShape shape{.family = family, .words = true};
  shape.text = {.block = {.width = 24, .heads = 4, .hidden = 40},
                .depth = 2,
                .vocabulary = kTinyWords,
                .longest = 64};
  TextShape& text = shape.text;
  nn::BlockShape& block = text.block;
  if (family == "bert" || family == "roberta" || family == "distilbert" || family == "mpnet") {
    block.post_norm = true;
    text.positions = 64;
    text.embed_norm = true;
    text.final_norm = false;
    text.types = family == "bert" ? 2 : family == "roberta" ? 1 : 0;
    text.pad = family == "roberta" || family == "mpnet" ? 1 : -1;
    text.relative_buckets = family == "mpnet" ? 8 : 0;
    shape.word_head = {.transform = true, .bias = true};
    return shape;
  }
  if (family == "modernbert") {
    block = {.width = 24,
             .heads = 4,
             .hidden = 40,
             .qkv_bias = false,
             .proj_bias = false,
             .mlp_bias = false,
             .norm_bias = false,
             .gated = true};
    block.rotary.theta = 10000;
    text.local = {false, true};
    text.window = 3;
    text.local_rotary.theta = 500;
    text.embed_norm = text.bare_first = true;
    shape.word_head = {
        .transform = true, .bias = true, .transform_bias = false, .norm_bias = false};
    return shape;
  }
  if (family == "deberta" || family == "deberta_own") {
    const bool own = family == "deberta_own";
    block.post_norm = text.embed_norm = true;
    block.disentangled = {true, true, own};
    block.scaled_as = 3 * 6;
    text.final_norm = false;
    text.distances = own ? 3 : 4;
    text.distance_buckets = own ? 0 : 4;
    text.distance_furthest = own ? 3 : 64;
    text.distance_norm = !own;
    shape.word_head = {.transform = true, .bias = true};
    return shape;
  }
  shape.pooling = Pooling::last;
  text.causal = true;
  if (family == "gpt2") {
    text.positions = 64;
    block.activation = nn::Activation::gelu_tanh;
    return shape;
  }
  block.key_heads = 2;
  block.qkv_bias = family == "qwen2";
  if (family == "gemma") {  // all that Gemma 2 and 3 have
    block.around_one = block.sum_norm = block.head_norm = true;
    block.head_size = 8;
    block.scaled_as = 12;
    block.cap = 3;
    text.local = {true, false};
    text.window = 3;
    text.local_rotary.theta = 500;
    text.embed_scale = 2;
    shape.word_head.cap = 4;
  }
  block.proj_bias = block.mlp_bias = false;
  block.rms_norm = block.gated = true;
  block.activation = family == "gemma" ? nn::Activation::gelu_tanh : nn::Activation::silu;
  block.rotary.theta = 10000;
  return shape;
}

inline EncoderDecoderShape tiny_t5(bool gated) {
  EncoderDecoderShape shape{.family = "t5", .vocabulary = kTinyWords};
  shape.encoder = {
      .block = {.width = 24,
                .heads = 4,
                .head_size = 5,
                .hidden = 40,
                .qkv_bias = false,
                .proj_bias = false,
                .mlp_bias = false,
                .rms_norm = true,
                .scaled = false,
                .gated = gated,
                .activation = gated ? nn::Activation::gelu_tanh : nn::Activation::relu},
      .depth = 2,
      .relative_buckets = 8,
      .relative_furthest = 20};
  shape.decoder = shape.encoder;
  shape.decoder.causal = shape.decoder.block.cross = true;
  shape.word_head = {.tied = !gated, .scale = gated ? 1 : 0.2};
  return shape;
}

inline EncoderDecoderShape tiny_bart() {
  EncoderDecoderShape shape{.family = "bart", .vocabulary = kTinyWords};
  shape.encoder = {.block = {.width = 24, .heads = 4, .hidden = 40, .post_norm = true},
                   .depth = 2,
                   .positions = 66,
                   .position_start = 2,
                   .longest = 64,
                   .embed_scale = 2,
                   .embed_norm = true,
                   .final_norm = false};
  shape.decoder = shape.encoder;
  shape.decoder.causal = shape.decoder.block.cross = true;
  shape.word_head.bias = true;
  return shape;
}

inline ClipShape tiny_clip() {
  ClipShape shape{.embedding = 16};
  shape.image = kTinyViT;
  shape.image.patch_bias = false;
  shape.image.pre_norm = true;
  shape.image.activation = nn::Activation::quick_gelu;
  shape.text = {
      .block = {.width = 20, .heads = 2, .hidden = 32, .activation = nn::Activation::quick_gelu},
      .depth = 2,
      .vocabulary = kTinyWords,
      .positions = 64,
      .longest = 64,
      .causal = true};
  return shape;
}

inline TinyFamily tiny_family(const std::string& name) {
  TinyFamily family{.name = name, .input = tiny_text()};
  if (name == "t5" || name == "t5_gated" || name == "bart") {
    const auto pair =
        stirred(EncoderDecoder(name == "bart" ? tiny_bart() : tiny_t5(name == "t5_gated")));
    family.network = pair;
    family.forward = [pair, input = family.input](const nn::Adaptations& adaptations) {
      return pair->decode(tiny_text(4).data, pair->tokens(input, adaptations), input.mask,
                          adaptations);
    };
  } else if (name == "clip_image" || name == "clip_text") {
    const auto clip = stirred(Clip(tiny_clip()));
    family.network = clip;
    if (name == "clip_image") family.input = random_tensor({2, 3, 16, 16}, 99);
  } else if (name == "vit") {
    family.network = std::shared_ptr<Backbone>(random_vit());
    family.input = random_tensor({2, 3, 16, 16}, 99);
  } else {
    family.network = stirred(LanguageModel(tiny_language(name)));
  }
  family.block = name == "clip_text" ? tiny_clip().text.block : family.network->block();
  family.layers = family.network->layers();
  family.prompt_layers = family.network->prompt_layers();
  if (!family.forward)
    family.forward = [network = family.network,
                      input = family.input](const nn::Adaptations& adaptations) {
      return network->tokens(input, adaptations);
    };
  return family;
}

inline std::vector<std::string> tiny_families() {
  return {"vit",     "bert",        "roberta", "distilbert", "mpnet",    "modernbert",
          "deberta", "deberta_own", "gpt2",    "llama",      "qwen2",    "gemma",
          "t5",      "t5_gated",    "bart",    "clip_image", "clip_text"};
}

}  // namespace patina
