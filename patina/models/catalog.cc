#include "patina/models/catalog.h"

#include <algorithm>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/config/recipe_file.h"
#include "patina/image/transform.h"
#include "patina/models/gguf_model.h"
#include "patina/models/model_folder.h"
#include "patina/models/peft_adapter.h"
#include "patina/models/stored_form.h"
#include "patina/models/text/language_model.h"
#include "patina/models/two_tower/fused_towers.h"
#include "patina/models/vision/mlp.h"
#include "patina/models/vision/preprocessing.h"
#include "patina/models/vision/resnet.h"

extern "C" {
extern const unsigned char patina_starter[];
extern const unsigned char patina_starter_end[];
extern const unsigned char patina_text_starter[];
extern const unsigned char patina_text_starter_end[];
extern const unsigned char patina_clip_starter[];
extern const unsigned char patina_clip_starter_end[];
}

namespace patina {

namespace {
constexpr double kMostHeads = 1024;
}

void ModelOptions::bind(Fields& f) {
  f("name", name,
    "A name of `patina list models`, or a file of weights (.safetensors, .pth, .gguf) or a folder "
    "with one.");
  f("path", path, "The weights of a named model that patina does not carry.");
  f("part", part,
    "Of a PyTorch file that holds several models (student, teacher): the name of the one to use.");
  f("adapter", adapter,
    "A folder of PEFT's with a LoRA (adapter_config.json), added to the weights; empty: none.");
  f("form", form,
    "How a network of texts holds the weights of its layers, while they are frozen: fp32; bf16, "
    "rounded, in half the memory; stored, as the file has them: a GGUF file's stay quantised.",
    held_names());
  f("image_size", image_size, "Side of the input in pixels; 0: the size it was trained at.",
    at_least(0));
  f("heads", heads,
    "Attention heads; 0: the model's own, which the file or the name tells, else one per 64 "
    "channels.",
    between(0, kMostHeads));
  std::vector<std::string> choices = normalization_names();
  choices.insert(choices.begin(), "");
  f("normalize", normalize, "Pixel normalisation; empty: the model's own.", choices);
  f("hidden", hidden, "Of the model \"mlp\": units of each hidden layer.", between(1, 65536));
  f.require(!hidden.empty(), "hidden", "needs at least one layer");
  f("dropout", dropout,
    "Of the model \"mlp\": part of the hidden units that a training step drops.", between(0, 0.95));
  f("input_dropout", input_dropout, "Of the model \"mlp\": part of the input that a step drops.",
    between(0, 0.95));
  f("fused", fused, "Of a CLIP: whether it reads questions about images, of both towers at once.");
  f("seed", seed, "Draws the weights of a network that starts untrained; -1: the run's own seed.",
    at_least(-1));
}

namespace {

constexpr const char* kInside = "inside the program";
constexpr int64_t kLargestSide = 512;  // of an untrained network's input

Random weights_of(const ModelOptions& options) {
  return Seeds(uint64_t(std::max<int64_t>(0, options.seed)))("weights");
}

int64_t side(const ModelOptions& options, int64_t usual) {
  if (options.image_size > kLargestSide)
    fail(ErrorKind::recipe, "model.image_size is {}; {} takes {} px at most", options.image_size,
         options.name, kLargestSide);
  return options.image_size > 0 ? options.image_size : usual;
}

std::unique_ptr<Backbone> make_mlp(const ModelOptions& options) {
  auto mlp = std::make_unique<Mlp>(MlpShape{.image_size = side(options, 28),
                                            .hidden = options.hidden,
                                            .dropout = options.dropout,
                                            .input_dropout = options.input_dropout},
                                   options.normalize);
  Random random = weights_of(options);
  mlp->initialize(random);
  return mlp;
}

std::unique_ptr<Backbone> make_resnet(const ModelOptions& options, int64_t channels) {
  auto network =
      std::make_unique<ResNet>(ResNetShape{side(options, 32), channels}, options.normalize);
  Random random = weights_of(options);
  network->initialize(random);
  return network;
}

}  // namespace

const std::vector<ModelInfo>& model_list() {
  const auto vit = [](int64_t size, int64_t patch, int64_t width, int64_t depth, int64_t heads,
                      int64_t classes) {
    return ViTShape{.image_size = size,
                    .patch_size = patch,
                    .width = width,
                    .depth = depth,
                    .heads = heads,
                    .hidden = 4 * width,
                    .classes = classes};
  };
  const std::string untrained = "none: it starts untrained";
  const std::string timm = "export it with timm and safetensors, then set model.path";
  static const std::vector<ModelInfo> list = {
      {"starter", "ViT 6x192 for 32 px, trained on a part of Tiny-ImageNet; see models/README.md",
       kInside, vit(32, 4, 192, 6, 3, 200), "imagenet"},
      {"text_starter",
       "BERT 2x384 for short English texts, cut out of all-MiniLM-L6-v2; see models/README.md",
       kInside,
       {},
       ""},
      {"clip_starter",
       "CLIP of the starter and a text tower of 2x192, trained on class names; see "
       "models/README.md",
       kInside,
       {},
       ""},
      {"deit_tiny_patch16_224", "DeiT-Tiny, ImageNet-1k (Touvron et al., ICML 2021)", timm,
       vit(224, 16, 192, 12, 3, 1000), "imagenet"},
      {"deit_small_patch16_224", "DeiT-Small, ImageNet-1k (Touvron et al., ICML 2021)", timm,
       vit(224, 16, 384, 12, 6, 1000), "imagenet"},
      {"vit_tiny_patch16_224", "ViT-Tiny, AugReg, ImageNet-1k (Steiner et al., TMLR 2022)", timm,
       vit(224, 16, 192, 12, 3, 1000), "inception"},
      {"vit_small_patch16_224", "ViT-Small, AugReg, ImageNet-1k (Steiner et al., TMLR 2022)", timm,
       vit(224, 16, 384, 12, 6, 1000), "inception"},
      {"vit_base_patch16_224", "ViT-B/16, AugReg, ImageNet-1k: \"IN1K\" in the field's tables",
       timm, vit(224, 16, 768, 12, 12, 1000), "inception"},
      {"vit_base_patch16_224_in21k",
       "ViT-B/16, AugReg, ImageNet-21k: \"IN21K\" in the field's tables", timm,
       vit(224, 16, 768, 12, 12, 21843), "inception"},
      {"mlp",
       "multi-layer perceptron on grey values, 28 px, 100-100 units",
       untrained,
       {},
       "mnist",
       make_mlp},
      {"resnet18_thin",
       "ResNet-18 for 32 px with 20 channels (Lopez-Paz and Ranzato, NeurIPS 2017)",
       untrained,
       {},
       "imagenet",
       [](const ModelOptions& o) { return make_resnet(o, 20); }},
      {"resnet18_small",
       "ResNet-18 for 32 px with 64 channels",
       untrained,
       {},
       "imagenet",
       [](const ModelOptions& o) { return make_resnet(o, 64); }},
  };
  return list;
}

std::optional<SafetensorsFile> built_in_weights(const std::string& name) {
  const auto parsed = [&](const unsigned char* begin, const unsigned char* end) {
    return SafetensorsFile::parse({begin, size_t(end - begin)}, "the weights of " + name);
  };
  if (name == "starter") return parsed(patina_starter, patina_starter_end);
  if (name == "text_starter") return parsed(patina_text_starter, patina_text_starter_end);
  if (name == "clip_starter") return parsed(patina_clip_starter, patina_clip_starter_end);
  return std::nullopt;
}

namespace {

// The folder with config.json and the tokenizer, for "folder/x.safetensors" and "folder".
fs::path folder_of(const fs::path& path) {
  if (fs::is_directory(path)) return path;
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

// A file that is a whole model has in its metadata what stands beside the weights in a folder.
using whole_model::kConfig, whole_model::kSentence, whole_model::kVocabulary;

const std::string* in_metadata(const SafetensorsFile& file, const char* key) {
  const auto found = file.metadata().find(key);
  return found == file.metadata().end() ? nullptr : &found->second;
}

// Takes the config and the pooling from the metadata, if they are there.
void read_metadata(Checkpoint& checkpoint) {
  const std::string origin = checkpoint.origin + ": metadata ";
  if (const auto* config = in_metadata(checkpoint.weights, kConfig)) {
    checkpoint.config = ConfigJson(parse_json(*config, origin + kConfig), origin + kConfig);
    checkpoint.sentence = std::nullopt;
  }
  if (const auto* sentence = in_metadata(checkpoint.weights, kSentence))
    checkpoint.sentence = parse_sentence_pooling(*sentence, origin + kSentence);
}

std::optional<ConfigJson> config_beside(const fs::path& path, const char* name = "config.json") {
  const fs::path file = folder_of(path) / name;
  if (!fs::exists(file)) return std::nullopt;
  return ConfigJson::read(file);
}

// Tensor names that only one family has.
constexpr const char* kVitMark = "patch_embed.proj.weight";
constexpr const char* kOpenAiClipMark = "visual.conv1.weight";
constexpr const char* kTrunkMark = "visual.trunk.";  // OpenCLIP's, before a tower of timm's
constexpr const char* kOpenClipConfig = "open_clip_config.json";

// Wrappers put a prefix before every name: DataParallel, torch.compile, DeepSpeed, LoRA's. A ViT's
// names have no prefix of their own, so that any is a wrapper's ("backbone.", "model.").
SafetensorsFile unwrapped(SafetensorsFile file, const std::string& origin) {
  for (bool wrapped = true; wrapped;) {
    wrapped = false;
    for (const char* prefix : {"module.", "_orig_mod.", "_forward_module.", "base_model.model."}) {
      if (!file.all_under(prefix)) continue;
      file = file.without_prefix(prefix);
      wrapped = true;
    }
  }
  for (const auto& [name, tensor] : file.tensors()) {
    if (!name.ends_with(std::string(".") + kVitMark)) continue;
    const std::string prefix = name.substr(0, name.size() - std::string_view(kVitMark).size());
    if (prefix == kTrunkMark) continue;
    if (file.all_under(prefix)) return file.without_prefix(prefix);
    const auto other = std::ranges::find_if(
        file.tensors(), [&](const auto& item) { return !item.first.starts_with(prefix); });
    fail(ErrorKind::model,
         "{}: a ViT's names are behind the prefix \"{}\", beside others such as {}: save the ViT's "
         "tensors alone, under timm's names",
         origin, prefix, other->first);
  }
  return file;
}

SafetensorsFile read_weights(const std::string& path, const std::string& part) {
  SafetensorsFile file = unwrapped(SafetensorsFile::open_what_is_there(path, part), path);
  for (const auto& [name, tensor] : file.tensors())
    if (name.find("lora_A.") != std::string::npos)
      fail(
          ErrorKind::model,
          "{}: these are the weights of a LoRA adapter ({}), not of a model: set model.name to its "
          "base model and model.adapter to the adapter's folder",
          path, name);
  return file;
}

std::unique_ptr<Backbone> opened(const Family& family, Checkpoint& checkpoint) {
  auto backbone = family.open(checkpoint);
  if (checkpoint.sentence && !dynamic_cast<const LanguageModel*>(backbone.get()))
    fail(ErrorKind::model,
         "{}: modules.json beside it makes a sentence encoder of a {}, which patina does not pool: "
         "remove that file to have the network's own features",
         checkpoint.origin, family.model_type);
  return backbone;
}

// Detects the family: by the tensors' names if they are unique, otherwise by config.json. `usual`
// is what a named ViT is known to have.
std::unique_ptr<Backbone> open_by_family(Checkpoint& checkpoint, const ModelOptions& options,
                                         const ViTFacts& usual = {}) {
  if (checkpoint.has(kVitMark))
    return open_vit(checkpoint, {options.heads, options.normalize}, usual);
  if (checkpoint.config && checkpoint.config->has("model_cfg")) return open_open_clip(checkpoint);
  if (checkpoint.has(kOpenAiClipMark)) return open_openai_clip(checkpoint);
  if (checkpoint.weights.has_under(kTrunkMark))
    fail(ErrorKind::model,
         "{}: an OpenCLIP network with an image tower of timm's ({}): put its {} beside it",
         checkpoint.origin, kTrunkMark, kOpenClipConfig);
  if (!checkpoint.config)
    fail(ErrorKind::model,
         "{}: neither timm's names of a ViT (there is no patch_embed.proj.weight) nor OpenAI's of "
         "CLIP, and no config.json beside it that says what it is",
         checkpoint.origin);
  const std::string type = checkpoint.config->word("model_type", "");
  std::vector<std::string> known;
  for (const auto& family : families()) {
    if (type == family.model_type) return opened(family, checkpoint);
    known.emplace_back(family.model_type);
  }
  if (const std::string reason = why_not(type); !reason.empty())
    fail(ErrorKind::model, "{}: model_type \"{}\" is not supported: {}",
         checkpoint.config->origin(), type, reason);
  std::string list;
  for (const auto& name : known) list += (list.empty() ? "" : ", ") + name;
  fail(ErrorKind::model, "{}: model_type \"{}\" is not a family patina has{}: {}",
       checkpoint.config->origin(), type, did_you_mean(type, known), list);
}

// Side of the images that a folder of a ViT's prepares, whatever the size of its stored positions;
// 0: nothing tells.
int64_t prepared_side(const Backbone& backbone, const Checkpoint& checkpoint) {
  if (!checkpoint.preprocessor || checkpoint.has(kVitMark) || !dynamic_cast<const ViT*>(&backbone))
    return 0;
  const int64_t side = preprocessing(checkpoint, "imagenet").size;
  return side % backbone.image_input()->patch == 0 ? side : 0;
}

}  // namespace

bool is_model(const std::string& name, const std::string& part) {
  if (built_in_weights(name) || is_gguf(name)) return true;
  if (config_beside(name) || config_beside(name, kOpenClipConfig)) return true;
  const auto file = SafetensorsFile::open_what_is_there(name, part);
  if (in_metadata(file, kConfig)) return true;
  return std::ranges::any_of(file.tensors(), [](const auto& item) {
    return item.first.ends_with(kVitMark) || item.first == kOpenAiClipMark;
  });
}

namespace {

// Throws unless a file has the network of the named model; input size and head may differ.
void check_named(const ModelInfo& named, const ModelOptions& options, const Backbone& backbone,
                 const std::string& origin) {
  if (named.shape.classes == 0) return;  // no ViT: its weights are inside the program
  const auto* vit = dynamic_cast<const ViT*>(&backbone);
  const auto same = [&](const ViTShape& one, const ViTShape& other) {
    return one.width == other.width && one.depth == other.depth && one.hidden == other.hidden &&
           one.patch_size == other.patch_size && (options.heads > 0 || one.heads == other.heads);
  };
  if (vit && same(vit->shape(), named.shape)) return;
  fail(ErrorKind::model,
       "{}: these are the weights of {}, but {} is {}: name the model that they belong to, or set "
       "model.name to the file and leave model.path empty",
       origin, backbone.about(), named.name, named.shape.text());
}

// Throws unless model.path goes with model.name.
void check_path(const ModelOptions& options, const ModelInfo* named,
                const std::vector<std::string>& names) {
  if (options.path.empty()) return;
  if (named && named->how == kInside && named->shape.classes == 0)
    fail(ErrorKind::recipe,
         "model.path is {}, but the weights of {} are inside the program: leave it empty, or set "
         "model.name to the file",
         options.path, named->name);
  if (named && !named->untrained) return;
  if (named)
    fail(ErrorKind::recipe,
         "model.path is {}, but the model \"{}\" starts untrained: leave it empty", options.path,
         options.name);
  fail(ErrorKind::recipe,
       "model.path ({}) has the weights of a named model, and \"{}\" is none{} (see `patina list "
       "models`); a file or folder by itself is model.name",
       options.path, options.name, did_you_mean(options.name, names));
}

std::unique_ptr<Backbone> loaded(const ModelOptions& options) {
  const ModelInfo* known = nullptr;
  std::vector<std::string> names;
  for (const auto& info : model_list()) {
    names.push_back(info.name);
    if (info.name == options.name) known = &info;
  }
  Checkpoint checkpoint{.origin = known && !options.path.empty() ? options.path : options.name};
  std::unique_ptr<Tokenizer> tokenizer;  // of the weights' own file
  check_path(options, known, names);
  ViTFacts usual;
  if (known) usual = {known->shape.heads, known->normalize};
  if (options.name != "mlp" && (options.dropout > 0 || options.input_dropout > 0))
    fail(ErrorKind::recipe,
         "model.dropout and model.input_dropout are of the model \"mlp\", not of {}", options.name);
  if (known && known->untrained) {
    if (options.form != "fp32")
      fail(ErrorKind::recipe,
           "model.form is {}, but the model \"{}\" starts untrained: set it to fp32", options.form,
           options.name);
    if (!options.adapter.empty())
      fail(ErrorKind::recipe,
           "model.adapter is {}, but the model \"{}\" starts untrained: leave it empty",
           options.adapter, options.name);
    ModelOptions resolved = options;
    if (resolved.normalize.empty()) resolved.normalize = known->normalize;
    return known->untrained(resolved);
  }
  std::optional<SafetensorsFile> built_in;
  if (options.path.empty()) built_in = built_in_weights(options.name);
  if (built_in) {
    checkpoint.weights = std::move(*built_in);
  } else if (known && options.path.empty()) {
    fail(ErrorKind::model, "{}: patina does not carry these weights: {}", known->name, known->how);
  } else if (!known && !fs::exists(options.name)) {
    fail(ErrorKind::model,
         "{}: neither a file, nor a folder, nor a known model{} (see `patina list models`)",
         options.name, did_you_mean(options.name, names));
  } else if (is_gguf(checkpoint.origin)) {
    const GgufFile file = GgufFile::open(checkpoint.origin);
    checkpoint = gguf_checkpoint(file);
    if (file.sets("tokenizer.ggml.model")) tokenizer = gguf_tokenizer(file);
  } else {
    checkpoint.weights = read_weights(checkpoint.origin, options.part);
    checkpoint.config = config_beside(checkpoint.origin);
    checkpoint.preprocessor = config_beside(checkpoint.origin, "preprocessor_config.json");
    // A folder may have both forms of the same network; the tensors' names say which is read.
    if (checkpoint.weights.has_under("visual."))
      if (auto config = config_beside(checkpoint.origin, kOpenClipConfig))
        checkpoint.config = std::move(config);
    checkpoint.sentence = read_sentence_pooling(folder_of(checkpoint.origin));
  }
  checkpoint.normalize = options.normalize;
  checkpoint.held = held_of(options.form);
  read_metadata(checkpoint);
  if (!options.adapter.empty()) add_adapter(checkpoint, PeftFolder::read(options.adapter));
  auto backbone = open_by_family(checkpoint, options, usual);
  check_held(*backbone, checkpoint.held, checkpoint.origin);
  keep_files(*backbone, checkpoint, folder_of(checkpoint.origin));
  if (known) check_named(*known, options, *backbone, checkpoint.origin);
  if (const auto* vocabulary = in_metadata(checkpoint.weights, kVocabulary))
    tokenizer = word_piece_tokenizer(*vocabulary, checkpoint.origin + ": metadata " + kVocabulary);
  if (tokenizer) {
    backbone->set_tokenizer(std::move(tokenizer));
  } else if (const std::string folder = folder_of(checkpoint.origin).string();
             backbone->text_input() && has_tokenizer(folder)) {
    const std::string family = tokenizer_family(checkpoint);
    // SigLIP's code changes a text before its pieces are looked up; only tokenizer.json says how.
    if (family != "siglip" || fs::exists(fs::path(folder) / "tokenizer.json"))
      backbone->set_tokenizer(load_tokenizer(folder, family));
  }
  const int64_t side =
      options.image_size > 0 ? options.image_size : prepared_side(*backbone, checkpoint);
  if (side > 0) {
    const bool resized =
        with_context(checkpoint.origin, [&] { return backbone->resize_input(side); });
    if (!resized)
      fail(ErrorKind::model, "{}: model.image_size is for image models patina can resize, not {}",
           checkpoint.origin, backbone->about());
  }
  return backbone;
}

}  // namespace

std::unique_ptr<Backbone> load_backbone(const ModelOptions& options) {
  auto backbone = loaded(options);
  if (options.fused) backbone = fused_towers(std::move(backbone));
  ModelOptions as_asked = options;
  backbone->set_origin(to_toml(as_asked));
  return backbone;
}

namespace {

template <class Network>
std::unique_ptr<Network> loaded_as(const ModelOptions& options, const char* what) {
  auto backbone = load_backbone(options);
  auto* network = dynamic_cast<Network*>(backbone.get());
  if (!network)
    fail(ErrorKind::model, "{}: {} is needed, and this is {}", options.name, what,
         backbone->about());
  static_cast<void>(backbone.release());  // now owned below
  return std::unique_ptr<Network>(network);
}

}  // namespace

std::unique_ptr<ViT> load_vit(const ModelOptions& options) {
  return loaded_as<ViT>(options, "a vision transformer");
}

std::unique_ptr<LanguageModel> load_language_model(const ModelOptions& options) {
  return loaded_as<LanguageModel>(options, "a network of texts with one tower");
}

void save_model(Backbone& backbone, const fs::path& path, bool bf16) {
  if (auto* fused = dynamic_cast<FusedTowers*>(&backbone))
    return save_model(fused->compared(), path, bf16);
  const StoredForm* form = backbone.stored();
  if (auto* vit = dynamic_cast<ViT*>(&backbone); vit && (!form || !form->facts.empty()))
    return save_vit(*vit, path, bf16);
  save_with_files(backbone, path, bf16 ? at::kBFloat16 : at::kFloat);
}

std::unique_ptr<Backbone> open_model(std::span<const uint8_t> bytes, const std::string& origin) {
  Checkpoint checkpoint{.origin = origin};
  checkpoint.weights = SafetensorsFile::parse(bytes, origin);
  read_metadata(checkpoint);
  const auto files = files_within(checkpoint.weights);
  for (const char* name : {"config.json", kOpenClipConfig})
    if (const auto config = files.find(name); config != files.end() && !checkpoint.config)
      checkpoint.config.emplace(parse_json(config->second, origin), origin);
  if (const auto images = files.find("preprocessor_config.json"); images != files.end())
    checkpoint.preprocessor.emplace(parse_json(images->second, origin), origin);
  auto backbone = open_by_family(checkpoint, {});
  if (const int64_t side = prepared_side(*backbone, checkpoint); side > 0)
    backbone->resize_input(side);
  if (!files.empty()) take_files(*backbone, files, checkpoint);
  if (const auto* vocabulary = in_metadata(checkpoint.weights, kVocabulary))
    backbone->set_tokenizer(
        word_piece_tokenizer(*vocabulary, checkpoint.origin + ": metadata " + kVocabulary));
  return backbone;
}

}  // namespace patina
