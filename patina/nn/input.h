// Input: what a network is fed, whatever its modality.
#pragma once

#include <functional>

#include "patina/tensor.h"

namespace patina {

/// A batch of images or texts as a network takes it. A tensor alone is images, or texts without
/// padding.
struct Input {
  Tensor data;   // [B,3,H,W] pixels, or [B,T] token ids; undefined: images that are yet to be made
  Tensor mask;   // [B,T] int64, 1 where there is a token, 0 in the padding; undefined: no padding
  Tensor types;  // [B,T] which text of a pair a token belongs to; undefined: the first
  Tensor keys;   // [B,2] int64: rows of one key are the same input; undefined: nothing is known
  Tensor later;  // [B] int64, where there are no data: what `make` is to be asked for
  std::function<Tensor(const Tensor& later)> make;  // the pixels [B,3,H,W], made once

  Input() = default;
  Input(Tensor data, Tensor mask = {}, Tensor types = {})  // NOLINT: tensors convert on purpose
      : data(std::move(data)), mask(std::move(mask)), types(std::move(types)) {}

  int64_t size() const { return (data.defined() ? data : later).size(0); }  // B
  bool is_text() const { return data.defined() && data.dim() == 2; }
  /// Of images: [B,3,H,W]. Throws what decoding throws, where they had to be made.
  Tensor pixels() const { return data.defined() ? data : make(later); }
  /// The samples [from, to).
  Input slice(int64_t from, int64_t to) const {
    return each([&](const Tensor& t) { return t.slice(0, from, to); });
  }
  /// The samples at `rows` [n].
  Input at(const Tensor& rows) const {
    return each([&](const Tensor& t) { return t.index_select(0, rows); });
  }
  /// The samples of both, this one's first. Texts are padded to the longer's length; images that
  /// are yet to be made are made.
  Input joined(const Input& other) const;

 private:
  template <class Part>
  Input each(Part part) const {
    const auto of = [&](const Tensor& t) { return t.defined() ? part(t) : t; };
    Input result(of(data), of(mask), of(types));
    result.keys = of(keys);
    result.later = of(later);
    result.make = make;
    return result;
  }
};

}  // namespace patina
