#include "patina/data/source.h"

#include "patina/base/error.h"

namespace patina {

Image Source::image(int64_t i) const {
  PATINA_REQUIRE(false, "sample {} is a text", i);
  return {};
}

Text Source::text(int64_t i) const {
  PATINA_REQUIRE(false, "sample {} is an image", i);
  return {};
}

Exchange Source::exchange(int64_t i) const {
  PATINA_REQUIRE(false, "sample {} has no text as its answer", i);
  return {};
}

const std::vector<std::string>& Source::domains() const {
  static const std::vector<std::string> one = {""};
  return one;
}

Fingerprint Source::fingerprint(int64_t i) const {
  ContentHash hash;
  if (answer_kind() == AnswerKind::text) {
    const Exchange sample = exchange(i);
    hash.add(fmt::format("exchange {} {}", sample.turns.size(), sample.answers.size()));
    for (const auto& [role, content] : sample.turns) {
      hash.add(role);
      hash.add(content);
    }
    hash.add(sample.input);
    for (const auto& answer : sample.answers) hash.add(answer);
  } else if (is_text()) {
    const Text sample = text(i);
    hash.add("text");
    hash.add(sample.first);
    hash.add(sample.second);
  }
  if (has_images()) {
    const Image sample = image(i);
    hash.add(fmt::format("image {}x{}", sample.height, sample.width));
    hash.add(sample.pixels.data(), sample.pixels.size());
  }
  return hash.words();
}

Fingerprint sample_key(ContentHash made_by, const Source& source, int64_t sample) {
  const Fingerprint fingerprint = source.fingerprint(sample);
  made_by.add(fingerprint.data(), sizeof fingerprint);
  return made_by.words();
}

}  // namespace patina
