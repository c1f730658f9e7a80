#include "patina/models/text/language_model.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/checkpoint/load.h"
#include "patina/ops.h"

namespace patina {

LanguageModel::LanguageModel(LanguageShape shape) : shape_(std::move(shape)), tower_(shape_.text) {
  const int64_t width = this->width();
  if (shape_.pooler) pooler_ = nn::Linear(width, width);
  if (shape_.words) word_head_ = WordHead(shape_.word_head, width, shape_.text.vocabulary);
  if (shape_.class_dense) class_dense_ = nn::Linear(width, width, shape_.class_dense_bias);
  if (shape_.class_norm) class_norm_ = nn::Norm(width, shape_.text.block);
  if (shape_.classes > 0) classifier_ = nn::Linear(width, shape_.classes, shape_.class_bias);
  if (shape_.next_sentence) next_sentence_ = nn::Linear(width, 2);
}

Tensor LanguageModel::tokens(const Input& input, const nn::Adaptations& adaptations) const {
  const auto before = known(input, adaptations);
  if (!before) return tower_(input, adaptations);
  const int64_t batch = input.size(), count = before->count, all = input.data.size(1);
  nn::KeyValues cache = before->cache;
  Input rest(input.data.slice(1, count));
  if (input.mask.defined()) rest.mask = input.mask.slice(1, count);
  const Tensor tokens = tower_(
      rest, adaptations,
      {.positions = at::arange(count, all, input.data.options()).unsqueeze(0), .cache = &cache});
  return at::cat({before->tokens.expand({batch, -1, -1}), tokens}, 1);
}

std::optional<SharedPrefix::Known> LanguageModel::known(const Input& input,
                                                        const nn::Adaptations& adaptations) const {
  if (at::GradMode::is_enabled() || !shape_.text.causal) return std::nullopt;
  const auto weights = nn::tensors(const_cast<LanguageModel&>(*this));  // changes nothing
  return shared_(tower_, engine(), weights, input, adaptations);
}

Tensor LanguageModel::encode(const Input& input, const nn::Adaptations& adaptations) const {
  const Tensor read = pooled_token(shape_.pooling, input);
  const Tensor tokens = tower_(input, adaptations, {.read = read});
  const Tensor features = read.defined() ? tokens.squeeze(1) : mean_of(tokens, input.mask);
  return shape_.unit_length ? unit_length(features) : features;
}

Tensor LanguageModel::pooled(const Tensor& features) const {
  if (!shape_.pooler) return {};
  PATINA_CHECK(shape_.pooler, "a {} without a pooler", shape_.family);
  return at::tanh(pooler_(features));
}

Tensor LanguageModel::logits(const Tensor& features) const {
  if (shape_.classes == 0) return {};
  if (shape_.class_dense) {
    const Tensor hidden = nn::activate(shape_.class_activation, class_dense_(features));
    return classifier_(shape_.class_norm ? class_norm_(hidden) : hidden);
  }
  return classifier_(shape_.pooler ? pooled(features) : features);
}

Tensor LanguageModel::next_sentence(const Tensor& features) const {
  return next_sentence_(pooled(features));
}

Tensor LanguageModel::word_scores(const Tensor& tokens) const {
  if (!shape_.words) return {};
  PATINA_CHECK(shape_.words, "a {} without a head over words", shape_.family);
  return word_head_(tokens, tower_.words(), engine());
}

std::string LanguageModel::about() const {
  const auto& block = shape_.text.block;
  return fmt::format("{} {}x{}, {} heads, {} words", shape_.family, shape_.text.depth, block.width,
                     block.heads, shape_.text.vocabulary);
}

std::string LanguageModel::long_texts() const {
  std::string all;
  if (shape_.text.distances > 0)
    all = fmt::format("{} {}\n", shape_.text.distance_buckets, shape_.text.distance_furthest);
  for (int64_t layer = 0; layer < shape_.text.depth; ++layer) {
    const nn::BlockShape block = shape_.text.block_at(layer);
    const nn::Rotary& rotary = block.rotary;
    if (block.window == 0 && !rotary.turns()) continue;
    all += fmt::format("{} {} {} {} [{}] {} {} {} [{}]\n", layer, block.window, rotary.theta,
                       rotary.channels, fmt::join(rotary.frequencies, " "), rotary.magnitude,
                       rotary.trained, rotary.growth, fmt::join(rotary.beyond, " "));
  }
  return all;
}

std::optional<TextInput> LanguageModel::text_input() const {
  return TextInput{shape_.text.vocabulary, shape_.text.longest};
}

std::optional<Continuation> LanguageModel::begin(const Input& prompt,
                                                 const nn::Adaptations& adaptations,
                                                 bool cached) const {
  if (!generates()) return std::nullopt;
  const NoGrad no_grad;
  auto before = cached ? known(prompt, adaptations) : std::nullopt;
  return Continuation(
      tower_, [this](const Tensor& tokens) { return word_scores(tokens); }, prompt, adaptations, {},
      cached, before ? std::move(before->cache) : nn::KeyValues{});
}

bool LanguageModel::insert_blocks(const std::vector<int64_t>& behind) {
  if (shape_.text.block.post_norm) return false;
  tower_.insert_blocks(behind);
  shape_.text = tower_.shape();
  return true;
}

bool LanguageModel::widen_blocks(int64_t hidden, int64_t key_heads, double noise, Random& random) {
  if (shape_.text.relative_buckets > 0) return false;           // a bias a head
  if (shape_.text.block.disentangled.own_layers) return false;  // layers beside those that widen
  tower_.widen_blocks(hidden, key_heads, noise, random);
  shape_.text = tower_.shape();
  return true;
}

void LanguageModel::walk(nn::Walk& w) {
  w("text", tower_);
  w("pooler", pooler_);
  w("word_head", word_head_);
  w("class_dense", class_dense_);
  w("class_norm", class_norm_);
  w("classifier", classifier_);
  w("next_sentence", next_sentence_);
}

namespace {

// A sentence encoder's features are of no use to the heads: those read the first token.
void make_sentence_encoder(LanguageShape& shape, NameTable& names,
                           const SentencePooling& sentence) {
  shape.pooling = sentence.pooling;
  shape.unit_length = sentence.unit_length;
  int64_t& longest = shape.text.longest;
  if (sentence.longest > 0)
    longest = longest > 0 ? std::min(longest, sentence.longest) : sentence.longest;
  shape.pooler = shape.class_dense = shape.class_norm = shape.next_sentence = false;
  shape.classes = 0;
  names.unneeded.emplace_back("@pooler.*");
}

// The blocks that were inserted into the network before its file was written: ascending.
std::vector<int64_t> inserted_blocks_in(const Checkpoint& checkpoint, int64_t depth) {
  std::vector<int64_t> blocks;
  const auto& metadata = checkpoint.weights.metadata();
  const auto told = metadata.find(whole_model::kInserted);
  if (told == metadata.end()) return blocks;
  const Json list = parse_json(told->second, checkpoint.origin);
  for (const Json& block : list.is_array() ? list : Json::array({-1})) {
    const int64_t number = block.is_number_integer() ? block.get<int64_t>() : -1;
    if (number <= (blocks.empty() ? -1 : blocks.back()) || number >= depth)
      fail(ErrorKind::model, "{}: its metadata say that blocks {} were inserted, of {}",
           checkpoint.origin, told->second, depth);
    blocks.push_back(number);
  }
  return blocks;
}

}  // namespace

std::unique_ptr<Backbone> open_language_model(const Checkpoint& checkpoint, LanguageShape shape,
                                              NameTable names, ShapeKeys keys) {
  if (checkpoint.sentence) make_sentence_encoder(shape, names, *checkpoint.sentence);
  shape.text.inserted = inserted_blocks_in(checkpoint, shape.text.depth);
  const TextShape& text = shape.text;
  if (shape.words && shape.word_head.tied) {
    const std::string prefix = prefix_in(checkpoint.weights, names);
    const auto theirs = [&](const char* ours) { return names.find(ours, prefix).theirs.front(); };
    shape.word_head.tied =
        !has_own_head(checkpoint, theirs("word_head.decoder.weight"), theirs("text.embed.weight"));
  }
  check_block(text.block, checkpoint.origin);
  check_size(checkpoint, block_weights(text.block, text.depth) +
                             double(text.block.width) *
                                 double(text.vocabulary + text.positions + 2 * text.distances));
  auto model = std::make_unique<LanguageModel>(shape);
  load_network(*model, checkpoint.held, checkpoint.weights, checkpoint.origin, names);
  nn::freeze(*model);
  const bool generates = text.causal && shape.words;
  model->set_stored(std::make_shared<StoredForm>(
      StoredForm{.names = names,
                 .prefix = prefix_in(checkpoint.weights, names),
                 .task = generates ? "CAUSAL_LM" : "FEATURE_EXTRACTION",
                 .head = shape.pooling == Pooling::last ? "score" : "",
                 .shape = std::move(keys)}));
  return model;
}

}  // namespace patina
