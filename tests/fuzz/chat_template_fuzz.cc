// Any bytes are a chat template or a patina::Error; what was read renders a conversation within its
// limits or throws a patina::Error.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/text/chat_template.h"
#include "patina/text/unicode/unicode.h"

namespace {

patina::Json conversation() {
  return {{{"role", "system"}, {"content", "Be brief."}},
          {{"role", "user"}, {"content", {{{"type", "text"}, {"text", "a\u00e4 \n"}}}}},
          {{"role", "assistant"},
           {"content", "b"},
           {"tool_calls", {{{"function", {{"name", "f"}, {"arguments", {{"x", 1.5}}}}}}}}},
          {{"role", "user"}, {"content", " c </s>\n"}}};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const patina::Json messages = conversation();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const patina::ChatLimits limits{.steps = 50'000, .bytes = 1 << 16};
  try {
    const patina::ChatTemplate made(text, "fuzz", {{"bos_token", "<s>"}, {"eos_token", "</s>"}},
                                    limits);
    const patina::ChatOptions options{.generation_prompt = true, .now = std::tm{}};
    const patina::ChatText out = made.with_answers(messages, options);
    if (out.text.size() > limits.bytes || !patina::is_utf8(out.text)) std::abort();
    for (const auto& [begin, end] : out.answers)
      if (begin > end || end > out.text.size()) std::abort();
  } catch (const patina::Error&) {
  }
  return 0;
}
