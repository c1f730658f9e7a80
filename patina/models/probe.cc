#include "patina/models/probe.h"

#include <algorithm>

#include "patina/base/error.h"
#include "patina/nn/layers.h"
#include "patina/ops.h"
#include "patina/place.h"
#include "patina/text/tokenizer.h"

namespace patina {

namespace {

constexpr int64_t kRows = 4, kTokens = 16;

constexpr const char* kTexts[kRows] = {
    "The quick brown fox jumps over the lazy dog.",
    "Water boils at 100 degrees Celsius at sea level, and at less on a mountain.",
    "def largest(numbers): return max(numbers)",
    "Die Hauptstadt von Frankreich ist Paris; London is the capital of the United Kingdom."};

Tensor random_ids(Random& random, int64_t rows, int64_t tokens, int64_t words) {
  Tensor ids = at::empty({rows, tokens}, at::kLong);
  for (int64_t i = 0; i < ids.numel(); ++i)
    ids.data_ptr<int64_t>()[i] = int64_t(random.below(uint64_t(words)));
  return ids;
}

Input texts_for(const Tokenizer& tokenizer, int64_t longest) {
  const int64_t limit = longest > 0 ? std::min<int64_t>(longest, 32) : 32;
  std::vector<std::vector<int64_t>> rows;
  size_t width = 1;
  for (const char* text : kTexts) {
    rows.push_back(tokenizer.encode_framed(text, {}, limit).ids);
    if (rows.back().empty()) rows.back().push_back(0);
    width = std::max(width, rows.back().size());
  }
  const int64_t pad = std::max<int64_t>(0, tokenizer.special().pad);
  Tensor ids = at::full({kRows, int64_t(width)}, pad, at::kLong),
         mask = at::zeros({kRows, int64_t(width)}, at::kLong);
  for (int64_t row = 0; row < kRows; ++row) {
    const auto& own = rows[size_t(row)];
    ids[row].slice(0, 0, int64_t(own.size())).copy_(tensor_of(own));
    mask[row].slice(0, 0, int64_t(own.size())).fill_(1);
  }
  return {ids, mask};
}

// The texts with an image of noise each in front, where there is room.
Input showing_images(const Input& texts, const ImageTokens& seen, int64_t longest, Random& random) {
  Input input = texts;
  input.data = input.data.masked_fill(input.data.eq(seen.id), 0);
  const int64_t room = longest > 0 ? longest - seen.count : input.data.size(1);
  if (room < 1) return input;
  const auto behind = [&](const Tensor& part, int64_t value) {
    const Tensor front = at::full({input.size(), seen.count}, value, at::kLong);
    return at::cat({front, part.slice(1, 0, room)}, 1);
  };
  input.data = behind(input.data, seen.id);
  if (input.mask.defined()) input.mask = behind(input.mask, 1);
  input.images = at::empty({input.size(), 3, seen.image.size, seen.image.size});
  nn::init_normal(input.images, random, 0, 1);
  return input;
}

}  // namespace

Input probe_input(const Backbone& network) {
  Random random = Seeds(1)("probe");
  const at::Device device = network.place().device;
  if (const auto image = network.image_input()) {
    Tensor pixels = at::empty({kRows, 3, image->size, image->size});
    nn::init_normal(pixels, random, 0, 1);
    return Input(pixels).on(device);
  }
  const auto text = network.text_input();
  PATINA_REQUIRE(text, "{} takes neither images nor texts", network.about());
  const int64_t tokens = text->longest > 0 ? std::min(text->longest, kTokens) : kTokens;
  const Tokenizer* tokenizer = network.tokenizer();
  const Input texts = tokenizer ? texts_for(*tokenizer, text->longest)
                                : Input(random_ids(random, kRows, tokens, text->vocabulary));
  const auto seen = network.image_tokens();
  return (seen ? showing_images(texts, *seen, text->longest, random) : texts).on(device);
}

Tensor probe_outputs(const Backbone& network, const Input& input,
                     const nn::Adaptations& adaptations) {
  NoGrad no_grad;
  if (network.has_decoder()) {
    Random random = Seeds(1)("answer");
    const Tensor answer = on(network.place().device, random_ids(random, input.size(), kTokens / 2,
                                                                network.text_input()->vocabulary));
    return network.word_scores(network.decoded(answer, input, adaptations));
  }
  if (network.text_input() && !network.image_input())
    if (const Tensor words = network.word_scores(network.tokens(input, adaptations));
        words.defined())
      return words;
  const Tensor features = network.features(input, adaptations);
  const Tensor classes = network.logits(features);
  return classes.defined() ? classes : features;
}

Difference difference_of(const Tensor& expected, const Tensor& actual) {
  PATINA_REQUIRE(expected.sizes() == actual.sizes(), "outputs {} and {}",
                 shape_text(expected.sizes()), shape_text(actual.sizes()));
  const Tensor one = on_host(expected).to(at::kFloat), other = on_host(actual).to(at::kFloat);
  if (one.numel() == 0) return {};
  return {(one - other).abs().max().item<double>(), one.abs().max().item<double>()};
}

}  // namespace patina
