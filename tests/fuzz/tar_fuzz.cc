// Any bytes are an archive of tar, or an Error; its files lie within the bytes, and no name leaves
// it.
#include <cstdlib>

#include "patina/base/error.h"
#include "patina/data/formats/tar.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto archive = patina::TarArchive::parse({data, data + size}, "fuzz");
    size_t sum = 0;
    for (const auto& [name, bytes] : archive.files()) {
      sum += bytes.size();
      if (name.empty() || name.starts_with("/") || name.starts_with("..")) std::abort();
      volatile uint8_t last = bytes.empty() ? uint8_t{0} : bytes.back();
      static_cast<void>(last);
    }
    if (sum > size) std::abort();
  } catch (const patina::Error&) {
    // Refusing is fine.
  }
  return 0;
}
