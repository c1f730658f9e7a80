// Input: what a network reads, for every modality.
#pragma once

#include <functional>

#include "patina/tensor.h"

namespace patina {

/// A batch of images or texts, or of texts with an image each. A tensor alone converts to images,
/// or to texts without padding.
struct Input {
  Tensor data;   // [B,3,H,W] pixels, or [B,T] token ids; undefined: images that are not decoded yet
  Tensor mask;   // [B,T] int64, 1 for a token, 0 for padding; undefined: no padding
  Tensor types;  // [B,T] which text of a pair a token belongs to; undefined: always the first
  Tensor loss;   // [B,T] int64, 1 for a token that carries loss; undefined: nothing to predict
  Tensor positions;  // [B,T] of texts packed in a row: each begins anew at 0; undefined: 0, 1, ...
  Tensor images;     // [B,3,H,W] the image that each text names; undefined: texts alone
  Tensor keys;       // [B,2] int64 cache keys: equal rows mean equal inputs; undefined: unknown
  Tensor later;      // [B] int64, if data is undefined: the argument of `make`
  std::function<Tensor(const Tensor& later)> make;  // decodes the pixels [B,3,H,W]; called once

  Input() = default;
  Input(Tensor data, Tensor mask = {}, Tensor types = {})  // NOLINT: tensors convert on purpose
      : data(std::move(data)), mask(std::move(mask)), types(std::move(types)) {}

  int64_t size() const { return (data.defined() ? data : later).size(0); }  // B
  bool is_text() const { return data.defined() && data.dim() == 2; }
  /// The pixels of images, [B,3,H,W], decoded if necessary. Throws the errors of decoding.
  Tensor pixels() const { return data.defined() ? data : make(later); }
  /// The samples [from, to).
  Input slice(int64_t from, int64_t to) const {
    return each([&](const Tensor& t) { return t.slice(0, from, to); });
  }
  /// The samples at `rows` [n].
  Input at(const Tensor& rows) const {
    return each([&](const Tensor& t) { return t.index_select(0, rows.to(t.device())); });
  }
  /// The same on a device; `keys` and `later` stay on the host.
  Input on(const at::Device& device) const;
  /// The samples of both, this batch's first. Texts are padded to the longer length; images that
  /// are not decoded yet are decoded.
  Input joined(const Input& other) const;

 private:
  template <class Part>
  Input each(Part part) const {
    const auto of = [&](const Tensor& t) { return t.defined() ? part(t) : t; };
    Input result(of(data), of(mask), of(types));
    result.loss = of(loss);
    result.positions = of(positions);
    result.images = of(images);
    result.keys = of(keys);
    result.later = of(later);
    result.make = make;
    return result;
  }
};

}  // namespace patina
