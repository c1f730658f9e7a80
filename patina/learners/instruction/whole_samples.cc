#include "patina/learners/instruction/whole_samples.h"

#include <algorithm>
#include <array>

#include "patina/base/error.h"
#include "patina/learners/instruction/prompts.h"
#include "patina/ops.h"
#include "patina/place.h"

namespace patina {

namespace {

void add(AnswerTokens& tokens, std::span<const int64_t> ids, bool loss) {
  tokens.ids.insert(tokens.ids.end(), ids.begin(), ids.end());
  tokens.loss.insert(tokens.loss.end(), ids.size(), loss);
}

}  // namespace

WholeSamples::WholeSamples(const Tokenizer& tokenizer, const std::string& answer, int64_t longest,
                           bool encoded)
    : tokenizer_(tokenizer),
      answer_(tokenizer.encode(answer)),
      longest_(longest),
      encoded_(encoded) {
  if (end() < 0)
    fail(ErrorKind::model,
         "the model's tokenizer has no end-of-text token, so samples could not learn to end: name "
         "it in tokenizer_config.json (eos_token)");
}

AnswerTokens WholeSamples::answer_of(const WholeSample& sample) const {
  AnswerTokens tokens;
  add(tokens, tokenizer_.frame().before, false);
  add(tokens, sample.prompt, false);
  if (encoded_) add(tokens, tokenizer_.frame().after, false);
  add(tokens, sample.answer, true);
  add(tokens, std::array{end()}, true);
  if (longest_ > 0 && tokens.ids.size() > size_t(longest_)) {
    tokens.ids.resize(size_t(longest_));
    tokens.loss.resize(size_t(longest_));
  }
  tokens.loss.front() = 0;  // nothing stands before it
  return tokens;
}

AnswerTokens WholeSamples::begun(const std::string& marker) const {
  AnswerTokens tokens;
  add(tokens, tokenizer_.frame().before, false);
  add(tokens, tokenizer_.encode(marker), !encoded_);
  if (encoded_) add(tokens, tokenizer_.frame().after, false);
  tokens.loss.front() = 0;
  return tokens;
}

AnswerTokens WholeSamples::whole(const std::string& marker, const WholeSample& sample) const {
  AnswerTokens tokens = begun(marker);
  const size_t others = tokens.ids.size() + answer_.size() + 1, room = size_t(longest_);
  std::span<const int64_t> prompt = sample.prompt, answer = sample.answer;
  if (longest_ > 0) {
    answer = answer.first(std::min(answer.size(), room - std::min(room, others)));
    prompt = prompt.last(std::min(prompt.size(), room - std::min(room, others + answer.size())));
  }
  add(tokens, prompt, true);
  add(tokens, answer_, true);
  add(tokens, answer, true);
  if (answer.size() == sample.answer.size()) add(tokens, std::array{end()}, true);
  return tokens;
}

std::vector<WholeSample> WholeSamples::samples_of(const Input& input) const {
  std::vector<WholeSample> samples;
  const auto &frame = tokenizer_.frame().before, &after = tokenizer_.frame().after;
  for (auto& text : texts_of(input)) {
    WholeSample sample{.prompt = std::move(text.prompt), .answer = std::move(text.answer)};
    if (sample.prompt.size() >= frame.size() &&
        std::equal(frame.begin(), frame.end(), sample.prompt.begin()))
      sample.prompt.erase(sample.prompt.begin(), sample.prompt.begin() + ptrdiff_t(frame.size()));
    if (encoded_ && sample.prompt.size() >= after.size() &&
        std::equal(after.rbegin(), after.rend(), sample.prompt.rbegin()))
      sample.prompt.resize(sample.prompt.size() - after.size());
    if (!sample.answer.empty() && sample.answer.back() == end()) sample.answer.pop_back();
    samples.push_back(std::move(sample));
  }
  return samples;
}

std::vector<size_t> WholeSamples::markers_in(std::span<const int64_t> ids) const {
  std::vector<size_t> places;
  for (size_t i = 0; i + answer_.size() <= ids.size(); ++i)
    if (std::equal(answer_.begin(), answer_.end(), ids.begin() + ptrdiff_t(i))) places.push_back(i);
  return places;
}

std::optional<WholeSample> WholeSamples::read(std::span<const int64_t> written) const {
  const auto places = markers_in(written);
  if (places.size() != 1) return {};
  const auto prompt = written.first(places.front());
  const auto answer = written.subspan(places.front() + answer_.size());
  if (prompt.empty() || answer.empty()) return {};
  return WholeSample{{prompt.begin(), prompt.end()}, {answer.begin(), answer.end()}};
}

Tensor WholeSamples::marker_weights(const std::vector<AnswerTokens>& whole, double weight) const {
  std::vector<float> weights;
  for (const auto& tokens : whole) {
    std::vector<float> row(tokens.ids.size(), 1);
    for (const size_t place : markers_in(tokens.ids))
      std::fill_n(row.begin() + ptrdiff_t(place), answer_.size(), float(weight));
    for (size_t i = 0; i < row.size(); ++i)
      if (tokens.loss[i]) weights.push_back(row[i]);
  }
  return at::from_blob(weights.data(), {int64_t(weights.size())}).clone();
}

}  // namespace patina
