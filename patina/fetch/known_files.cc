#include "patina/fetch/known_files.h"

#include <algorithm>
#include <cstdlib>

#include "patina/base/error.h"

namespace patina::fetch {

namespace {

constexpr std::string_view kHub = "hub:";

// Files of a repository of the hub; those after `needed` are fetched where it has them.
Known weights(const std::string& name, std::string about, const std::string& repository,
              const std::vector<std::string>& needed, std::string use,
              const std::vector<std::string>& more = {}) {
  Known known{.name = name,
              .about = std::move(about),
              .is_data = false,
              .shelf = name,
              .use = std::move(use),
              .source = "https://huggingface.co/" + repository,
              .files = {}};
  const auto add = [&](const std::string& file, bool may_lack) {
    known.files.push_back({.addresses = {fmt::format("hub:{}/{}", repository, file)},
                           .sha256 = "",
                           .is_archive = false,
                           .may_lack = may_lack});
  };
  for (const auto& file : needed) add(file, false);
  for (const auto& file : more) add(file, true);
  return known;
}

KnownFile digits(const std::string& file, std::string sha256) {
  return {.addresses = {"https://ossci-datasets.s3.amazonaws.com/mnist/" + file,
                        "https://storage.googleapis.com/cvdf-datasets/mnist/" + file},
          .sha256 = std::move(sha256)};
}

Known archive(const std::string& name, std::string about, const std::string& file,
              std::string sha256) {
  Known known{.name = name,
              .about = std::move(about),
              .is_data = true,
              .shelf = name,
              .use = "data.path={}",
              .source = "https://www.cs.toronto.edu/~kriz/cifar.html",
              .files = {}};
  known.files.push_back({.addresses = {"https://www.cs.toronto.edu/~kriz/" + file},
                         .sha256 = std::move(sha256),
                         .is_archive = true});
  return known;
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  std::string text = value ? value : "";
  while (text.ends_with('/')) text.pop_back();
  return text;
}

}  // namespace

const std::vector<Known>& known() {
  static const std::vector<Known> list = {
      {.name = "mnist",
       .about = "handwritten digits, 28x28 grey, 10 classes",
       .is_data = true,
       .shelf = "mnist",
       .use = "data.path={}",
       .source = "http://yann.lecun.com/exdb/mnist/",
       .files = {digits("train-images-idx3-ubyte.gz",
                        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
                 digits("train-labels-idx1-ubyte.gz",
                        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
                 digits("t10k-images-idx3-ubyte.gz",
                        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
                 digits("t10k-labels-idx1-ubyte.gz",
                        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6")}},
      archive("cifar10", "photographs, 32x32 colour, 10 classes", "cifar-10-binary.tar.gz",
              "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"),
      archive("cifar100", "photographs, 32x32 colour, 100 classes", "cifar-100-binary.tar.gz",
              "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"),
      weights("vit_base_patch16_224_in21k", "ViT-B/16, ImageNet-21k, in Hugging Face's layout",
              "google/vit-base-patch16-224-in21k",
              {"model.safetensors", "config.json", "preprocessor_config.json"}, "model.name={}"),
      weights("deit_tiny_patch16_224", "DeiT-Tiny, ImageNet-1k, timm's",
              "timm/deit_tiny_patch16_224.fb_in1k", {"model.safetensors", "config.json"},
              "model.name={}"),
      weights("dinov2-small", "DINOv2, ViT-S/14", "facebook/dinov2-small",
              {"model.safetensors", "config.json", "preprocessor_config.json"}, "model.name={}"),
      weights("dinov2-base", "DINOv2, ViT-B/14", "facebook/dinov2-base",
              {"model.safetensors", "config.json", "preprocessor_config.json"}, "model.name={}"),
      [] {
        Known clip = weights(
            "clip-vit-base-patch32", "CLIP, ViT-B/32, OpenAI's", "openai/clip-vit-base-patch32",
            {"config.json", "preprocessor_config.json", "tokenizer.json"}, "model.name={}",
            {"tokenizer_config.json", "vocab.json", "merges.txt"});
        clip.files.push_back({.addresses = {"hub:openai/clip-vit-base-patch32/model.safetensors",
                                            "hub:openai/clip-vit-base-patch32/pytorch_model.bin"},
                              .sha256 = ""});
        return clip;
      }(),
      weights("SmolLM2-135M", "a language model of 135 million parameters",
              "HuggingFaceTB/SmolLM2-135M",
              {"model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"},
              "model.name={}", {"generation_config.json", "special_tokens_map.json"}),
  };
  return list;
}

const Known* find_known(const std::string& name) {
  const auto found = std::ranges::find(known(), name, &Known::name);
  return found == known().end() ? nullptr : &*found;
}

std::string file_name(const std::string& address) {
  return address.substr(address.rfind('/') + 1);
}

bool is_of_hub(const std::string& address) {
  return address.starts_with(kHub);
}

std::string resolved(const std::string& address) {
  if (is_of_hub(address)) {
    const std::string path = address.substr(kHub.size());  // OWNER/NAME/FILE
    const size_t file = path.find('/', path.find('/') + 1);
    std::string endpoint = variable("HF_ENDPOINT");
    if (endpoint.empty()) endpoint = "https://huggingface.co";
    return fmt::format("{}/{}/resolve/main{}", endpoint, path.substr(0, file), path.substr(file));
  }
  const std::string mirror = variable("PATINA_MIRROR");
  const size_t scheme = address.find("://");
  if (mirror.empty() || scheme == address.npos) return address;
  return mirror + "/" + address.substr(scheme + 3);
}

}  // namespace patina::fetch
