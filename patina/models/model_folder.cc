#include "patina/models/model_folder.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/checkpoint/load.h"
#include "patina/models/linear_layers.h"
#include "patina/models/stored_form.h"
#include "patina/models/text/language_model.h"
#include "patina/ops.h"
#include "patina/place.h"
#include "patina/text/tokenizer.h"

namespace patina {

namespace {

// What may lie beside the weights; everything else stays where it is.
constexpr std::array kFiles = {"config.json",
                               "open_clip_config.json",
                               "generation_config.json",
                               "preprocessor_config.json",
                               "tokenizer.json",
                               "tokenizer_config.json",
                               "special_tokens_map.json",
                               "added_tokens.json",
                               "chat_template.jinja",
                               "vocab.txt",
                               "vocab.json",
                               "merges.txt",
                               "encoder.json",
                               "vocab.bpe",
                               "bpe_simple_vocab_16e6.txt.gz",
                               "tokenizer.model",
                               "spiece.model",
                               "sentencepiece.bpe.model",
                               "tokenizer.bin"};
constexpr std::string_view kFileMark = "file:";  // before the name of a file that is a tensor

std::map<std::string, std::string> files_of(const StoredForm& stored) {
  std::map<std::string, std::string> files = stored.files;
  if (stored.folder.empty()) return files;
  for (const char* name : kFiles)
    if (!files.count(name) && fs::is_regular_file(stored.folder / name))
      files[name] = read_text(stored.folder / name);
  return files;
}

bool has_tokenizer_file(const std::map<std::string, std::string>& files) {
  return std::ranges::any_of(files, [](const auto& file) {
    return !file.first.ends_with("config.json") && file.first != "chat_template.jinja";
  });
}

std::string config_of(const StoredForm& stored) {
  constexpr const char* kConfig = "config.json";
  if (const auto file = stored.files.find(kConfig); file != stored.files.end()) return file->second;
  if (stored.folder.empty() || !fs::exists(stored.folder / kConfig)) return "";
  return read_text(stored.folder / kConfig);
}

const StoredForm& form_of(const Backbone& network) {
  if (!network.stored())
    fail(ErrorKind::model,
         "{} was not read from a checkpoint, so that no family's names of its weights are known",
         network.about());
  return *network.stored();
}

// In pieces where the checkpoint stores several tensors: queries, keys, values; gate and up.
std::vector<Tensor> pieces(const Backbone& network, const std::string& name, const Tensor& tensor,
                           size_t count) {
  if (count == 1) return {tensor};
  const auto sizes = piece_rows(network, name, tensor.size(0), count);
  return tensor.split_with_sizes(sizes, 0);
}

void write_head(const fs::path& folder, const LinearClassifier& classifier,
                std::vector<std::string>& written) {
  const Tensor weight = on_host(classifier.weight.detach()).to(at::kFloat).contiguous();
  const Tensor bias = classifier.bias.defined()
                          ? on_host(classifier.bias.detach()).to(at::kFloat).contiguous()
                          : Tensor();
  std::map<std::string, StoredTensor> tensors = {{"weight", to_stored(weight)}};
  if (bias.defined()) tensors["bias"] = to_stored(bias);
  write_safetensors(folder / "head.safetensors", tensors, {{"format", "pt"}});
  write_text(folder / "classes.json", Json(classifier.classes).dump(2) + "\n");
  written.insert(written.end(), {"head.safetensors", "classes.json"});
}

std::string type_word(at::ScalarType type) {
  return type == at::kBFloat16 ? "bfloat16" : type == at::kHalf ? "float16" : "float32";
}

// "LlamaForCausalLM", "GPT2LMHeadModel" -> "LlamaForSequenceClassification".
std::string classifying(const std::string& architecture) {
  for (const std::string family : {"ViT", "DeiT"})
    if (architecture.starts_with(family)) return family + "ForImageClassification";
  for (const char* end : {"ForCausalLM", "LMHeadModel", "Model"})
    if (architecture.ends_with(end))
      return architecture.substr(0, architecture.size() - std::string_view(end).size()) +
             "ForSequenceClassification";
  return architecture;
}

// The classes of the network's own head, where config.json does not tell as many: an adapter may
// have brought a head of its own.
std::vector<std::string> classes_beyond(const Json& config, const Backbone& network) {
  NoGrad no_grad;
  const Tensor scores = network.logits(at::zeros({1, network.width()}, network.place().options()));
  if (!scores.defined() || !config.contains("model_type")) return {};
  const size_t usual = 2;  // transformers' number where a config is silent
  const size_t told = config.contains("id2label") ? config["id2label"].size() : usual;
  if (told == size_t(scores.size(1))) return {};
  std::vector<std::string> names;
  for (int64_t i = 0; i < scores.size(1); ++i) names.push_back(fmt::format("LABEL_{}", i));
  return names;
}

// transformers refuses a config of these families whose heads do not divide the width, whatever
// head_dim says.
constexpr std::array<std::string_view, 3> kHeadsDivide = {"llama", "gemma2", "gemma3_text"};

// The shape of the network's blocks, which may have grown since its config was read.
void tell_shape(Json& config, const Backbone& network) {
  const ShapeKeys& keys = form_of(network).shape;
  if (keys.depth.empty()) return;
  const nn::BlockShape block = network.block();
  const auto refuse = [&](const std::string& what) {
    fail(
        ErrorKind::model,
        "{} has grown to {}, which a config.json of {} cannot tell other programs: it has no model "
        "folder; use the artefact itself, or let the network grow otherwise",
        network.about(), what, model_type_of(network));
  };
  if (block.width % block.heads != 0 && config[keys.heads] != block.heads &&
      std::ranges::count(kHeadsDivide, model_type_of(network)) > 0)
    refuse(fmt::format("{} heads, which do not divide its width of {}", block.heads, block.width));
  config[keys.depth] = network.layers();
  config[keys.heads] = block.heads;
  config[keys.hidden] = block.hidden;
  const int64_t key_heads = block.key_heads > 0 ? block.key_heads : block.heads;
  if (!keys.key_heads.empty())
    config[keys.key_heads] = key_heads;
  else if (key_heads != block.heads)
    refuse(fmt::format("{} heads of keys", key_heads));
  const bool divides = block.query_width() == block.width;
  if (!keys.head_size.empty() && (!divides || config.contains(keys.head_size)))
    config[keys.head_size] = block.size();
  else if (!divides && !config.contains("head_dim"))
    refuse(fmt::format("{} heads of {} channels in a stream of {}", block.heads, block.size(),
                       block.width));
  const auto* model = dynamic_cast<const LanguageModel*>(&network);
  if (!model || keys.windows.empty()) return;
  const TextShape& text = model->shape().text;
  if (text.local.empty() && !config.contains(keys.windows)) return;
  Json kinds = Json::array();
  for (int64_t layer = 0; layer < text.depth; ++layer)
    kinds.push_back(text.block_at(layer).window > 0 ? "sliding_attention" : "full_attention");
  config[keys.windows] = kinds;
}

std::string config_text(const Backbone& network, const std::string& original, at::ScalarType type,
                        std::vector<std::string> classes) {
  Json config = parse_json(original, "config.json");
  tell_shape(config, network);
  if (classes.empty()) classes = classes_beyond(config, network);
  config["torch_dtype"] = type_word(type);
  if (config.contains("dtype")) config["dtype"] = type_word(type);
  // Positions are written as they are, after a resize.
  if (const auto image = network.image_input(); image && config.contains("image_size"))
    config["image_size"] = image->size;
  // A file may call a head tied that it has of its own.
  for (const auto& item : nn::tensors(const_cast<Backbone&>(network)))  // changes nothing
    if (item.name == "word_head.decoder.weight") config["tie_word_embeddings"] = false;
  if (classes.empty()) return config.dump(2) + "\n";
  Json names = Json::object(), numbers = Json::object();
  for (size_t i = 0; i < classes.size(); ++i) {
    names[std::to_string(i)] = classes[i];
    numbers[classes[i]] = i;
  }
  if (config.contains("model_type")) {
    config["id2label"] = names;
    config["label2id"] = numbers;
    if (config.contains("architectures") && config["architectures"].is_array())
      for (Json& name : config["architectures"])
        if (name.is_string()) name = classifying(name.get<std::string>());
  } else {  // timm's
    config["num_classes"] = classes.size();
    config["label_names"] = classes;
  }
  return config.dump(2) + "\n";
}

}  // namespace

at::ScalarType weight_type(const std::string& name) {
  if (name == "fp32") return at::kFloat;
  if (name == "bf16") return at::kBFloat16;
  if (name == "fp16") return at::kHalf;
  fail(ErrorKind::usage, "weights are written as fp32, bf16 or fp16, not as \"{}\"", name);
}

std::map<std::string, Tensor> stored_tensors(const Backbone& network, at::ScalarType type) {
  const StoredForm& form = form_of(network);
  NoGrad no_grad;
  std::map<std::string, Tensor> tensors;
  for (const auto& item : nn::tensors(const_cast<Backbone&>(network))) {  // changes nothing
    const auto found = form.names.find(item.name, form.prefix);
    Tensor whole = on_host(item.floats().detach());
    // Most families store positions and class tokens without the batch's dimension. ViTs do not,
    // nor OpenCLIP in a tower of timm's; a pool's query has it in every family.
    const bool vit = form.batched || found.theirs.front().starts_with("visual.trunk.");
    if (!vit && !item.name.ends_with("latent") && whole.dim() == 3 && whole.size(0) == 1) {
      whole = whole.squeeze(0);
      if (whole.size(0) == 1) whole = whole.squeeze(0);
    }
    const auto parts = pieces(network, item.name, whole, found.theirs.size());
    for (size_t i = 0; i < parts.size(); ++i) {
      const Tensor part = found.transposed && parts[i].dim() == 2 ? parts[i].t() : parts[i];
      // Keys without a bias beside queries with one (EVA-02, DINOv3).
      const std::string& theirs = found.theirs[i];
      if (vit && (theirs.ends_with("k_bias") || theirs.ends_with("k_proj.bias")) &&
          part.count_nonzero().item<int64_t>() == 0)
        continue;
      tensors[theirs] = part.to(type).contiguous();
    }
  }
  return tensors;
}

std::string model_type_of(const Backbone& network) {
  const std::string text = config_of(form_of(network));
  if (text.empty()) return "";
  return ConfigJson(parse_json(text, "config.json"), "config.json").word("model_type", "");
}

bool fits_own_head(const Backbone& network, const LinearClassifier& classifier) {
  const StoredForm& form = form_of(network);
  if (form.head.empty() || !classifier.weight.defined()) return false;
  return form.head_bias || !classifier.bias.defined() ||
         classifier.bias.count_nonzero().item<int64_t>() == 0;
}

std::vector<std::string> write_model_folder(const Backbone& network, const fs::path& folder,
                                            at::ScalarType type,
                                            const LinearClassifier& classifier) {
  const StoredForm& form = form_of(network);
  auto tensors = stored_tensors(network, type);
  const bool own_head = fits_own_head(network, classifier);
  // Where a file was read without a head of the family, its tensors keep the file's prefix.
  if (own_head) {
    tensors[form.head + ".weight"] = on_host(classifier.weight.detach()).to(type).contiguous();
    if (form.head_bias)
      tensors[form.head + ".bias"] =
          (classifier.bias.defined() ? on_host(classifier.bias.detach())
                                     : at::zeros({classifier.weight.size(0)}))
              .to(type)
              .contiguous();
  }
  std::map<std::string, StoredTensor> stored;
  for (const auto& [name, tensor] : tensors) stored[name] = to_stored(tensor);
  auto metadata = form.metadata;
  metadata.erase(whole_model::kInserted);  // for other programs a block like the others
  metadata["format"] = "pt";
  for (const auto& [key, value] : form.facts) metadata[key] = value;
  make_folder(folder);
  write_safetensors(folder / "model.safetensors", stored, metadata);
  std::vector<std::string> written = {"model.safetensors"};
  for (const auto& [name, text] : files_of(form)) {
    const bool config = name == "config.json";
    write_text(folder / name,
               config ? config_text(network, text, type,
                                    own_head ? classifier.classes : std::vector<std::string>())
                      : text);
    written.push_back(name);
  }
  if (classifier.weight.defined()) write_head(folder, classifier, written);
  return written;
}

std::string tokenizer_family(const Checkpoint& checkpoint) {
  if (!checkpoint.config) return "clip";
  ConfigJson config = *checkpoint.config;
  if (!config.has("model_cfg")) {
    const std::string family = config.word("model_type", "");
    // The words are those of the decoder.
    return family == "llava" ? config.part("text_config").word("model_type", "llama") : family;
  }
  ConfigJson model = config.part("model_cfg");
  return model.part("text_cfg").has("hf_tokenizer_name") ? "" : "clip";
}

void keep_files(Backbone& network, const Checkpoint& checkpoint, const fs::path& folder) {
  if (!network.stored()) return;
  StoredForm form = *network.stored();
  form.metadata = checkpoint.weights.metadata();
  if (checkpoint.sentence) form.metadata[whole_model::kSentence] = to_json(*checkpoint.sentence);
  // A folder's files are its own only where its config.json is.
  if (fs::exists(checkpoint.origin) && fs::exists(folder / "config.json"))
    form.folder = fs::absolute(folder);
  else if (checkpoint.config)
    form.files[checkpoint.config->has("model_cfg") ? "open_clip_config.json" : "config.json"] =
        checkpoint.config->text();
  network.set_stored(std::make_shared<const StoredForm>(std::move(form)));
}

void save_with_files(const Backbone& network, const fs::path& path, at::ScalarType type) {
  const StoredForm& form = form_of(network);
  const auto tensors = stored_tensors(network, type);
  auto files = files_of(form);
  if (const auto config = files.find("config.json"); config != files.end()) {
    Json told = parse_json(config->second, "config.json");
    tell_shape(told, network);
    config->second = told.dump(2) + "\n";
  }
  auto metadata = form.metadata;
  metadata.erase(whole_model::kInserted);
  if (const auto inserted = network.inserted_blocks(); !inserted.empty())
    metadata[whole_model::kInserted] = Json(inserted).dump();
  if (network.tokenizer() && !has_tokenizer_file(files) &&
      !form.metadata.count(whole_model::kVocabulary))
    fail(ErrorKind::model,
         "{}: its tokenizer does not lie in files of its own, so that it cannot be put beside the "
         "weights: keep the model's file, and save without the backbone",
         network.about());
  std::map<std::string, StoredTensor> stored;
  for (const auto& [name, tensor] : tensors) stored[name] = to_stored(tensor);
  for (const auto& [name, text] : files)
    stored[std::string(kFileMark) + name] = {
        DType::u8,
        {int64_t(text.size())},
        {reinterpret_cast<const uint8_t*>(text.data()), text.size()}};
  write_safetensors(path, stored, metadata);
}

std::map<std::string, std::string> files_within(const SafetensorsFile& weights) {
  std::map<std::string, std::string> files;
  for (const char* name : kFiles) {
    const std::string tensor = std::string(kFileMark) + name;
    if (!weights.has(tensor)) continue;
    const auto& bytes = weights.at(tensor).data;
    files[name] = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  return files;
}

void take_files(Backbone& network, const std::map<std::string, std::string>& files,
                const Checkpoint& checkpoint) {
  PATINA_REQUIRE(network.stored(), "files for a network that no checkpoint has");
  StoredForm form = *network.stored();
  form.files = files;
  form.metadata = checkpoint.weights.metadata();
  network.set_stored(std::make_shared<const StoredForm>(std::move(form)));
  if (!network.text_input()) return;
  // Tokenizers are read from folders.
  std::string folder = (fs::temp_directory_path() / "patina-tokenizer-XXXXXX").string();
  if (!::mkdtemp(folder.data()))
    fail(ErrorKind::file, "{}: a temporary folder cannot be made", folder);
  const Finally clean([&] {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  });
  for (const auto& [name, text] : files) write_text(fs::path(folder) / name, text);
  if (!has_tokenizer(folder)) return;
  const std::string family = tokenizer_family(checkpoint);
  network.set_tokenizer(load_tokenizer(folder, family));
}

}  // namespace patina
