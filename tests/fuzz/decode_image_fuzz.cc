// Any bytes are an image or an Error; nothing else may happen.
#include <cstdlib>

#include "patina/base/error.h"
#include "patina/image/image.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const patina::Image image = patina::decode_image({data, size}, "fuzz");
    if (image.pixels.size() != size_t(image.height) * image.width * 3) std::abort();
  } catch (const patina::Error&) {
    // Refusing is fine.
  }
  return 0;
}
