// Model folders: the errors for broken ones, and that families are recognised by their files.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <numeric>
#include <set>

#include "patina/base/file.h"
#include "patina/base/json.h"
#include "patina/checkpoint/load.h"
#include "patina/checkpoint/safetensors.h"
#include "patina/models/catalog.h"
#include "tests/support/errors.h"
#include "tests/support/families.h"
#include "tests/support/heard.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

// A small GPT-2 folder, as it would be published.
std::map<std::string, Tensor> gpt2_tensors() {
  std::map<std::string, Tensor> tensors;
  uint64_t seed = 1;
  const auto add = [&](const std::string& name, const Shape& shape) {
    tensors["transformer." + name] = random_tensor(shape, ++seed, 0.2);
  };
  add("wte.weight", {20, 8});
  add("wpe.weight", {16, 8});
  for (const std::string block : {"h.0.", "h.1."}) {
    for (const char* norm : {"ln_1", "ln_2"}) {
      add(block + norm + ".weight", {8});
      add(block + norm + ".bias", {8});
    }
    const std::vector<std::tuple<const char*, int64_t, int64_t>> linears = {
        {"attn.c_attn", 8, 24}, {"attn.c_proj", 8, 8}, {"mlp.c_fc", 8, 32}, {"mlp.c_proj", 32, 8}};
    for (const auto& [name, in, out] : linears) {
      add(block + name + ".weight", {in, out});
      add(block + name + ".bias", {out});
    }
  }
  add("ln_f.weight", {8});
  add("ln_f.bias", {8});
  return tensors;
}

constexpr const char* kConfig = R"({"model_type": "gpt2", "vocab_size": 20, "n_positions": 16,
  "n_embd": 8, "n_layer": 2, "n_head": 2, "resid_pdrop": 0.1})";

void write_weights(const fs::path& path, const std::map<std::string, Tensor>& tensors) {
  std::map<std::string, StoredTensor> stored;
  for (const auto& [name, tensor] : tensors) stored[name] = to_stored(tensor);
  write_safetensors(path, stored);
}

// The same network from PyTorch's files, new and old, in shards and scripted.
TEST(ModelFolder, OpensPyTorchsFiles) {
  const auto folder = fixture_folder(Fixtures::small);
  const auto tensors_of = [&](const std::string& name, int64_t heads) {
    const auto model = load_backbone({.name = (folder / name).string(), .heads = heads});
    return content_hash(nn::tensors(*model));
  };
  const std::string vit = tensors_of("vision/vit_random.safetensors", 2);
  for (const char* name : {"torch/vit.pth", "torch/vit.old.pth", "torch/sharded"})
    EXPECT_EQ(tensors_of(name, 2), vit) << name;
  EXPECT_TRUE(is_model((folder / "torch/vit.pth").string()));
  // CLIP's heads follow from its width, where no metadata tells them.
  const auto clip = [&](const std::string& name) {
    const std::string path = (folder / name).string();
    return error_of(ErrorKind::model, [&] { load_backbone({.name = path}); });
  };
  EXPECT_NE(clip("torch/clip.scripted.pt").find("0 heads do not divide the width"),
            std::string::npos);
}

TEST(ModelFolder, OpensByItsConfig) {
  const auto folder = scratch_folder("gpt2");
  write_text(folder / "config.json", kConfig);
  write_weights(folder / "model.safetensors", gpt2_tensors());
  const auto model = load_backbone({.name = folder.string()});
  EXPECT_EQ(model->about(), "gpt2 2x8, 2 heads, 20 words");
  EXPECT_EQ(model->text_input()->longest, 16);
  EXPECT_FALSE(model->image_input().has_value());
  // The matrices are stored [in,out].
  for (const auto& item : nn::tensors(*model)) {
    if (item.name != "text.blocks.1.mlp.fc1.weight") continue;
    EXPECT_TRUE(at::equal(item.tensor, gpt2_tensors().at("transformer.h.1.mlp.c_fc.weight").t()));
  }
}

// Everything that is wrong is in one message: renamed, missing, mis-shaped, in a shard not there.
TEST(ModelFolder, NamesEverythingThatDoesNotFitAtOnce) {
  const auto folder = scratch_folder("gpt2_broken");
  write_text(folder / "config.json", kConfig);
  auto tensors = gpt2_tensors();
  std::map<std::string, Tensor> second;
  for (const char* name : {"transformer.ln_f.weight", "transformer.ln_f.bias"})
    second[name] = tensors.at(name), tensors.erase(name);
  auto renamed = tensors.extract("transformer.h.0.attn.c_attn.bias");
  renamed.key() = "transformer.h.0.attn.c_atn.bias";
  tensors.insert(std::move(renamed));
  tensors.erase("transformer.h.1.ln_2.weight");
  tensors["transformer.wpe.weight"] = at::zeros({15, 8});
  write_weights(folder / "model-00001-of-00002.safetensors", tensors);
  Json map = Json::object();
  for (const auto& [name, tensor] : tensors) map[name] = "model-00001-of-00002.safetensors";
  for (const auto& [name, tensor] : second) map[name] = "model-00002-of-00002.safetensors";
  write_text(folder / "model.safetensors.index.json", Json{{"weight_map", map}}.dump());
  EXPECT_EQ(error_of([&] { load_backbone({.name = folder.string()}); }),
            folder.string() +
                ": the weights do not fit the network:\n"
                "  wrong shape: transformer.wpe.weight is [15, 8], the network needs [16, 8]\n"
                "  missing: transformer.h.0.attn.c_attn.bias [24], did you mean "
                "\"transformer.h.0.attn.c_atn.bias\"?\n"
                "  missing: transformer.h.1.ln_2.weight [8]\n"
                "  missing: transformer.ln_f.weight, in the shard model-00002-of-00002.safetensors "
                "that is not here\n"
                "  missing: transformer.ln_f.bias, in the shard model-00002-of-00002.safetensors "
                "that is not here\n"
                "  unexpected: transformer.h.0.attn.c_atn.bias [24]");
}

TEST(ModelFolder, RefusesWhatItCannotRun) {
  const auto folder = scratch_folder("gpt2_refused");
  write_weights(folder / "model.safetensors", gpt2_tensors());
  const auto error = [&](const std::string& from, const std::string& to) {
    std::string text = kConfig;
    text.replace(text.find(from), from.size(), to);
    write_text(folder / "config.json", text);
    return error_of([&] { load_backbone({.name = folder.string()}); });
  };
  EXPECT_TRUE(contains(error("\"resid_pdrop\": 0.1", "\"quantization_config\": {\"bits\": 4}"),
                       "patina does not know quantization_config"));
  EXPECT_TRUE(contains(error("\"gpt2\"", "\"gpt3\""),
                       "model_type \"gpt3\" is not a family patina has, did you mean \"gpt2\"?"));
  EXPECT_TRUE(contains(error("\"n_head\": 2", "\"n_head\": 3"), "3 heads do not divide"));
  EXPECT_TRUE(contains(error("\"n_layer\": 2", "\"n_layer\": 9000000"), "the file holds"));
  EXPECT_TRUE(contains(error("\"n_head\": 2", "\"scale_attn_by_inverse_layer_idx\": true"),
                       "scale_attn_by_inverse_layer_idx = true is not supported, only false"));
  fs::remove(folder / "config.json");
  EXPECT_TRUE(contains(error_of([&] { load_backbone({.name = folder.string()}); }),
                       "no config.json beside it"));
}

// GPT-2's head is its token embedding, unless the file has another one: a fine-tuned head of its
// own under a config.json that still calls it tied.
TEST(ModelFolder, AHeadOfItsOwnIsUsedAndSaid) {
  const auto folder = scratch_folder("gpt2_head");
  write_text(folder / "config.json", kConfig);
  const auto scores = [&](const std::map<std::string, Tensor>& tensors) {
    write_weights(folder / "model.safetensors", tensors);
    const auto model = load_backbone({.name = folder.string()});
    return model->word_scores(random_tensor({1, 2, 8}, 5));
  };
  auto tensors = gpt2_tensors();
  const Tensor tied = scores(tensors);
  const Heard heard;
  tensors["lm_head.weight"] = tensors.at("transformer.wte.weight").clone();
  EXPECT_TRUE(at::equal(scores(tensors), tied));
  EXPECT_EQ(heard.text(), "");
  tensors["lm_head.weight"] = tensors.at("transformer.wte.weight") * 2;
  EXPECT_LT(relative_error(scores(tensors), tied * 2), 1e-6);
  EXPECT_PRED2(contains, heard.text(),
               "lm_head.weight is not transformer.wte.weight: the file's own head is used");
}

TEST(ModelFolder, IntegersAreNotWeights) {
  const auto folder = scratch_folder("gpt2_integers");
  write_text(folder / "config.json", kConfig);
  auto tensors = gpt2_tensors();
  tensors["transformer.h.0.mlp.c_fc.weight"] = at::zeros({8, 32}, at::kChar);
  write_weights(folder / "model.safetensors", tensors);
  EXPECT_TRUE(contains(error_of([&] { load_backbone({.name = folder.string()}); }),
                       "wrong type: transformer.h.0.mlp.c_fc.weight is I8"));
}

// Every key of every family's config under hostile values: the model opens or the error says why.
TEST(ModelFolder, HostileConfigsAreRefused) {
  const std::vector<std::string> configs = {
      R"({"model_type": "bert", "vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 1,
          "num_attention_heads": 2, "intermediate_size": 6, "max_position_embeddings": 8,
          "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu", "pad_token_id": 0})",
      R"({"model_type": "roberta", "vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 1,
          "num_attention_heads": 2, "intermediate_size": 6, "max_position_embeddings": 8,
          "type_vocab_size": 1, "layer_norm_eps": 1e-5, "pad_token_id": 1})",
      R"({"model_type": "distilbert", "vocab_size": 9, "dim": 4, "n_layers": 1, "n_heads": 2,
          "hidden_dim": 6, "max_position_embeddings": 8, "activation": "gelu"})",
      kConfig,
      R"({"model_type": "llama", "vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 1,
          "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 6, "head_dim": 2,
          "rope_theta": 1e4, "rms_norm_eps": 1e-5, "tie_word_embeddings": true})",
      R"({"model_type": "qwen2", "vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 1,
          "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 6,
          "rope_parameters": {"rope_type": "default", "rope_theta": 1e4}})",
      R"({"model_type": "mistral", "vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 1,
          "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 6, "head_dim": 2,
          "rope_scaling": {"rope_type": "linear", "factor": 2}, "sliding_window": 4})",
      R"({"model_type": "qwen3", "vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 1,
          "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 6, "head_dim": 2,
          "use_sliding_window": true, "max_window_layers": 0, "sliding_window": 4,
          "layer_types": ["sliding_attention"]})",
      R"({"model_type": "phi3", "vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1,
          "num_attention_heads": 2, "intermediate_size": 6, "partial_rotary_factor": 0.5,
          "original_max_position_embeddings": 4, "sliding_window": 4})",
      R"({"model_type": "gemma2", "vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 1,
          "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 6, "head_dim": 2,
          "query_pre_attn_scalar": 2, "attn_logit_softcapping": 50, "final_logit_softcapping": 30})",
      R"({"model_type": "gemma3_text", "vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 1,
          "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 6, "head_dim": 2,
          "sliding_window_pattern": 6, "rope_local_base_freq": 1e4, "rope_theta": 1e6})",
      R"({"model_type": "modernbert", "vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 2,
          "num_attention_heads": 2, "intermediate_size": 6, "max_position_embeddings": 8,
          "local_attention": 4, "global_attn_every_n_layers": 2, "global_rope_theta": 1e5,
          "local_rope_theta": 1e4, "norm_eps": 1e-5, "norm_bias": false, "attention_bias": false,
          "mlp_bias": false, "classifier_pooling": "mean", "hidden_activation": "gelu"})",
      R"({"model_type": "deberta-v2", "vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 1,
          "num_attention_heads": 2, "intermediate_size": 6, "max_position_embeddings": 8,
          "relative_attention": true, "position_buckets": 4, "max_relative_positions": -1,
          "norm_rel_ebd": "layer_norm", "share_att_key": true, "pos_att_type": "p2c|c2p",
          "position_biased_input": false, "type_vocab_size": 0, "attention_head_size": 2})",
      R"({"model_type": "t5", "vocab_size": 9, "d_model": 4, "d_kv": 2, "d_ff": 6, "num_layers": 1,
          "num_decoder_layers": 1, "num_heads": 2, "relative_attention_num_buckets": 4,
          "relative_attention_max_distance": 8, "feed_forward_proj": "gated-gelu"})",
      R"({"model_type": "clip", "projection_dim": 4, "text_config": {"vocab_size": 9},
          "vision_config": {"image_size": 8, "patch_size": 4}})"};
  const std::vector<Json> hostile = {nullptr,       true,           0,        -1,      1,      3,
                                     1e300,         16777216,       16777217, -1e-300, "gelu", "",
                                     Json::array(), Json::object(), "x"};
  const auto folder = scratch_folder("hostile_configs");
  write_weights(folder / "model.safetensors", gpt2_tensors());
  int refused = 0;
  for (const auto& text : configs) {
    const Json good = Json::parse(text);
    for (const auto& [key, value] : good.items())
      for (const Json& bad : hostile) {
        Json config = good;
        config[key] = bad;
        write_text(folder / "config.json", config.dump());
        refused += !error_of([&] { load_backbone({.name = folder.string()}); }).empty();
      }
  }
  EXPECT_GT(refused, 1000);
}

// The settings of rotary positions, windows and heads, each with the message of its error.
TEST(ModelFolder, NamesWhatIsWrongWithADecodersConfig) {
  const auto folder = scratch_folder("decoder_configs");
  write_weights(folder / "model.safetensors", gpt2_tensors());
  const auto error = [&](const std::string& family, const char* changes) {
    Json config = {{"model_type", family},     {"vocab_size", 9},
                   {"hidden_size", 32},        {"num_hidden_layers", 2},
                   {"num_attention_heads", 4}, {"num_key_value_heads", 2},
                   {"intermediate_size", 6},   {"max_position_embeddings", 16}};
    config.update(Json::parse(changes));
    write_text(folder / "config.json", config.dump());
    return error_of([&] { load_backbone({.name = folder.string()}); });
  };
  const auto says = [&](const std::string& family, const char* changes, const char* message) {
    const std::string text = error(family, changes);
    EXPECT_TRUE(contains(text, message)) << text;
  };
  const std::string config = (folder / "config.json").string();
  EXPECT_EQ(error("llama", R"({"rope_scaling": {"rope_type": "magic", "factor": 2}})"),
            config +
                ": rope_scaling: rope_type = \"magic\" is not supported; patina has default, "
                "linear, dynamic, yarn, llama3, longrope, su");
  EXPECT_EQ(error("phi3", R"({"rope_scaling": {"type": "linear", "factor": 2}})"),
            config +
                ": rope_scaling: rope_type = \"linear\" is not supported; the family has "
                "default, longrope, su");
  for (const char* type : {"linear", "dynamic", "yarn", "llama3"}) {
    const std::string scaling = std::string(R"({"rope_scaling": {"rope_type": ")") + type + "\"}}";
    EXPECT_EQ(error("mistral", scaling.c_str()), config + ": rope_scaling: no factor") << type;
  }
  says("llama", R"({"rope_scaling": {"rope_type": "linear", "factor": -2}})",
       "rope_scaling: factor = -2 is not a number above 0");
  says("llama", R"({"rope_scaling": {"rope_type": "dynamic", "factor": 0.5}})",
       "rope_scaling: factor = 0.5 is below 1");
  says("llama", R"({"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 4}})",
       "rope_scaling: no high_freq_factor");
  says("llama",
       R"({"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 4,
                            "high_freq_factor": 1}})",
       "high_freq_factor = 1 is not above low_freq_factor = 4");
  says("llama", R"({"rope_scaling": {"rope_type": "longrope", "short_factor": [1, 2]}})",
       "short_factor has 2 numbers; a head has 4 pairs of channels that turn");
  says("llama", R"({"rope_scaling": {"rope_type": "yarn", "factor": 2}, "rope_theta": 1})",
       "rope_scaling: yarn needs a rope_theta above 1, not 1");
  says("llama",
       R"({"rope_scaling": {"rope_type": "longrope", "original_max_position_embeddings": 1,
                            "short_factor": [1, 1, 1, 1], "long_factor": [1, 1, 1, 1]}})",
       "the values of longrope give frequencies that are not finite");
  says("llama", R"({"rope_scaling": {"rope_type": "linear", "factor": 2, "low_freq_factor": 1}})",
       "patina does not know low_freq_factor = 1");
  says("llama",
       R"({"rope_scaling": {"type": "linear", "factor": 2}, "rope_parameters": {"factor": 2}})",
       "rope_scaling and rope_parameters both describe the rotary positions; remove one");
  says("llama", R"({"partial_rotary_factor": 0.5})",
       "partial_rotary_factor = 0.5 is not supported, only 1");
  says("phi3", R"({"partial_rotary_factor": 0.4})",
       "partial_rotary_factor = 0.4 turns 3 of a head's 8 channels; an even number can turn");
  says("mistral", R"({"sliding_window": -4})",
       "sliding_window = -4 is not a whole number from 1 to 16777216");
  says("mistral", R"({"layer_types": ["full_attention", "sliding_attention"]})",
       "layer_types holds \"full_attention\", which is not supported, only "
       "\"sliding_attention\"");
  says("qwen3", R"({"layer_types": ["full_attention"]})", "layer_types has 1 entries for 2 blocks");
  says("qwen3", R"({"layer_types": ["full_attention", "chunked_attention"]})",
       "layer_types has \"chunked_attention\", which is not supported; patina has full_attention "
       "and sliding_attention");
  says("qwen2", R"({"layer_types": ["full_attention", "sliding_attention"]})",
       "layer_types has sliding_attention, but no window is set");
  says("qwen3", R"({"num_attention_heads": 3, "num_key_value_heads": 2})",
       "2 key heads do not divide 3 heads");
  says("mistral", R"({"num_attention_heads": 3, "num_key_value_heads": 3})",
       "3 heads do not divide the width 32");
  says("qwen3", R"({"head_dim": 5})", "rotary positions need heads of an even size, not 5");
  says("gemma2", R"({"attn_logit_softcapping": -50})", "attn_logit_softcapping = -50 is not a");
  says("gemma2", R"({"use_bidirectional_attention": true})",
       "use_bidirectional_attention = true is not supported, only false");
  says("gemma3", "{}", "did you mean \"gemma2\"?");
}

TEST(ModelFolder, NamesWhatIsWrongWithAnEncodersConfig) {
  const auto folder = scratch_folder("encoder_configs");
  write_weights(folder / "model.safetensors", gpt2_tensors());
  const auto says = [&](const char* family, const char* changes, const char* message) {
    Json config = {{"model_type", family},       {"vocab_size", 9},
                   {"hidden_size", 32},          {"num_hidden_layers", 2},
                   {"num_attention_heads", 4},   {"intermediate_size", 6},
                   {"relative_attention", true}, {"pos_att_type", "c2p|p2c"}};
    if (config["model_type"] == "modernbert")
      config.erase("relative_attention"), config.erase("pos_att_type");
    config.update(Json::parse(changes));
    write_text(folder / "config.json", config.dump());
    const std::string text = error_of([&] { load_backbone({.name = folder.string()}); });
    EXPECT_TRUE(contains(text, message)) << text;
  };
  says("modernbert", R"({"classifier_pooling": "max"})",
       "classifier_pooling = \"max\" is not supported; patina has cls and mean");
  says("modernbert", R"({"layer_types": ["full_attention"]})",
       "layer_types has 1 entries for 2 blocks");
  says("modernbert", R"({"rope_scaling": {"rope_type": "linear", "factor": 2},
                         "rope_parameters": {"full_attention": {"rope_theta": 5}}})",
       "rope_parameters: patina does not know full_attention");
  says("modernbert", R"({"num_attention_heads": 3})", "3 heads do not divide the width 32");
  says("deberta-v2", R"({"conv_kernel_size": 3})", "conv_kernel_size = 3 is not supported, only 0");
  says("deberta-v2", R"({"embedding_size": 16})", "embedding_size = 16 is not supported, only 32");
  says("deberta-v2", R"({"pos_att_type": ["c2p", "p2p"]})",
       "pos_att_type has \"p2p\", which is not supported; patina has c2p and p2c");
  says("deberta-v2", R"({"relative_attention": false})", "relative_attention is not true");
  says("deberta-v2", R"({"pos_att_type": null})", "relative_attention, but no pos_att_type");
  says("deberta-v2", R"({"norm_rel_ebd": "batch_norm"})",
       "norm_rel_ebd = \"batch_norm\" is not supported; patina has none and layer_norm");
  says("deberta-v2", R"({"position_buckets": 256, "max_relative_positions": 100})",
       "position_buckets = 256 do not fit distances up to 100");
  says("deberta-v2", R"({"max_relative_positions": -7})",
       "max_relative_positions = -7 is not a whole number");
}

/// Remembers what it was asked for, and holds nothing.
class AskedSpaces : public FeatureCache {
 public:
  std::set<std::string> spaces;

  std::vector<int64_t> find(const std::string& space, const Tensor& keys, Tensor&) override {
    spaces.insert(space);
    std::vector<int64_t> rows(size_t(keys.size(0)));
    std::iota(rows.begin(), rows.end(), int64_t{0});
    return rows;
  }
  void add(const std::string&, const Tensor&, const Tensor&) override {}
  void passed_by(int64_t) override {}
};

// Networks of the same weights that differ in texts longer than a few tokens alone.
TEST(Backbones, OfEqualWeightsHaveCachedFeaturesOfTheirOwn) {
  const auto asked = std::make_shared<AskedSpaces>();
  const std::vector<std::function<void(TextShape&)>> variants = {
      [](TextShape&) {},
      [](TextShape& text) { text.block.rotary.theta = 500; },
      [](TextShape& text) {
        text.block.rotary.frequencies = {1, 0.5, 0.25};
      },
      [](TextShape& text) { text.block.rotary.trained = 16, text.block.rotary.growth = 2; },
      [](TextShape& text) { text.block.rotary.trained = 32, text.block.rotary.growth = 2; },
      [](TextShape& text) { text.block.window = 16; },
      [](TextShape& text) {
        text.local = {true, false}, text.window = 16;
      },
      [](TextShape& text) {
        text.local = {false, true}, text.window = 16;
      },
  };
  for (const auto& change : variants) {
    LanguageShape shape = tiny_language("llama");
    change(shape.text);
    const auto network = stirred(LanguageModel(shape));
    network->set_cache(asked);
    Input input = tiny_text();
    input.keys = at::zeros({2, 2}, at::kLong);
    network->features(input);
    network->features(input);
  }
  EXPECT_EQ(asked->spaces.size(), variants.size());
}

TEST(Backbones, CloneIntoTensorsOfTheirOwn) {
  for (const auto& name : tiny_families()) {
    const auto family = tiny_family(name);
    const auto copy = family.network->clone();
    EXPECT_TRUE(at::equal(copy->features(family.input), family.network->features(family.input)));
    const auto ours = nn::tensors(*copy), theirs = nn::tensors(*family.network);
    ASSERT_EQ(ours.size(), theirs.size());
    for (size_t i = 0; i < ours.size(); ++i)
      EXPECT_NE(ours[i].tensor.data_ptr(), theirs[i].tensor.data_ptr()) << ours[i].name;
    NoGrad no_grad;
    for (auto& item : nn::tensors(*copy)) item.tensor.zero_();
    EXPECT_GT(family.network->features(family.input).abs().max().item<float>(), 0) << name;
  }
}

}  // namespace
}  // namespace patina
