// Any bytes are an IDX file whose data fit its header, or an Error; nothing else may happen.
#include <cstdlib>

#include "patina/base/error.h"
#include "patina/data/formats/idx.h"

namespace {

template <class Body>
void refusing_is_fine(Body body) {
  try {
    body();
  } catch (const patina::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  refusing_is_fine([&] {
    const patina::IdxArray array = patina::parse_idx({data, size}, "fuzz");
    refusing_is_fine([&] {
      for (const int64_t label : patina::idx_labels(array, 10, "fuzz"))
        if (label < 0 || label >= 10) std::abort();
    });
    refusing_is_fine([&] {
      const auto [count, height, width] = patina::idx_images(array, "fuzz");
      if (uint64_t(count) * height * width != array.data.size()) std::abort();
    });
  });
  return 0;
}
