// Any bytes are prompts, with answers or to be answered, in JSON or JSON Lines, or an Error.
#include <cstdlib>

#include "patina/base/error.h"
#include "patina/data/formats/instructions.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto parse : {patina::parse_instructions_json, patina::parse_instructions_jsonl})
    for (const bool answered : {true, false}) try {
        patina::InstructionFields fields;
        if (!answered) fields.answer = "";
        const auto table = parse(text, fields, "fuzz");
        for (const auto& record : table.records) {
          if (record.turns.empty() || record.turns.back().role != "user" ||
              record.turns.back().content.empty())
            std::abort();
          if (answered && (record.answers.empty() || record.answers.front().empty())) std::abort();
        }
      } catch (const patina::Error&) {
        // Refusing is fine.
      }
  return 0;
}
