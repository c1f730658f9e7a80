#include "patina/pretrain/sentences.h"

#include <unordered_set>

#include <fmt/format.h>

namespace patina {

namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v';
}

int64_t words_in(std::string_view text) {
  int64_t words = 0;
  bool inside = false;
  for (const char c : text) {
    if (!inside && !is_space(c)) ++words;
    inside = !is_space(c);
  }
  return words;
}

}  // namespace

void SentenceOptions::bind(Fields& f) {
  f("train", train, "Sentences to train on, drawn from all.", at_least(1));
  f("test", test, "Sentences of the test split to test on.", at_least(1));
  f("shortest", shortest, "Words in the shortest sentence to use.", at_least(1));
  f("longest", longest, "Words in the longest.", at_least(1));
  f.require(shortest <= longest, "longest", "must be at least shortest");
}

std::vector<std::string> sentences_of(std::string_view text) {
  std::vector<std::string> found;
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    const bool last = i == text.size();
    const bool stop = !last && (text[i] == '.' || text[i] == '!' || text[i] == '?') &&
                      (i + 1 == text.size() || is_space(text[i + 1]));
    if (!last && !stop && text[i] != '\n') continue;
    std::string_view one = text.substr(begin, i + size_t(stop) - begin);
    while (!one.empty() && is_space(one.front())) one.remove_prefix(1);
    while (!one.empty() && is_space(one.back())) one.remove_suffix(1);
    if (!one.empty()) found.emplace_back(one);
    begin = i + 1;
  }
  return found;
}

std::vector<std::string> sentences_of(const Source& texts, const SentenceOptions& options) {
  std::vector<std::string> found;
  std::unordered_set<std::string> met;
  for (int64_t i = 0; i < texts.size(); ++i) {
    const Text text = texts.text(i);
    for (const auto* part : {&text.first, &text.second})
      for (auto& sentence : sentences_of(*part)) {
        const int64_t words = words_in(sentence);
        if (words < options.shortest || words > options.longest) continue;
        if (met.insert(sentence).second) found.push_back(std::move(sentence));
      }
  }
  return found;
}

std::vector<std::string> drawn(const std::vector<std::string>& sentences, int64_t count,
                               Random random) {
  std::vector<std::string> chosen;
  for (const int64_t i : random.permutation(int64_t(sentences.size()))) {
    if (int64_t(chosen.size()) == count) break;
    chosen.push_back(sentences[size_t(i)]);
  }
  return chosen;
}

std::string Sentences::origin(int64_t i) const {
  return fmt::format("sentence {}", i);
}

const std::vector<std::string>& Sentences::classes() const {
  static const std::vector<std::string> one = {"sentence"};
  return one;
}

}  // namespace patina
