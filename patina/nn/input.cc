#include "patina/nn/input.h"

#include "patina/base/error.h"
#include "patina/ops.h"
#include "patina/place.h"

namespace patina {

Input Input::on(const at::Device& device) const {
  Input there = *this;
  for (Tensor* part :
       {&there.data, &there.mask, &there.types, &there.loss, &there.positions, &there.images})
    *part = patina::on(device, *part);
  return there;
}

Input Input::joined(const Input& other) const {
  PATINA_REQUIRE(is_text() == other.is_text(), "images and texts do not go into one batch");
  PATINA_REQUIRE(!positions.defined() && !other.positions.defined(),
                 "rows of packed texts are not joined");
  Input both;
  if (keys.defined() && other.keys.defined()) both.keys = at::cat({keys, other.keys});
  if (!is_text()) {
    both.data = at::cat({pixels(), other.pixels()});
    return both;
  }
  const int64_t length = std::max(data.size(1), other.data.size(1));
  const auto padded = [&](const Tensor& t) {
    return at::constant_pad_nd(t, {0, length - t.size(1)});
  };
  // The defaults of a text without `mask` or `types`: no padding, all of the first text.
  const auto rows = [&](const Tensor Input::*part, int64_t usual) {
    const auto of = [&](const Input& input) {
      const Tensor& own = input.*part;
      return padded(own.defined() ? own : at::full_like(input.data, usual));
    };
    return at::cat({of(*this), of(other)});
  };
  both.data = rows(&Input::data, 0);
  if (mask.defined() || other.mask.defined() || data.size(1) != other.data.size(1))
    both.mask = rows(&Input::mask, 1);
  if (types.defined() || other.types.defined()) both.types = rows(&Input::types, 0);
  if (loss.defined() || other.loss.defined()) both.loss = rows(&Input::loss, 0);
  if (images.defined() && other.images.defined()) {
    both.images = at::cat({images, other.images});
  } else if (images.defined() || other.images.defined()) {
    // A text that names no image has none read: any will do.
    const Tensor& known = images.defined() ? images : other.images;
    Shape shape = known.sizes().vec();
    const auto of = [&](const Input& input) {
      shape[0] = input.size();
      return input.images.defined() ? input.images : at::zeros(shape, known.options());
    };
    both.images = at::cat({of(*this), of(other)});
  }
  return both;
}

}  // namespace patina
