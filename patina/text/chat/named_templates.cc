#include "patina/text/chat/named_templates.h"

#include <algorithm>
#include <string>

namespace patina::chat {

namespace {

constexpr std::string_view kChatMl = R"(
{%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<|im_start|>assistant\n' }}
{%- endif -%}
)";

// In front of ChatML, so that every conversation begins with a system message.
constexpr std::string_view kSmolLm2System = R"(
{%- if messages[0].role != 'system' -%}
{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}
{%- endif -%}
)";

constexpr std::string_view kLlama3 = R"(
{{- bos_token -}}
{%- for message in messages -%}
{{ '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' + message.content | trim + '<|eot_id|>' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif -%}
)";

// A system message has no turn of its own: it stands in front of the first user's.
constexpr std::string_view kGemma = R"(
{{- bos_token -}}
{%- set turns = namespace(before='') -%}
{%- for message in messages -%}
{%- if message.role == 'system' -%}
{%- set turns.before = message.content | trim + '\n\n' -%}
{%- else -%}
{{ '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\n' + turns.before + message.content | trim + '<end_of_turn>\n' }}
{%- set turns.before = '' -%}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<start_of_turn>model\n' }}
{%- endif -%}
)";

constexpr std::string_view kMistral = R"(
{{- bos_token -}}
{%- set turns = namespace(before='') -%}
{%- for message in messages -%}
{%- if message.role == 'system' -%}
{%- set turns.before = message.content + '\n\n' -%}
{%- elif message.role == 'assistant' -%}
{{ ' ' + message.content + eos_token }}
{%- else -%}
{{ '[INST] ' + turns.before + message.content + ' [/INST]' }}
{%- set turns.before = '' -%}
{%- endif -%}
{%- endfor -%}
)";

}  // namespace

std::span<const NamedTemplate> named_templates() {
  static const std::string smollm2 = std::string(kSmolLm2System).append(kChatMl);
  static const std::vector<NamedTemplate> all = {
      {"chatml", kChatMl, {"<|im_start|>", "<|im_end|>"}},
      {"gemma", kGemma, {"<start_of_turn>", "<end_of_turn>"}},
      {"llama3", kLlama3, {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"}},
      {"mistral", kMistral, {}},
      {"smollm2", smollm2, {"<|im_start|>", "<|im_end|>"}}};
  return all;
}

const NamedTemplate* named_template(std::string_view name) {
  const auto all = named_templates();
  const auto found = std::ranges::find(all, name, &NamedTemplate::name);
  return found == all.end() ? nullptr : &*found;
}

}  // namespace patina::chat
