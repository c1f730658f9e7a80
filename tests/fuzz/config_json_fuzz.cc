// Any text is a config.json that is read through every getter, or a patina::Error.
#include <cstdlib>
#include <string_view>

#include "patina/models/config_json.h"

#include "patina/base/json.h"

namespace {

template <class Read>
void attempt(Read read) {
  try {
    read();
  } catch (const patina::Error&) {
  }
}

// As families read it: the same keys under every type.
void read_all(patina::ConfigJson config, int depth) {
  for (const char* key : {"hidden_size", "layer_norm_eps", "tie", "hidden_act", "text_config"}) {
    attempt([&] {
      const int64_t size = config.size(key, 7);
      if (size < 1 || size > 1 << 24) std::abort();
    });
    attempt([&] {
      if (!(config.number(key, 1) > 0)) std::abort();
    });
    attempt([&] { config.flag(key, false); });
    attempt([&] { config.word(key, ""); });
    attempt([&] {
      if (config.id(key, 0) < 0) std::abort();
    });
    attempt([&] { config.activation(key, "gelu"); });
    attempt([&] { config.must_be(key, nullptr); });
    if (depth < 3) attempt([&] { read_all(config.part(key), depth + 1); });
  }
  attempt([&] { config.finish(); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  attempt([&] { read_all({patina::parse_json(text, "config.json"), "config.json"}, 0); });
  return 0;
}
