// Any bytes are a GGUF file or a patina::Error; every tensor lies inside the file and can be read.
#include <cstdint>
#include <cstdlib>

#include "patina/base/error.h"
#include "patina/checkpoint/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto file = patina::GgufFile::parse({data, size}, "fuzz");
    size_t covered = 0;
    for (const auto& [name, tensor] : file.tensors()) {
      covered += tensor.data.size();
      if (tensor.data.empty()) continue;
      if (tensor.data.data() < data || tensor.data.data() + tensor.data.size() > data + size)
        std::abort();
      std::vector<float> numbers(size_t(tensor.count()));
      patina::dequantize_rows(tensor, 0, tensor.count() / tensor.shape.back(), numbers);
    }
    if (covered > size) std::abort();
    for (const auto& [key, value] : file.settings())
      if (value.text().empty() && file.text(key) != "") std::abort();
  } catch (const patina::Error&) {
  }
  return 0;
}
