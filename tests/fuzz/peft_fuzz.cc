// Any bytes are an adapter's two files, the config up to a NUL and then the tensors, or a
// patina::Error; every change lies inside the tensors and has a rank.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "patina/base/error.h"
#include "patina/checkpoint/peft.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const uint8_t* end = data + size;
  const uint8_t* nul = std::find(data, end, uint8_t{0});
  try {
    const auto config = patina::PeftConfig::parse(
        {reinterpret_cast<const char*>(data), size_t(nul - data)}, "adapter_config.json");
    if (patina::PeftConfig::parse(config.text(), "again").text() != config.text()) std::abort();
    const uint8_t* tensors = nul == end ? end : nul + 1;
    const auto folder = patina::PeftFolder::of(
        config, patina::SafetensorsFile::parse({tensors, size_t(end - tensors)}, "fuzz"), "fuzz");
    for (const auto& [module, change] : folder.changes()) {
      if (module.empty() || !std::isfinite(change.scale)) std::abort();
      if (change.a.shape.at(0) != change.b.shape.at(1)) std::abort();
      for (const auto* tensor : {&change.a, &change.b})
        if (tensor->data.data() < data || tensor->data.data() + tensor->data.size() > end)
          std::abort();
    }
  } catch (const patina::Error&) {
  }
  return 0;
}
