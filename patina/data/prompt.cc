#include "patina/data/prompt.h"

#include <algorithm>
#include <utility>

#include "patina/base/error.h"

namespace patina {

namespace {

constexpr std::string_view kInstruction = "{instruction}", kInput = "{input}";

}  // namespace

PlainPrompt::PlainPrompt(std::string pattern) : pattern_(std::move(pattern)) {
  if (pattern_.find(kInstruction) == std::string::npos)
    fail(ErrorKind::recipe, "text.prompt is \"{}\", without {}", pattern_, kInstruction);
  for (size_t at = 0; (at = pattern_.find('{', at)) != std::string::npos; ++at) {
    const std::string_view rest = std::string_view(pattern_).substr(at);
    if (!rest.starts_with(kInstruction) && !rest.starts_with(kInput))
      fail(ErrorKind::recipe, "text.prompt is \"{}\", in which only {} and {} stand in braces",
           pattern_, kInstruction, kInput);
  }
}

// Line by line, so that what is filled in is not searched for names again.
std::string PlainPrompt::filled(const std::string& instruction, const std::string& input) const {
  std::string text;
  for (size_t start = 0; start < pattern_.size();) {
    const size_t end = std::min(pattern_.find('\n', start), pattern_.size() - 1) + 1;
    const std::string_view line = std::string_view(pattern_).substr(start, end - start);
    start = end;
    if (input.empty() && line.find(kInput) != line.npos && line.find(kInstruction) == line.npos)
      continue;
    for (size_t i = 0; i < line.size();) {
      const std::string_view rest = line.substr(i);
      if (rest.starts_with(kInstruction)) {
        text += instruction;
        i += kInstruction.size();
      } else if (rest.starts_with(kInput)) {
        text += input;
        i += kInput.size();
      } else {
        text += line[i++];
      }
    }
  }
  return text;
}

std::vector<PromptPart> PlainPrompt::parts(const Exchange& exchange) const {
  std::vector<PromptPart> parts;
  std::string waiting;  // what stands before the next answer
  for (size_t i = 0; i < exchange.turns.size(); ++i) {
    const auto& [role, content] = exchange.turns[i];
    const bool last = i + 1 == exchange.turns.size();
    if (role == "system") {
      waiting += content + "\n";
    } else if (role == "user") {
      waiting += filled(content, last ? exchange.input : "");
    } else {
      parts.push_back({std::exchange(waiting, "")});
      parts.push_back({.text = content, .answer = true, .ends = true});
    }
  }
  parts.push_back({waiting});
  parts.push_back({.text = exchange.answers.front(), .answer = true, .ends = true});
  return parts;
}

namespace {

ChatOptions dated() {
  std::tm day{};
  day.tm_year = 124;
  day.tm_mon = 6;
  day.tm_mday = 26;
  day.tm_wday = 5;
  day.tm_yday = 207;
  return {.now = day};
}

}  // namespace

std::vector<PromptPart> ChatPrompt::parts(const Exchange& exchange) const {
  std::vector<ChatMessage> messages;
  bool earlier = false;  // whether an answer stands before the last
  for (const auto& [role, content] : exchange.turns) {
    messages.push_back({role, content});
    earlier = earlier || role == "assistant";
  }
  if (!exchange.input.empty()) messages.back().content += "\n" + exchange.input;
  messages.push_back({"assistant", exchange.answers.front()});
  const ChatText whole = chat_->with_answers(messages, dated(), /*last_only=*/!earlier);
  std::vector<PromptPart> parts;
  size_t at = 0;
  const auto add = [&](size_t end, bool answer) {
    if (end > at || answer)
      parts.push_back({.text = whole.text.substr(at, end - at), .answer = answer});
    at = end;
  };
  for (const TextSpan& span : whole.answers) {
    add(span.begin, false);
    add(span.end, true);
  }
  return parts;
}

std::string ChatPrompt::text() const {
  const ChatMessage messages[] = {{"user", "1"}, {"assistant", "2"}, {"user", "3"}};
  ChatOptions options = dated();
  options.generation_prompt = true;
  return "chat template: " + chat_->render(std::span<const ChatMessage>(messages), options);
}

}  // namespace patina
