#include "patina/session/kept_samples.h"

#include <algorithm>

#include "patina/base/error.h"
#include "patina/ops.h"

namespace patina {

namespace {

// Several strings as one tensor of bytes and one of lengths: they may have any bytes.
void strings_state(Archive& a, std::vector<std::string>& strings) {
  std::string all;
  std::vector<int64_t> sizes;
  for (const auto& one : strings) {
    all += one;
    sizes.push_back(int64_t(one.size()));
  }
  Tensor lengths = tensor_of(sizes);
  a("bytes", all);
  a("lengths", lengths);
  if (!a.loading()) return;
  if (!lengths.defined() || lengths.dim() != 1 || lengths.scalar_type() != at::kLong)
    fail(ErrorKind::state, "the kept samples have no lengths");
  strings.clear();
  size_t at = 0;
  for (const int64_t size : items_of(lengths)) {
    if (size < 0 || uint64_t(size) > all.size() - at)
      fail(ErrorKind::state, "the kept samples are longer than their bytes");
    strings.push_back(all.substr(at, size_t(size)));
    at += size_t(size);
  }
  if (at != all.size()) fail(ErrorKind::state, "the kept samples are shorter than their bytes");
}

}  // namespace

KeptSamples::KeptSamples(bool is_text, AnswerKind answers, std::vector<std::string> classes,
                         bool has_images)
    : is_text_(is_text),
      has_images_(has_images || !is_text),
      answers_(answers),
      classes_(std::move(classes)) {}

KeptSamples::KeptSamples(const Source& source, const std::map<int64_t, int64_t>& targets)
    : is_text_(source.is_text()),
      has_images_(source.has_images()),
      answers_(source.answer_kind()),
      classes_(source.classes()) {
  for (const auto& [position, target] : targets) {
    positions_.push_back(position);
    targets_.push_back(target);
    add(source, position);
    first_.push_back(int64_t(parts_.size()));
  }
}

void KeptSamples::add(const Source& source, int64_t position) {
  if (has_images_) {
    const Bytes bytes = source.encoded_image(position);
    parts_.emplace_back(bytes.begin(), bytes.end());
  }
  if (!is_text_) return;
  if (answers_ == AnswerKind::text) {
    Exchange exchange = source.exchange(position);
    turns_.push_back(int64_t(exchange.turns.size()));
    for (Message& turn : exchange.turns) {
      parts_.push_back(std::move(turn.role));
      parts_.push_back(std::move(turn.content));
    }
    parts_.push_back(std::move(exchange.input));
    std::ranges::move(exchange.answers, std::back_inserter(parts_));
  } else {
    Text text = source.text(position);
    parts_.push_back(std::move(text.first));
    parts_.push_back(std::move(text.second));
  }
}

std::optional<int64_t> KeptSamples::at(int64_t position) const {
  const auto found = std::ranges::lower_bound(positions_, position);
  if (found == positions_.end() || *found != position) return std::nullopt;
  return found - positions_.begin();
}

uint64_t KeptSamples::bytes() const {
  uint64_t sum = 0;
  for (const auto& part : parts_) sum += part.size();
  return sum;
}

Bytes KeptSamples::encoded_image(int64_t i) const {
  const std::string& bytes = parts_[size_t(first_.at(size_t(i)))];
  return {bytes.begin(), bytes.end()};
}

Image KeptSamples::image(int64_t i) const {
  return decode_image(encoded_image(i), origin(i));
}

Text KeptSamples::text(int64_t i) const {
  if (answers_ == AnswerKind::text) {
    const Exchange sample = exchange(i);
    return {sample.turns.empty() ? "" : sample.turns.back().content, sample.input};
  }
  const size_t first = size_t(first_.at(size_t(i))) + has_images_;
  return {parts_[first], parts_[first + 1]};
}

Exchange KeptSamples::exchange(int64_t i) const {
  size_t part = size_t(first_.at(size_t(i))) + has_images_;
  Exchange sample;
  for (int64_t turn = 0; turn < turns_.at(size_t(i)); ++turn, part += 2)
    sample.turns.push_back({parts_[part], parts_[part + 1]});
  sample.input = parts_[part++];
  sample.answers.assign(parts_.begin() + ptrdiff_t(part),
                        parts_.begin() + ptrdiff_t(first_.at(size_t(i) + 1)));
  return sample;
}

std::string KeptSamples::origin(int64_t i) const {
  return fmt::format("sample {} of the artefact", positions_.at(size_t(i)));
}

void KeptSamples::state(Archive& a) {
  a("positions", positions_);
  a("targets", targets_);
  a("first", first_);
  a("turns", turns_);
  strings_state(a, parts_);
  if (a.loading()) check();
}

void KeptSamples::check() const {
  const auto damaged = [](const char* what) {
    fail(ErrorKind::state, "the kept samples' {} do not fit together", what);
  };
  const size_t count = positions_.size();
  const bool exchanges = is_text_ && answers_ == AnswerKind::text;
  if (targets_.size() != count || first_.size() != count + 1 ||
      turns_.size() != (exchanges ? count : 0))
    damaged("numbers");
  if (first_.front() != 0 || first_.back() != int64_t(parts_.size()) ||
      !std::ranges::is_sorted(first_))
    damaged("parts");
  for (size_t i = 0; i < count; ++i) {
    if (positions_[i] < 0 || (i > 0 && positions_[i] <= positions_[i - 1])) damaged("positions");
    if (targets_[i] < 0 || targets_[i] >= int64_t(classes_.size())) damaged("targets");
    const int64_t parts = first_[i + 1] - first_[i] - (is_text_ && has_images_);
    // The input, and at least an answer, which is learned.
    if (exchanges ? turns_[i] < 1 || turns_[i] > parts || parts < 2 * turns_[i] + 2
                  : parts != (is_text_ ? 2 : 1))
      damaged("parts");
  }
}

}  // namespace patina
