// Any bytes are a safetensors file or a patina::Error; every tensor of a file lies inside it.
#include <cstdint>
#include <cstdlib>

#include "patina/base/error.h"
#include "patina/checkpoint/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto file = patina::SafetensorsFile::parse({data, size}, "fuzz");
    size_t covered = 0;
    for (const auto& [name, tensor] : file.tensors()) {
      covered += tensor.data.size();
      if (tensor.data.size() % patina::size_of(tensor.dtype) != 0) std::abort();
      if (tensor.data.data() < data || tensor.data.data() + tensor.data.size() > data + size)
        std::abort();
      if (&file.at(name) != &tensor) std::abort();
    }
    if (covered > size) std::abort();
    file.at("absent");
  } catch (const patina::Error&) {
  }
  return 0;
}
