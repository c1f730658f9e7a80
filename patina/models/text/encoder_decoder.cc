#include "patina/models/text/encoder_decoder.h"

#include <fmt/format.h>

#include "patina/checkpoint/load.h"
#include "patina/models/stored_form.h"
#include "patina/ops.h"

namespace patina {

EncoderDecoder::EncoderDecoder(EncoderDecoderShape shape)
    : shape_(std::move(shape)),
      embed_(shape_.vocabulary, shape_.encoder.block.width),
      encoder_(shape_.encoder),
      decoder_(shape_.decoder),
      word_head_(shape_.word_head, shape_.encoder.block.width, shape_.vocabulary) {}

Tensor EncoderDecoder::tokens(const Input& input, const nn::Adaptations& adaptations) const {
  return encoder_(input, adaptations, {.words = &embed_});
}

Tensor EncoderDecoder::encode(const Input& input, const nn::Adaptations& adaptations) const {
  return mean_of(tokens(input, adaptations), input.mask);
}

Tensor EncoderDecoder::decode(const Input& answer, const Tensor& encoded,
                              const Tensor& encoded_mask,
                              const nn::Adaptations& adaptations) const {
  return decoder_(answer, adaptations,
                  {.encoded = encoded,
                   .encoded_mask = encoded_mask,
                   .words = &embed_,
                   .first_layer = int(shape_.encoder.depth)});
}

std::optional<Continuation> EncoderDecoder::begin(const Input& prompt,
                                                  const nn::Adaptations& adaptations,
                                                  bool cached) const {
  NoGrad no_grad;
  TextContext context{.encoded = tokens(prompt, adaptations),
                      .encoded_mask = prompt.mask,
                      .words = &embed_,
                      .first_layer = int(shape_.encoder.depth)};
  return Continuation(
      decoder_, [this](const Tensor& tokens) { return word_scores(tokens); },
      at::full({prompt.size(), 1}, shape_.start, prompt.data.options()), adaptations, context,
      cached);
}

std::string EncoderDecoder::about() const {
  return fmt::format("{} {}+{}x{}, {} heads, {} words", shape_.family, shape_.encoder.depth,
                     shape_.decoder.depth, width(), shape_.encoder.block.heads, shape_.vocabulary);
}

void EncoderDecoder::walk(nn::Walk& w) {
  w("embed", embed_);
  w("encoder", encoder_);
  w("decoder", decoder_);
  w("word_head", word_head_);
}

std::unique_ptr<Backbone> open_encoder_decoder(const Checkpoint& checkpoint,
                                               const EncoderDecoderShape& shape,
                                               const NameTable& names) {
  double weights = double(shape.encoder.block.width) * double(shape.vocabulary);
  for (const auto* tower : {&shape.encoder, &shape.decoder}) {
    check_block(tower->block, checkpoint.origin);
    weights += block_weights(tower->block, tower->depth) +
               double(tower->block.width) * double(tower->positions);
  }
  check_size(checkpoint, weights);
  auto model = std::make_unique<EncoderDecoder>(shape);
  load_network(*model, checkpoint.held, checkpoint.weights, checkpoint.origin, names);
  nn::freeze(*model);
  model->set_stored(std::make_shared<StoredForm>(StoredForm{
      .names = names, .prefix = prefix_in(checkpoint.weights, names), .task = "SEQ_2_SEQ_LM"}));
  return model;
}

Tensor shifted_right(const Tensor& labels, int64_t start, int64_t pad) {
  const Tensor first = at::full({labels.size(0), 1}, start, labels.options());
  return at::cat({first, labels.slice(1, 0, -1).masked_fill(labels.slice(1, 0, -1).eq(-100), pad)},
                 1);
}

}  // namespace patina
