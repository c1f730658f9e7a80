// The samples that a learner keeps of earlier tasks, as an artefact holds them: images as they were
// stored, texts with their answers.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "patina/checkpoint/archive.h"
#include "patina/data/source.h"

namespace patina {

/// Some samples of another source. A sample's label is the target that the learner knows it by.
class KeptSamples : public Source {
 public:
  /// To be loaded into. `classes` are the session's.
  KeptSamples(bool is_text, AnswerKind answers, std::vector<std::string> classes,
              bool has_images = false);
  /// The samples of `source` at the positions in `targets`.
  KeptSamples(const Source& source, const std::map<int64_t, int64_t>& targets);

  /// The sample that was at a position of the source; nothing if it is not here.
  std::optional<int64_t> at(int64_t position) const;
  uint64_t bytes() const;  // of texts and images
  /// Throws Error(state) if what is loaded does not fit together.
  void state(Archive& a);

  const std::vector<std::string>& classes() const override { return classes_; }
  std::string origin(int64_t i) const override;
  AnswerKind answer_kind() const override { return answers_; }
  bool is_text() const override { return is_text_; }
  bool has_images() const override { return has_images_; }
  int64_t size() const override { return int64_t(positions_.size()); }
  int64_t label(int64_t i) const override { return targets_.at(size_t(i)); }
  Image image(int64_t i) const override;
  Bytes encoded_image(int64_t i) const override;
  Text text(int64_t i) const override;
  Exchange exchange(int64_t i) const override;

 private:
  void add(const Source& source, int64_t position);
  void check() const;

  bool is_text_, has_images_;
  AnswerKind answers_;
  std::vector<std::string> classes_;
  std::vector<int64_t> positions_, targets_;  // ascending positions
  // What sample i consists of is parts_[first_[i]] to parts_[first_[i + 1] - 1]: an image's bytes;
  // the two texts of a Text; of an Exchange role and content of every turn, the input, the answers.
  // The image of a text stands in front of them.
  std::vector<std::string> parts_;
  std::vector<int64_t> first_ = {0}, turns_;  // turns_: of each exchange
};

}  // namespace patina
