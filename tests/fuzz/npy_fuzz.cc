// Any bytes are a NumPy array of int64, or an Error; its numbers are the end of the bytes.
#include <cstdlib>
#include <cstring>

#include "patina/base/error.h"
#include "patina/data/formats/text_sets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto values =
        patina::parse_int64_npy({reinterpret_cast<const char*>(data), size}, "fuzz");
    const size_t bytes = values.size() * sizeof(int64_t);
    if (bytes + 10 > size) std::abort();
    if (bytes > 0 && std::memcmp(values.data(), data + size - bytes, bytes) != 0) std::abort();
  } catch (const patina::Error&) {
    // Refusing is fine.
  }
  return 0;
}
