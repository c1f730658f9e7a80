#include "patina/models/text/word_head.h"

#include "patina/ops.h"

namespace patina {

WordHead::WordHead(const WordHeadShape& shape, int64_t width, int64_t vocabulary)
    : activation(shape.activation), scale(shape.scale), cap(shape.cap) {
  if (shape.transform) {
    transform = nn::Linear(width, width, shape.transform_bias);
    norm = nn::Norm(width, shape.eps);
    if (!shape.norm_bias) norm.bias = Tensor();
  }
  if (!shape.tied) decoder.weight = at::empty({vocabulary, width});
  if (shape.bias) decoder.bias = at::zeros({vocabulary});
}

Tensor WordHead::operator()(const Tensor& tokens, const nn::Embedding& words,
                            const nn::Engine& engine) const {
  Tensor x =
      transform.weight.defined() ? norm(nn::activate(activation, transform(tokens))) : tokens;
  if (scale != 1) x = x * scale;
  nn::Linear all = decoder;
  if (!decoder.weight.defined()) all.weight = words.weight, all.form = words.form;
  const Tensor scores = engine.linear(all, engine.rows(x), {.wide = true});
  return cap > 0 ? at::tanh(scores / cap) * cap : scores;
}

void WordHead::walk(nn::Walk& w) {
  w("transform", transform);
  w("norm", norm);
  w("decoder", decoder);
}

}  // namespace patina
