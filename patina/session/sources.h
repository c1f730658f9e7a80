// Sources for a session: tensors, files, texts, and all learned sources concatenated.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "patina/data/source.h"
#include "patina/session/kept_samples.h"
#include "patina/tensor.h"

namespace patina {

/// Images [N,3,H,W] or one [3,H,W], uint8 or float in [0,1], with labels. Throws Error(data) for
/// another shape or type, values outside the range, or labels that are not class numbers.
std::shared_ptr<const Source> image_tensor(const Tensor& images, std::vector<int64_t> labels,
                                           std::vector<std::string> classes);

/// Image files, decoded when they are read.
std::shared_ptr<const Source> image_files(std::vector<fs::path> files, std::vector<int64_t> labels,
                                          std::vector<std::string> classes);

std::shared_ptr<const Source> labelled_texts(std::vector<Text> texts, std::vector<int64_t> labels,
                                             std::vector<std::string> classes);

/// Prompts without answers, to be answered. `origins` name them in messages; empty: by their
/// numbers. `images`: files, one a prompt, or empty.
std::shared_ptr<const Source> prompts(std::vector<Exchange> asked,
                                      std::vector<std::string> origins = {},
                                      std::vector<fs::path> images = {});

/// Prompts of plain texts, with the answer to each; `answers` may be empty.
std::shared_ptr<const Source> text_prompts(const std::vector<std::string>& asked,
                                           const std::vector<std::string>& answers);

/// All sources a session has learned from, concatenated, with the session's class numbers.
class LearnedSources : public Source {
 public:
  /// The first `absent` samples were learned before the session was opened, or had other answers:
  /// they count, but only those that were kept can be read. `about_images`: each text has one.
  explicit LearnedSources(bool is_text, AnswerKind answers = AnswerKind::label, int64_t absent = 0,
                          std::shared_ptr<const KeptSamples> kept = nullptr,
                          bool about_images = false)
      : is_text_(is_text),
        has_images_(kept ? kept->has_images() : about_images || !is_text),
        answers_(answers),
        absent_(absent),
        kept_(std::move(kept)) {}
  /// These sources and another one, whose class c is `numbers[c]` of `classes`.
  std::shared_ptr<const LearnedSources> with(std::shared_ptr<const Source> source,
                                             std::vector<int64_t> numbers,
                                             std::vector<std::string> classes) const;

  int64_t size() const override { return parts_.empty() ? absent_ : parts_.back().end; }
  int64_t label(int64_t i) const override;
  bool is_text() const override { return is_text_; }
  bool has_images() const override { return has_images_; }
  Image image(int64_t i) const override;
  Bytes encoded_image(int64_t i) const override;
  Text text(int64_t i) const override;
  AnswerKind answer_kind() const override { return answers_; }
  Exchange exchange(int64_t i) const override;
  std::string origin(int64_t i) const override;
  const std::vector<std::string>& classes() const override { return classes_; }
  Fingerprint fingerprint(int64_t i) const override;
  uint64_t mark(int64_t i) const override;

 private:
  struct Part {
    std::shared_ptr<const Source> source;
    std::vector<int64_t> numbers;
    int64_t first, end;
  };
  // A sample of one of the sources, and the session's number of its class.
  struct Sample {
    const Source* source;
    int64_t index, label;
  };
  Sample sample(int64_t i) const;

  bool is_text_, has_images_;
  AnswerKind answers_;
  int64_t absent_;
  std::shared_ptr<const KeptSamples> kept_;  // of the absent ones; null: none
  std::vector<Part> parts_;
  std::vector<std::string> classes_;
};

}  // namespace patina
