// ViT checkpoints: timm's names. The shape is derived from the tensors; heads and normalisation
// come from the file's metadata or from the config.json that timm writes beside it.
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/base/work.h"
#include "patina/checkpoint/load.h"
#include "patina/image/transform.h"
#include "patina/models/catalog.h"
#include "patina/models/model_folder.h"
#include "patina/models/stored_form.h"
#include "patina/models/vision/timm.h"

namespace patina {

namespace {

// A small positive number from the metadata, or 0.
int64_t metadata_number(const SafetensorsFile& file, const char* key) {
  const auto at = file.metadata().find(key);
  if (at == file.metadata().end()) return 0;
  int64_t value = 0;
  const auto& text = at->second;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  return end.ec == std::errc() && value > 0 && value <= 1 << 20 ? value : 0;
}

std::vector<int64_t> need(const SafetensorsFile& file, const std::string& tensor, size_t dims,
                          const std::string& origin) {
  if (!file.has(tensor))
    fail(ErrorKind::model, "{}: not a ViT with timm's names: there is no {}", origin, tensor);
  const auto& shape = file.at(tensor).shape;
  if (shape.size() != dims || std::count(shape.begin(), shape.end(), 0) > 0)
    fail(ErrorKind::model, "{}: {} has the shape {}, a ViT's has {} dimensions", origin, tensor,
         shape_text(shape), dims);
  return shape;
}

// Widths at which published ViTs do not have one head per 64 channels; `word` is in timm's name.
struct OtherHeads {
  int64_t width, heads;
  const char *word, *called;
};
constexpr OtherHeads kOtherHeads[] = {{1152, 16, "so400m", "SoViT-400m"},
                                      {1280, 16, "huge", "ViT-H"},
                                      {1408, 16, "giant", "ViT-g"},
                                      {1664, 16, "gigantic", "ViT-G"}};

// EVA's blocks have biases of queries and values without one of keys.
bool is_eva(const SafetensorsFile& file) {
  return file.has("blocks.0.attn.q_bias") || file.has("blocks.0.attn.q_proj.weight") ||
         file.has("blocks.0.gamma_1");
}

// Parts of networks with timm's names that patina does not have.
void check_parts(const SafetensorsFile& file, const std::string& origin) {
  static const std::pair<const char*, const char*> parts[] = {
      {"blocks.0.attn.relative_position_bias_table", "BEiT, with relative positions"},
      {"blocks.0.attn.gate.weight", "a ViT whose attention has a gate"},
      {"blocks.0.attn.rope.periods", "a ViT with rotary positions of its blocks"},
      {"patch_embed.backbone.conv.weight", "a hybrid of a convolutional network and a ViT"}};
  for (const auto& [tensor, what] : parts)
    if (file.has(tensor))
      fail(ErrorKind::model, "{}: {} ({}) is not supported", origin, what, tensor);
  if (is_eva(file) && !file.has("pos_embed"))
    fail(
        ErrorKind::model,
        "{}: a ViT without learned positions under timm's names (DINOv3) is not supported; use the "
        "model's folder of Hugging Face's (dinov3_vit)",
        origin);
}

// timm's config.json; one of another library tells nothing.
ViTFacts timm_facts(ConfigJson config, const SafetensorsFile& file) {
  const std::string architecture = config.word("architecture", "");
  if (architecture.empty()) return {};
  ViTFacts told;
  ConfigJson arguments = config.part("model_args");
  if (arguments.has("num_heads")) told.heads = arguments.size("num_heads");
  told.activation = arguments.word("act_layer", "");
  if (told.activation == "gelu_tanh") told.activation = "gelu_pytorch_tanh";
  if (told.activation == "quickgelu") told.activation = "quick_gelu";
  told = told.completed(timm_architecture(architecture, file));
  told.pool = config.word("global_pool", "");
  // Older versions of timm wrote the values beside the architecture.
  ConfigJson trained = config.has("pretrained_cfg") ? config.part("pretrained_cfg") : config;
  const std::string filter = trained.word("interpolation", "");
  if (filter == "bilinear" || filter == "bicubic") told.interpolation = filter;
  const auto mean = trained.numbers("mean"), deviation = trained.numbers("std");
  if (mean.empty() && deviation.empty()) return told;
  told.normalize = normalization_name(mean, deviation);
  if (told.normalize.empty())
    fail(ErrorKind::model,
         "{}: mean = [{}] and std = [{}] are not a normalisation that patina has: set "
         "model.normalize",
         trained.origin(), fmt::join(mean, ", "), fmt::join(deviation, ", "));
  return told;
}

// The metadata of a file, under the names of ViTFacts' members.
ViTFacts metadata_facts(const SafetensorsFile& file) {
  ViTFacts told{metadata_number(file, "heads"), ""};
  const auto word = [&](const char* key, std::string& value) {
    if (const auto at = file.metadata().find(key); at != file.metadata().end()) value = at->second;
  };
  word("normalize", told.normalize);
  word("interpolation", told.interpolation);
  word("activation", told.activation);
  word("pool", told.pool);
  std::string eps;
  word("eps", eps);
  if (!eps.empty()) std::from_chars(eps.data(), eps.data() + eps.size(), told.eps);
  if (!(told.eps > 0 && told.eps < 1)) told.eps = 0;
  if (file.metadata().count("rotary_grid")) told.rotary_grid = metadata_number(file, "rotary_grid");
  return told;
}

// The reverse: what a file must tell so that the same network is read from it.
std::map<std::string, std::string> facts_of(const ViTShape& shape, const ImageInput& image) {
  std::map<std::string, std::string> facts = {{"heads", std::to_string(shape.heads)},
                                              {"normalize", image.normalize}};
  const ViTShape usual;
  if (image.interpolation != ImageInput().interpolation)
    facts["interpolation"] = image.interpolation;
  if (shape.activation != usual.activation || shape.pre_norm)
    facts["activation"] = ConfigJson::name_of(shape.activation);
  if (shape.eps != usual.eps) facts["eps"] = fmt::format("{}", shape.eps);
  if (shape.patch_mean) facts["pool"] = "avg";
  if (shape.rotary.theta > 0) facts["rotary_grid"] = std::to_string(shape.rotary.grid);
  return facts;
}

ViTFacts told_by_file(const Checkpoint& checkpoint, const ViTFacts& asked) {
  const ViTFacts told = asked.completed(metadata_facts(checkpoint.weights));
  // A file that patina wrote tells everything; a folder's config.json may be another's.
  const bool complete = told.heads > 0 && !told.normalize.empty() && !is_eva(checkpoint.weights) &&
                        checkpoint.weights.metadata().count("heads") > 0;
  if (complete || !checkpoint.config) return told;
  return told.completed(timm_facts(*checkpoint.config, checkpoint.weights));
}

// Learned positions are of the patches and of some tokens before them.
void read_positions(const SafetensorsFile& file, const std::string& origin, ViTShape& shape) {
  const auto& positions = need(file, "pos_embed", 3, origin);
  const int64_t usual = shape.class_token + shape.distilled;
  std::vector<int64_t> fitting, tried;
  for (const int64_t placed : {usual, int64_t{0}, shape.prefix()}) {
    if (std::ranges::find(tried, placed) != tried.end()) continue;
    tried.push_back(placed);
    const int64_t patches = positions[1] - placed;
    const int64_t grid = std::llround(std::sqrt(double(std::max<int64_t>(0, patches))));
    if (grid < 1 || grid * grid != patches) continue;
    fitting.push_back(placed);
    shape.image_size = grid * shape.patch_size;
  }
  if (fitting.empty())
    fail(ErrorKind::model, "{}: pos_embed {} is not that of a square image", origin,
         shape_text(positions));
  if (fitting.size() > 1)
    fail(ErrorKind::model,
         "{}: pos_embed {} can be that of images of several sizes, with and without the tokens "
         "before the patches",
         origin, shape_text(positions));
  shape.placed_tokens = fitting.front() == usual ? -1 : fitting.front();
}

void read_mlp(const SafetensorsFile& file, const std::string& origin, const std::string& activation,
              ViTShape& shape) {
  const NameTable names = timm_names(file);
  const auto fc1 = names.find("blocks.0.mlp.fc1.weight", "").theirs;
  const std::string fc2 = names.find("blocks.0.mlp.fc2.weight", "").theirs.front();
  const int64_t rows = need(file, fc1.front(), 2, origin)[0] * int64_t(fc1.size());
  shape.hidden = file.has(fc2) ? need(file, fc2, 2, origin)[1] : rows;
  shape.gated = rows == 2 * shape.hidden;
  shape.mlp_norm = file.has("blocks.0.mlp.norm.weight");
  if (!activation.empty() && !shape.gated)
    shape.activation =
        ConfigJson(Json::object(), origin).activation_called(activation, "activation");
  if (shape.gated) shape.activation = nn::Activation::silu;
}

void read_pool(const SafetensorsFile& file, const std::string& origin, const std::string& pool,
               ViTShape& shape) {
  shape.pooled_norm = file.has("fc_norm.weight");
  shape.final_norm = file.has("norm.weight");
  shape.attention_pool = file.has("attn_pool.latent");
  const bool known = pool.empty() || pool == "token" || pool == "avg" || pool == "map";
  if (!known || (pool == "map" && !shape.attention_pool))
    fail(ErrorKind::model, "{}: global_pool = \"{}\" is not supported", origin, pool);
  shape.patch_mean = pool == "avg" && !shape.pooled_norm && !shape.attention_pool;
  if (shape.attention_pool &&
      (need(file, "attn_pool.latent", 3, origin)[1] != 1 || !file.has("attn_pool.q.weight") ||
       !file.has("attn_pool.norm.weight") || file.has("attn_pool.q_norm.weight") ||
       file.has("attn_pool.pos_embed")))
    fail(ErrorKind::model,
         "{}: a pool by attention with several queries, without a projection of its query, a norm "
         "or an MLP, or with norms of queries and keys is not supported",
         origin);
  if (!shape.class_token && !shape.pooled_norm && !shape.attention_pool && !shape.patch_mean)
    fail(ErrorKind::model, "{}: a ViT without cls_token needs fc_norm to pool its patches", origin);
}

}  // namespace

ViTFacts timm_architecture(const std::string& name, const SafetensorsFile& file) {
  const auto has = [&](const char* word) { return name.find(word) != std::string::npos; };
  ViTFacts told;
  if (!file.has("patch_embed.proj.weight")) return told;
  const auto& patch = file.at("patch_embed.proj.weight").shape;
  for (const auto& row : kOtherHeads)
    if (told.heads == 0 && !patch.empty() && patch[0] == row.width && has(row.word))
      told.heads = row.heads;
  told.activation = has("quickgelu") ? "quick_gelu" : "gelu";
  if (!is_eva(file)) return told;
  // EVA-02 was trained on a grid of 16 x 16; its largest has no rotary positions, like EVA.
  constexpr int64_t kEvaGrid = 16;
  if (name.starts_with("eva02_")) told.rotary_grid = has("enormous") ? 0 : kEvaGrid;
  if (name.starts_with("eva_")) told.rotary_grid = 0;
  return told;
}

ViTFacts ViTFacts::completed(const ViTFacts& other) const {
  ViTFacts all = *this;
  if (all.heads == 0) all.heads = other.heads;
  if (all.eps == 0) all.eps = other.eps;
  if (all.rotary_grid < 0) all.rotary_grid = other.rotary_grid;
  const std::pair<std::string*, const std::string*> words[] = {
      {&all.normalize, &other.normalize},
      {&all.interpolation, &other.interpolation},
      {&all.activation, &other.activation},
      {&all.pool, &other.pool}};
  for (const auto& [mine, theirs] : words)
    if (mine->empty()) *mine = *theirs;
  return all;
}

NameTable timm_names(const SafetensorsFile& file) {
  const std::string attention = "blocks.{}.attn.", first = "blocks.0.attn.";
  NameTable names{.rules = {{attention + "query_norm", {attention + "q_norm"}},
                            {attention + "key_norm", {attention + "k_norm"}},
                            {"attn_pool.qkv", {"attn_pool.q", "attn_pool.kv"}}},
                  // What only pre-training reads: DINOv2's and iBOT's mask, the decoder of MAE.
                  .unneeded = {"mask_token", "masked_embed", "decoder_*", "rope.*"},
                  .complete = true};
  const auto rule = [&](const std::string& ours, std::vector<std::string> theirs) {
    names.rules.push_back({ours, std::move(theirs)});
  };
  if (file.has("register_tokens")) rule("reg_token", {"register_tokens"});  // DINOv2's own
  if (file.has("blocks.0.mlp.w12.weight")) {
    rule("blocks.{}.mlp.fc1", {"blocks.{}.mlp.w12"});
    rule("blocks.{}.mlp.fc2", {"blocks.{}.mlp.w3"});
  }
  if (file.has("blocks.0.mlp.fc1_g.weight"))
    rule("blocks.{}.mlp.fc1", {"blocks.{}.mlp.fc1_g", "blocks.{}.mlp.fc1_x"});
  if (file.has("blocks.0.gamma_1")) {
    rule("blocks.{}.ls1.gamma", {"blocks.{}.gamma_1"});
    rule("blocks.{}.ls2.gamma", {"blocks.{}.gamma_2"});
  }
  if (file.has(first + "q_bias"))
    rule(attention + "qkv.bias",
         {attention + "q_bias", attention + "k_bias", attention + "v_bias"});
  if (file.has(first + "q_proj.weight"))
    rule(attention + "qkv", {attention + "q_proj", attention + "k_proj", attention + "v_proj"});
  // The two heads of a distilled ViT read a token each.
  if (file.has("dist_token"))
    names.unneeded.insert(names.unneeded.end(), {"head.*", "head_dist.*"});
  return names;
}

SafetensorsFile with_key_biases(const SafetensorsFile& file) {
  std::map<std::string, StoredTensor> zeros;
  auto memory = std::make_shared<std::vector<Bytes>>();
  for (int64_t i = 0; file.has_under(fmt::format("blocks.{}.", i)); ++i) {
    const std::string attention = fmt::format("blocks.{}.attn.", i);
    for (const char* spelling : {"{}_bias", "{}_proj.bias"}) {
      const std::string query = attention + fmt::format(fmt::runtime(spelling), "q"),
                        key = attention + fmt::format(fmt::runtime(spelling), "k");
      if (!file.has(query) || file.has(key)) continue;
      const StoredTensor& like = file.at(query);
      zeros[key] = {like.dtype, like.shape, memory->emplace_back(like.data.size(), uint8_t{0})};
    }
  }
  return zeros.empty() ? file : file.with(zeros, memory);
}

ViTShape vit_shape(const SafetensorsFile& file, const std::string& origin, int64_t heads) {
  return vit_shape(file, origin, ViTFacts{heads, ""});
}

ViTShape vit_shape(const SafetensorsFile& file, const std::string& origin, const ViTFacts& facts) {
  ViTShape shape;
  check_parts(file, origin);
  const auto& patch = need(file, "patch_embed.proj.weight", 4, origin);
  if (patch[2] != patch[3])
    fail(ErrorKind::model, "{}: patch_embed.proj.weight {} is not that of square patches", origin,
         shape_text(patch));
  shape.width = patch[0];
  shape.patch_size = patch[2];
  shape.patch_bias = file.has("patch_embed.proj.bias");
  shape.class_token = file.has("cls_token");
  shape.distilled = file.has("dist_token");
  for (const char* registers : {"reg_token", "register_tokens"})
    if (file.has(registers)) shape.registers = need(file, registers, 3, origin)[1];
  shape.antialias = file.has("register_tokens");  // DINOv2's authors' code
  shape.qkv_bias = file.has("blocks.0.attn.qkv.bias") || file.has("blocks.0.attn.q_bias") ||
                   file.has("blocks.0.attn.q_proj.bias");
  shape.layer_scale = file.has("blocks.0.ls1.gamma") || file.has("blocks.0.gamma_1");
  shape.head_norm = file.has("blocks.0.attn.q_norm.weight");
  shape.attention_norm = file.has("blocks.0.attn.norm.weight");
  // Of timm's ViTs, those with a norm before the blocks (CLIP's) divide by another epsilon.
  shape.pre_norm = file.has("norm_pre.weight");
  shape.eps = facts.eps > 0 ? facts.eps : shape.pre_norm ? 1e-5 : 1e-6;
  if (shape.pre_norm && facts.activation.empty())
    fail(ErrorKind::model,
         "{}: a ViT of CLIP's (norm_pre), and nothing tells whether its activation is GELU or "
         "QuickGELU: put timm's config.json beside it",
         origin);
  read_mlp(file, origin, facts.activation, shape);
  read_pool(file, origin, facts.pool, shape);
  shape.classes =
      file.has("head.weight") && !shape.distilled ? need(file, "head.weight", 2, origin)[0] : 0;
  shape.depth = 0;
  while (file.has_under(fmt::format("blocks.{}.", shape.depth))) ++shape.depth;
  read_positions(file, origin, shape);
  if (is_eva(file) && facts.rotary_grid < 0)
    fail(ErrorKind::model,
         "{}: EVA's blocks, and nothing tells whether its positions are rotary: put timm's "
         "config.json, with the architecture, beside it",
         origin);
  constexpr double kEvaTheta = 10000;
  if (facts.rotary_grid > 0)
    shape.rotary = {.theta = kEvaTheta, .interleaved = true, .grid = facts.rotary_grid};

  shape.heads = facts.heads;
  if (shape.heads == 0) {
    for (const auto& row : kOtherHeads)
      if (shape.width == row.width)
        fail(ErrorKind::model,
             "{}: the file does not tell its number of heads, and {} of this width {} has {}, not "
             "one per 64 channels: set model.heads (--heads)",
             origin, row.called, row.width, row.heads);
    shape.heads = shape.width / 64;
  }
  if (shape.heads <= 0 || shape.width % shape.heads != 0)
    fail(ErrorKind::model, "{}: {} heads do not divide the width {}: set model.heads", origin,
         shape.heads, shape.width);
  return shape;
}

std::unique_ptr<ViT> open_vit(const Checkpoint& checkpoint, const ViTFacts& asked,
                              const ViTFacts& usual) {
  ViTFacts facts = told_by_file(checkpoint, asked).completed(usual);
  const ViTShape shape = vit_shape(checkpoint.weights, checkpoint.origin, facts);
  check_size(checkpoint,
             block_weights(shape.block(), shape.depth) +
                 double(shape.width) * (3.0 * double(shape.patch_size * shape.patch_size) +
                                        double(shape.tokens()) + double(shape.classes)));
  if (facts.normalize.empty()) {
    facts.normalize = "imagenet";
    warn(
        fmt::format("{}: nothing tells how its pixels were normalised; ImageNet's mean and "
                    "deviation are assumed (model.normalize)",
                    checkpoint.origin));
  }
  if (facts.interpolation.empty()) facts.interpolation = ImageInput().interpolation;
  with_context(checkpoint.origin, [&] { normalization(facts.normalize); });
  auto vit = std::make_unique<ViT>(shape, facts.normalize, facts.interpolation);
  const NameTable names = timm_names(checkpoint.weights);
  load_tensors(nn::tensors(*vit), with_key_biases(checkpoint.weights), checkpoint.origin, names);
  nn::freeze(*vit);
  auto told = facts_of(shape, *vit->image_input());
  if (is_eva(checkpoint.weights)) told["rotary_grid"] = std::to_string(shape.rotary.grid);
  const bool reads_head = !shape.distilled;
  vit->set_stored(std::make_shared<StoredForm>(StoredForm{.names = names,
                                                          .head = reads_head ? "head" : "",
                                                          .head_bias = reads_head,
                                                          .batched = true,
                                                          .facts = std::move(told)}));
  return vit;
}

void save_vit(ViT& vit, const fs::path& path, bool bf16,
              std::map<std::string, std::string> metadata) {
  const ViTShape& shape = vit.shape();
  metadata["image_size"] = std::to_string(shape.image_size);
  metadata["patch_size"] = std::to_string(shape.patch_size);
  if (vit.stored()) metadata.insert(vit.stored()->facts.begin(), vit.stored()->facts.end());
  for (const auto& [key, value] : facts_of(shape, *vit.image_input())) metadata[key] = value;
  NoGrad no_grad;
  const at::ScalarType type = bf16 ? at::kBFloat16 : at::kFloat;
  std::map<std::string, Tensor> kept;
  if (vit.stored()) {
    kept = stored_tensors(vit, type);
  } else {  // drawn, not read: such a ViT has only parts of the same name
    for (const auto& item : nn::tensors(vit))
      kept[item.name] = on_host(item.tensor.detach()).to(type).contiguous();
  }
  std::map<std::string, StoredTensor> stored;
  for (const auto& [name, tensor] : kept) stored[name] = to_stored(tensor);
  write_safetensors(path, stored, metadata);
}

}  // namespace patina
