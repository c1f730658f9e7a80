#include "apps/patina/answers.h"

#include <cstdlib>

namespace patina::cli {

namespace {

constexpr char kBetween = '\x1f';  // cannot occur in arguments that have an answer

std::string joined(const Arguments& arguments) {
  std::string line;
  for (const auto& argument : arguments) line.append(argument).push_back(kBetween);
  return line;
}

}  // namespace

std::string write_answers(const std::vector<Arguments>& asked,
                          const std::function<std::string(const Arguments&)>& render) {
  std::string all;
  for (const auto& arguments : asked) {
    const std::string text = render(arguments);
    all += joined(arguments) + "\n" + std::to_string(text.size()) + "\n" + text;
  }
  return all;
}

std::optional<std::string_view> answer_to(std::string_view answers, const Arguments& arguments) {
  const std::string wanted = joined(arguments);
  while (!answers.empty()) {
    const size_t line = answers.find('\n'), length = answers.find('\n', line + 1);
    const size_t size = std::strtoull(answers.data() + line + 1, nullptr, 10);
    const std::string_view text = answers.substr(length + 1, size);
    if (answers.substr(0, line) == wanted) return text;
    answers.remove_prefix(length + 1 + size);
  }
  return std::nullopt;
}

}  // namespace patina::cli
