#include "patina/models/two_tower/llava.h"

#include <algorithm>

#include <fmt/ranges.h>

#include "patina/base/error.h"
#include "patina/checkpoint/load.h"
#include "patina/models/text/decoder_config.h"
#include "patina/models/two_tower/clip_checkpoint.h"
#include "patina/models/vision/preprocessing.h"
#include "patina/ops.h"

namespace patina {

Llava::Llava(LlavaShape shape)
    : shape_(std::move(shape)),
      image_(shape_.image, shape_.normalize, shape_.interpolation),
      projector_in_(shape_.image.width, shape_.text.text.block.width, shape_.projector_bias),
      projector_out_(shape_.text.text.block.width, shape_.text.text.block.width,
                     shape_.projector_bias),
      language_(shape_.text) {}

Tensor Llava::image_features(const Tensor& images, const nn::Adaptations& adaptations) const {
  nn::Adaptations own;
  for (nn::Adaptation* adaptation : adaptations.list())
    if (adaptation->tower() == nn::Tower::image) own.add(adaptation);
  const auto read = [&](const Tensor& pixels) {
    const Tensor tokens = image_.tokens_behind(shape_.image_blocks, pixels, own);
    return shape_.patches_only ? tokens.slice(1, shape_.image.prefix()) : tokens;
  };
  if (!own.empty()) return read(images);  // prompts may change the number of tokens
  return kept_(*this, nn::tensors(const_cast<ViT&>(image_)),  // a walk that changes nothing
               fmt::format("{} tokens behind block {}", shape_.tokens(), shape_.image_blocks),
               {shape_.tokens(), shape_.image.width}, images, read);
}

Tensor image_means(const Backbone& network, const Input& texts) {
  const auto* llava = dynamic_cast<const Llava*>(&network);
  if (!llava || !texts.images.defined()) return {};
  NoGrad no_grad;
  return llava->image_features(texts.images).mean(1);
}

Tensor Llava::image_tokens_of(const Tensor& images, const nn::Adaptations& adaptations) const {
  const Tensor features = image_features(images, adaptations);
  return projector_out_(nn::activate(shape_.activation, projector_in_(features)));
}

TextContext Llava::context(const Input& input, const nn::Adaptations& adaptations) const {
  PATINA_REQUIRE(input.is_text(), "images without a text for {}", about());
  Tensor named = input.data.eq(shape_.image_token);
  if (input.mask.defined()) named = named.logical_and(input.mask.ne(0));
  bool any = false;
  for (const int64_t count : items_of(named.sum(1))) {
    any = any || count > 0;
    if (count > 0 && !input.images.defined())
      fail(ErrorKind::data,
           "a text has the token {}, which stands for a part of an image, and there is no image",
           shape_.image_token);
    if (count > 0 && count != shape_.tokens())
      fail(ErrorKind::data,
           "a text has {} tokens of an image, and {} stand for one: a text names one image, and "
           "none of its tokens may be cut",
           count, shape_.tokens());
  }
  if (!any) return {};
  return {.images = image_tokens_of(input.images, adaptations), .image = shape_.image_token};
}

Tensor Llava::tokens(const Input& input, const nn::Adaptations& adaptations) const {
  return language_.text_tower()(input, adaptations.of(nn::Tower::text),
                                context(input, adaptations));
}

Tensor Llava::encode(const Input& input, const nn::Adaptations& adaptations) const {
  TextContext whole = context(input, adaptations);
  whole.read = pooled_token(Pooling::last, input);
  return language_.text_tower()(input, adaptations.of(nn::Tower::text), whole).squeeze(1);
}

std::optional<Continuation> Llava::begin(const Input& prompt, const nn::Adaptations& adaptations,
                                         bool cached) const {
  NoGrad no_grad;
  return Continuation(
      language_.text_tower(), [this](const Tensor& tokens) { return word_scores(tokens); }, prompt,
      adaptations.of(nn::Tower::text), context(prompt, adaptations), cached);
}

std::vector<TowerShape> Llava::towers() const {
  std::vector<TowerShape> all = language_.towers();
  for (const TowerShape& tower : image_.towers()) all.push_back(tower);
  return all;
}

std::string Llava::about() const {
  return fmt::format("LLaVA: {} sees {}, {} tokens an image", language_.about(), image_.about(),
                     shape_.tokens());
}

void Llava::walk(nn::Walk& w) {
  w("image", image_);
  w("projector.0", projector_in_);
  w("projector.1", projector_out_);
  language_.walk(w);
}

namespace {

// The first of some spellings that begin names of the file.
std::string spelling_in(const Checkpoint& checkpoint, const char* what,
                        const std::vector<std::string>& spellings) {
  const auto begins = [](const std::string& spelling) {
    return [&spelling](const auto& item) { return item.first.starts_with(spelling); };
  };
  for (const auto& spelling : spellings)
    if (std::ranges::any_of(checkpoint.weights.tensors(), begins(spelling)) ||
        std::ranges::any_of(checkpoint.weights.absent(), begins(spelling)))
      return spelling;
  fail(ErrorKind::model, "{}: no tensor of {}; their names begin with \"{}\"", checkpoint.origin,
       what, fmt::join(spellings, "\" or \""));
}

// transformers wrote what is now `model.language_model.` as `language_model.model.`, and the image
// tower with its own `vision_model.` in between.
NameTable names_in(const Checkpoint& checkpoint, NameTable names, bool siglip) {
  names.prefix = spelling_in(checkpoint, "the language model",
                             {"language_model.model.", "model.language_model."});
  std::string image = spelling_in(checkpoint, "the image tower",
                                  {"vision_tower.vision_model.", "model.vision_tower.vision_model.",
                                   "vision_tower.", "model.vision_tower."});
  image.pop_back();  // its point
  const std::string projector = spelling_in(
      checkpoint, "the projector", {"multi_modal_projector.", "model.multi_modal_projector."});
  const std::string head =
      names.prefix.starts_with("language_model.") ? "language_model.lm_head" : "lm_head";
  for (NameRule& rule : names.rules)
    if (rule.ours == "word_head.decoder") rule.theirs = {head};
  names.rules.push_back({"projector.0", {projector + "linear_1"}});
  names.rules.push_back({"projector.1", {projector + "linear_2"}});
  names.unneeded.push_back(head + ".weight");
  if (siglip)
    add_siglip_image(names, image);
  else
    add_clip_image(names, image);
  return names;
}

// The image is read behind `vision_feature_layer` blocks, a negative number being counted from the
// last one's output.
int64_t blocks_read(ConfigJson& config, int64_t depth) {
  constexpr const char* kKey = "vision_feature_layer";
  const int64_t layer = config.integer(kKey, -2);
  const int64_t blocks = layer < 0 ? depth + 1 + layer : layer;
  if (blocks < 0 || blocks > depth)
    fail(ErrorKind::model, "{}: {} = {}, and the image tower has {} blocks: {} to {} are possible",
         config.origin(), kKey, layer, depth, -depth - 1, depth);
  return blocks;
}

bool only_patches(ConfigJson& config, const ViTShape& image) {
  constexpr const char* kKey = "vision_feature_select_strategy";
  const std::string strategy = config.word(kKey, "default");
  if (strategy != "default" && strategy != "full")
    fail(ErrorKind::model, "{}: {} = \"{}\" is not supported; patina has \"default\" and \"full\"",
         config.origin(), kKey, strategy);
  if (strategy == "default" && image.prefix() != 1)
    fail(ErrorKind::model,
         "{}: {} = \"default\" leaves out the class token, and the image tower has none: it would "
         "be a patch; \"full\" reads all of them",
         config.origin(), kKey);
  return strategy == "default";
}

ConfigJson part_of(ConfigJson& config, const char* key) {
  if (!config.has(key))
    fail(ErrorKind::model, "{}: no {}, which says what that part of a LLaVA is", config.origin(),
         key);
  return config.part(key);
}

DecoderForm decoder_of(const Checkpoint& checkpoint, ConfigJson config) {
  const std::string type = config.word("model_type", "llama");
  std::vector<std::string> known;
  Checkpoint decoder{.weights = checkpoint.weights, .config = config, .origin = config.origin()};
  for (const DecoderFamily& family : decoder_families()) {
    if (type == family.model_type) return family.read(decoder);
    known.emplace_back(family.model_type);
  }
  fail(ErrorKind::model, "{}: model_type \"{}\" is no decoder that patina reads in a LLaVA{}: {}",
       config.origin(), type, did_you_mean(type, known), fmt::join(known, ", "));
}

}  // namespace

std::unique_ptr<Backbone> open_llava(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  ConfigJson image = part_of(config, "vision_config"), text = part_of(config, "text_config");
  const std::string eyes = image.word("model_type", "clip_vision_model");
  const bool siglip = eyes == "siglip_vision_model";
  if (!siglip && eyes != "clip_vision_model")
    fail(ErrorKind::model,
         "{}: model_type \"{}\" is no image tower that patina reads in a LLaVA: "
         "clip_vision_model, siglip_vision_model",
         image.origin(), eyes);
  image.skip({"vocab_size"});
  LlavaShape shape;
  shape.image = siglip ? siglip_image_shape(image) : clip_image_shape(image);
  DecoderForm decoder = decoder_of(checkpoint, text);
  shape.text = decoder.shape;
  shape.image_token = config.id("image_token_index", config.id("image_token_id", 32000));
  shape.image_blocks = blocks_read(config, shape.image.depth);
  shape.patches_only = only_patches(config, shape.image);
  shape.projector_bias = config.flag("multimodal_projector_bias", true);
  shape.activation = config.activation("projector_hidden_act", "gelu");
  bool& tied = shape.text.word_head.tied;
  tied = config.flag("tie_word_embeddings", false) || tied;
  config.skip({"image_seq_length", "ignore_index", "vocab_size"});
  config.finish();
  const TextShape& words = shape.text.text;
  if (shape.image_token >= words.vocabulary)
    fail(ErrorKind::model, "{}: image_token_index = {} is beyond the vocabulary of {}",
         config.origin(), shape.image_token, words.vocabulary);
  const Preprocessing images = preprocessing(checkpoint, siglip ? "inception" : "clip");
  shape.normalize = images.normalize;
  shape.interpolation = images.interpolation;
  const NameTable names = names_in(checkpoint, std::move(decoder.names), siglip);
  const auto theirs = [&](const char* ours) {
    return names.find(ours, names.prefix).theirs.front();
  };
  tied = tied &&
         !has_own_head(checkpoint, theirs("word_head.decoder.weight"), theirs("text.embed.weight"));
  check_block(shape.image.block(), checkpoint.origin);
  check_block(words.block, checkpoint.origin);
  check_size(checkpoint, block_weights(shape.image.block(), shape.image.depth) +
                             double(shape.image.width) * double(shape.image.tokens()) +
                             block_weights(words.block, words.depth) +
                             double(words.block.width) * double(words.vocabulary));
  auto model = std::make_unique<Llava>(shape);
  load_tensors(nn::tensors(*model), checkpoint.weights, checkpoint.origin, names);
  nn::freeze(*model);
  model->set_stored(std::make_shared<StoredForm>(
      StoredForm{.names = names, .prefix = names.prefix, .task = "CAUSAL_LM"}));
  return model;
}

}  // namespace patina
