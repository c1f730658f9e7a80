// OpenCLIP's checkpoints: its own towers have OpenAI's names, an image tower of timm's stands under
// visual.trunk. Everything that the tensors do not tell is in open_clip_config.json.
#include <fmt/ranges.h>

#include <charconv>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/checkpoint/load.h"
#include "patina/image/transform.h"
#include "patina/models/stored_form.h"
#include "patina/models/two_tower/clip_checkpoint.h"
#include "patina/models/vision/timm.h"
#include "patina/ops.h"

namespace patina {

namespace {

constexpr const char* kTrunk = "visual.trunk.";

// {"eps": 1e-6} and {"approximate": "tanh"}.
double norm_eps(ConfigJson& config) {
  ConfigJson arguments = config.part("norm_kwargs");
  const double eps = arguments.number("eps", 1e-5);
  arguments.finish();
  return eps;
}
nn::Activation activation_of(ConfigJson& config, bool quick) {
  ConfigJson arguments = config.part("act_kwargs");
  const std::string approximate = arguments.word("approximate", "none");
  arguments.finish();
  if (quick) return nn::Activation::quick_gelu;
  return approximate == "tanh" ? nn::Activation::gelu_tanh : nn::Activation::gelu;
}

int64_t hidden_of(ConfigJson& config, int64_t width) {
  return int64_t(double(width) * config.number("mlp_ratio", 4));
}

// The tensors under a prefix, without it.
SafetensorsFile under(const SafetensorsFile& file, const std::string& prefix) {
  std::map<std::string, StoredTensor> tensors;
  for (const auto& [name, tensor] : file.tensors())
    if (name.starts_with(prefix)) tensors[name.substr(prefix.size())] = tensor;
  return SafetensorsFile::of(std::move(tensors), nullptr);
}

void read_text(ConfigJson& config, bool quick, ClipShape& shape) {
  auto& text = shape.text;
  text.vocabulary = config.size("vocab_size", 49408);
  text.positions = text.longest = config.size("context_length", 77);
  text.depth = config.size("layers", 12);
  text.block.width = config.size("width", 512);
  text.block.heads = config.size("heads", 8);
  text.block.hidden = hidden_of(config, text.block.width);
  text.block.activation = activation_of(config, quick);
  text.block.eps = norm_eps(config);
  text.causal = !config.flag("no_causal_mask", false);
  const std::string pool = config.word("pool_type", "argmax");
  if (pool != "argmax" && pool != "last")
    fail(ErrorKind::model, "{}: pool_type = \"{}\" is not supported, only argmax and last",
         config.origin(), pool);
  shape.last_token = pool == "last";
  // SigLIP's tokenizer of 32 000 pieces pads with 1, Gemma's with 0.
  constexpr int64_t kSiglipWords = 32000;
  shape.pad = text.vocabulary == kSiglipWords ? 1 : 0;
  shape.projection_bias = config.flag("proj_bias", false);
  config.skip({"hf_tokenizer_name", "tokenizer_kwargs", "output_tokens", "pad_id", "eos_id"});
  config.finish();
}

// OpenCLIP's own image tower.
void read_tower(ConfigJson& config, bool quick, const Checkpoint& checkpoint, ViTShape& image) {
  image.image_size = config.side("image_size", 224);
  image.patch_size = config.side("patch_size", 16);
  image.width = config.size("width", 768);
  image.depth = config.size("layers", 12);
  const int64_t head = config.size("head_width", 64);
  image.heads = image.width / head;
  image.hidden = hidden_of(config, image.width);
  image.activation = activation_of(config, quick);
  image.eps = norm_eps(config);
  image.patch_bias = false;
  image.pre_norm = true;
  config.skip(
      {"patch_dropout", "attn_pooler_heads", "n_queries", "attn_pooler_queries", "output_tokens"});
  config.must_be("pool_type", "tok");
  config.must_be("pos_embed_type", "learnable");
  config.finish();
  if (image.heads < 1 || image.width % head != 0 || image.image_size % image.patch_size != 0)
    fail(ErrorKind::model,
         "{}: heads of {} do not divide the width {}, or patches of {} the image of {} px",
         checkpoint.origin, head, image.width, image.patch_size, image.image_size);
}

// An image tower of timm's, whose shape its tensors and its name tell.
void read_trunk(ConfigJson& config, const SafetensorsFile& trunk, const Checkpoint& checkpoint,
                ClipShape& shape) {
  const std::string name = config.word("timm_model_name", "");
  ViTFacts facts = timm_architecture(name, trunk);
  // As in files with OpenAI's names.
  const auto& metadata = checkpoint.weights.metadata();
  if (const auto at = metadata.find("vision_heads"); at != metadata.end())
    std::from_chars(at->second.data(), at->second.data() + at->second.size(), facts.heads);
  facts.pool = config.word("timm_pool", "avg");
  // null: the tower's own head projects, with a bias.
  shape.image_bias = config.says_null("timm_proj");
  const std::string projection = config.word("timm_proj", "linear");
  shape.image_projection = projection == "linear";
  if (projection != "linear" && projection != "none" && !projection.empty())
    fail(ErrorKind::model, "{}: timm_proj = \"{}\" is not supported, only linear and none",
         config.origin(), projection);
  config.must_be("timm_proj_bias", false);
  config.skip({"image_size", "timm_model_pretrained", "timm_drop", "timm_drop_path", "width",
               "layers", "patch_size", "patch_dropout", "head_width"});
  config.finish();
  shape.image = vit_shape(trunk, checkpoint.origin, facts);
  shape.image.classes = 0;
}

NameTable names_of(const SafetensorsFile& file, const ClipShape& shape,
                   const SafetensorsFile& trunk) {
  NameTable names{.prefix = "text.",
                  .rules = {{"text.embed", {"@token_embedding"}},
                            {"text.position.weight", {"@positional_embedding"}},
                            {"text.norm", {"@ln_final"}}},
                  .unneeded = {"*attn_mask", "*num_batches_tracked", "visual.trunk.head*"}};
  const std::string prefix = file.has_under("text.") ? "text." : "";
  if (file.has(prefix + "text_projection.weight"))
    names.rules.push_back({"text_projection", {"@text_projection"}});
  else
    names.rules.push_back({"text_projection.weight", {"@text_projection"}, /*transposed=*/true});
  add_openai_blocks(names, "text", "@transformer");
  if (trunk.tensors().empty()) {
    names.rules.insert(names.rules.end(),
                       {{"image.cls_token", {"visual.class_embedding"}},
                        {"image.pos_embed", {"visual.positional_embedding"}},
                        {"image.patch_embed.proj", {"visual.conv1"}},
                        {"image.norm_pre", {"visual.ln_pre"}},
                        {"image.norm", {"visual.ln_post"}},
                        {"image_projection.weight", {"visual.proj"}, /*transposed=*/true}});
    add_openai_blocks(names, "image", "visual.transformer");
    return names;
  }
  if (shape.image_projection)
    names.rules.push_back(
        {"image_projection", {shape.image_bias ? "visual.trunk.head" : "visual.head.proj"}});
  for (const NameRule& rule : timm_names(trunk).rules) {
    NameRule inside{"image." + rule.ours, {}, rule.transposed};
    for (const auto& theirs : rule.theirs) inside.theirs.push_back(kTrunk + theirs);
    names.rules.push_back(std::move(inside));
  }
  names.rules.push_back({"image", {"visual.trunk"}});
  return names;
}

// mean, std and the filter of preprocess_cfg.
void read_images(ConfigJson config, const std::string& asked, ClipShape& shape) {
  const std::string filter = config.word("interpolation", "bicubic");
  if (filter == "bilinear" || filter == "bicubic") shape.interpolation = filter;
  const auto mean = config.numbers("mean"), deviation = config.numbers("std");
  shape.normalize = asked;
  if (shape.normalize.empty())
    shape.normalize = mean.empty() ? "clip" : normalization_name(mean, deviation);
  if (shape.normalize.empty())
    fail(ErrorKind::model,
         "{}: mean = [{}] and std = [{}] are not a normalisation that patina has: set "
         "model.normalize",
         config.origin(), fmt::join(mean, ", "), fmt::join(deviation, ", "));
}

}  // namespace

std::unique_ptr<Backbone> open_open_clip(Checkpoint& checkpoint) {
  ConfigJson model = checkpoint.config->part("model_cfg");
  ConfigJson image = model.part("vision_cfg"), text = model.part("text_cfg");
  const SafetensorsFile trunk = under(checkpoint.weights, kTrunk);
  ClipShape shape;
  shape.embedding = model.size("embed_dim");
  const bool quick = model.flag("quick_gelu", false);
  model.skip({"custom_text", "init_logit_scale", "init_logit_bias"});
  model.must_be("multimodal_cfg", nullptr);
  model.finish();
  read_text(text, quick, shape);
  if (trunk.tensors().empty())
    read_tower(image, quick, checkpoint, shape.image);
  else
    read_trunk(image, trunk, checkpoint, shape);
  read_images(checkpoint.config->part("preprocess_cfg"), checkpoint.normalize, shape);
  shape.score_bias = checkpoint.has("logit_bias");
  if (checkpoint.weights.has("logit_scale"))
    shape.scale_row = checkpoint.weights.at("logit_scale").shape.size() == 1;
  if (!shape.image_projection && shape.image.width != shape.embedding)
    fail(ErrorKind::model, "{}: images have {} features without a projection, texts {}",
         checkpoint.origin, shape.image.width, shape.embedding);
  const NameTable names = names_of(checkpoint.weights, shape, trunk);
  // EVA's keys have no biases in the file.
  const auto whole = std::make_shared<SafetensorsFile>(with_key_biases(trunk));
  std::map<std::string, StoredTensor> zeros;
  for (const auto& [name, tensor] : whole->tensors())
    if (!trunk.has(name)) zeros[kTrunk + name] = tensor;
  Checkpoint completed = checkpoint;
  completed.weights = checkpoint.weights.with(zeros, whole);
  return build_clip(completed, shape, names);
}

void save_clip(Clip& model, const std::string& vocabulary, const fs::path& path, bool bf16,
               std::map<std::string, std::string> metadata) {
  const ClipShape& shape = model.shape();
  const TextShape& text = shape.text;
  PATINA_REQUIRE(shape.image_projection && !shape.image_bias && !shape.last_token,
                 "{} is no CLIP with a linear projection of images", model.about());
  const auto [mean, deviation] = normalization(shape.normalize);
  const Json images = {{"timm_model_name", "vit"}, {"timm_pool", "token"}, {"timm_proj", "linear"}};
  const Json texts = {{"vocab_size", text.vocabulary},
                      {"context_length", text.positions},
                      {"layers", text.depth},
                      {"width", text.block.width},
                      {"heads", text.block.heads},
                      {"mlp_ratio", double(text.block.hidden) / double(text.block.width)}};
  metadata[whole_model::kConfig] =
      Json{{"model_cfg",
            {{"embed_dim", shape.embedding}, {"vision_cfg", images}, {"text_cfg", texts}}},
           {"preprocess_cfg",
            {{"mean", mean}, {"std", deviation}, {"interpolation", shape.interpolation}}}}
          .dump();
  metadata[whole_model::kVocabulary] = vocabulary;
  metadata["vision_heads"] = std::to_string(shape.image.heads);
  NameTable names{.rules = {{"text.embed", {"token_embedding"}},
                            {"text.position.weight", {"positional_embedding"}},
                            {"text.norm", {"ln_final"}},
                            {"text_projection.weight", {"text_projection"}, /*transposed=*/true},
                            {"image_projection", {"visual.head.proj"}}}};
  add_openai_blocks(names, "text", "transformer");
  names.rules.push_back({"image", {"visual.trunk"}});
  NoGrad no_grad;
  std::vector<Tensor> kept;
  std::map<std::string, StoredTensor> stored;
  for (const auto& item : nn::tensors(model)) {
    const auto found = names.find(item.name, "");
    Tensor tensor = on_host(item.tensor.detach()).to(bf16 ? at::kBFloat16 : at::kFloat);
    kept.push_back((found.transposed ? tensor.t() : tensor).contiguous());
    stored[found.theirs.front()] = to_stored(kept.back());
  }
  write_safetensors(path, stored, metadata);
}

}  // namespace patina
