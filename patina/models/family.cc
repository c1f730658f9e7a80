#include "patina/models/family.h"

#include <algorithm>

#include "patina/base/error.h"
#include "patina/base/work.h"
#include "patina/checkpoint/load.h"
#include "patina/ops.h"

namespace patina {

int64_t Checkpoint::rows(const std::string& name) const {
  if (!weights.has(name)) return 0;
  const auto& shape = weights.at(name).shape;
  return shape.size() == 2 ? shape[0] : 0;
}

bool has_own_head(const Checkpoint& checkpoint, const std::string& head,
                  const std::string& embedding) {
  if (!checkpoint.weights.has(head) || !checkpoint.weights.has(embedding)) return false;
  const StoredTensor &one = checkpoint.weights.at(head), &other = checkpoint.weights.at(embedding);
  if (one.shape == other.shape) {
    if (one.dtype == other.dtype && one.block == other.block &&
        std::ranges::equal(one.data, other.data))
      return false;
    if (at::equal(to_tensor(one).to(at::kFloat), to_tensor(other).to(at::kFloat))) return false;
  }
  warn(
      fmt::format("{}: config.json says that the word head is the token embedding "
                  "(tie_word_embeddings), but {} is not {}: the file's own head is used",
                  checkpoint.origin, head, embedding));
  return true;
}

const std::vector<Family>& families() {
  static const std::vector<Family> all = {
      {"bert", open_bert},
      {"roberta", open_roberta},
      {"distilbert", open_distilbert},
      {"mpnet", open_mpnet},
      {"modernbert", open_modernbert},
      {"deberta-v2", open_deberta},
      {"gpt2", open_gpt2},
      {"llama", open_llama},
      {"mistral", open_mistral},
      {"qwen2", open_qwen2},
      {"qwen3", open_qwen3},
      {"phi3", open_phi3},
      {"gemma2", open_gemma2},
      {"gemma3_text", open_gemma3},
      {"t5", open_t5},
      {"bart", open_bart},
      {"clip", open_clip},
      {"siglip", open_siglip},
      {"llava", open_llava},
      {"vit", open_hf_vit},
      {"deit", open_deit},
      {"dinov2", open_dinov2},
      {"dinov2_with_registers", open_dinov2},
      {"dinov3_vit", open_dinov3},
  };
  return all;
}

std::string why_not(const std::string& model_type) {
  static const std::pair<const char*, const char*> reasons[] = {
      {"swin", "its blocks attend in windows that shift, and its patches merge"},
      {"swinv2", "its blocks attend in windows that shift, and its patches merge"},
      {"beit", "it has relative positions of patches"},
      {"data2vec-vision", "it has relative positions of patches"},
      {"vit_mae", "it is the network of pre-training, with a decoder: use a ViT made of it"},
      {"siglip2", "its images are of any shape (NaFlex): use SigLIP 2 of a fixed size, \"siglip\""},
      {"siglip_vision_model", "one tower alone: use the folder with both, \"siglip\""},
      {"clip_vision_model", "one tower alone: use the folder with both, \"clip\""},
      {"llava_next", "its images are cut into tiles: use LLaVA 1.5, \"llava\""},
      {"vipllava", "it reads several blocks of its image tower: use LLaVA 1.5, \"llava\""},
      {"dinov3_convnext", "it is a convolutional network"},
      {"convnext", "it is a convolutional network"},
      {"convnextv2", "it is a convolutional network"},
      {"resnet", "it is a convolutional network"}};
  for (const auto& [type, reason] : reasons)
    if (model_type == type) return reason;
  return "";
}

double block_weights(const nn::BlockShape& shape, int64_t depth) {
  const double width = double(shape.width);
  const double attention = width * double(shape.qkv_width() + shape.query_width());
  return double(depth) *
         (attention * (shape.cross ? 2 : 1) + width * double(shape.fc1_width() + shape.hidden));
}

void check_block(const nn::BlockShape& shape, const std::string& origin) {
  if (shape.head_size == 0 && shape.width % shape.heads != 0)
    fail(ErrorKind::model, "{}: {} heads do not divide the width {}", origin, shape.heads,
         shape.width);
  if (shape.key_heads > 0 && shape.heads % shape.key_heads != 0)
    fail(ErrorKind::model, "{}: {} key heads do not divide {} heads", origin, shape.key_heads,
         shape.heads);
  if (shape.rotary.turns() && shape.size() % 2 != 0)
    fail(ErrorKind::model, "{}: rotary positions need heads of an even size, not {}", origin,
         shape.size());
}

void check_size(const Checkpoint& checkpoint, double weights) {
  if (!checkpoint.weights.absent().empty())
    return;  // the error message will name the missing
             // shards
  double held = 0;
  for (const auto& [name, stored] : checkpoint.weights.tensors()) {
    double elements = 1;
    for (const int64_t size : stored.shape) elements *= double(size);
    held += elements;
  }
  if (weights > 2 * held + 1e7)
    fail(ErrorKind::model,
         "{}: a network of this shape has {:.3g} weights, the file holds {:.3g}: tensors are "
         "missing or of the wrong shape",
         checkpoint.origin, weights, held);
}

void check_held(const Backbone& network, Held held, const std::string& origin) {
  if (held == Held::fp32) return;
  for (const auto& item : nn::tensors(const_cast<Backbone&>(network)))  // changes nothing
    if (item.form.stored()) return;
  const std::string asked = held_names()[size_t(held)];
  if (!network.text_input() || network.image_input())
    fail(ErrorKind::recipe, "model.form is {}: networks of texts have it, and {} is {}", asked,
         origin, network.about());
  fail(ErrorKind::recipe,
       "model.form is {}, but {} stores its layers in fp32, or transposed: set model.form to bf16 "
       "or fp32",
       asked, origin);
}

}  // namespace patina
