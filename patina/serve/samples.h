// Samples in requests: images as files in a form, as base64 in JSON or as tensors; texts; and texts
// with answers. What they are to be is what the session takes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "patina/data/source.h"
#include "patina/serve/http.h"
#include "patina/serve/json_body.h"

namespace patina::serve {

/// What a session takes.
enum class Taken { images, texts, answers };

struct SampleLimits {
  int64_t samples = 1024;                   // of one request
  int64_t image_pixels = int64_t{1} << 24;  // of an image
};

/// A sample as a client sent it.
struct Sample {
  std::string name;        // the file's, for messages and answers; "": none
  std::string class_name;  // when it is to be learned
  std::string encoded;     // an image: the bytes of its file
  Image pixels = {};       // or its pixels, where there is no file
  Text text = {};
  std::optional<Exchange> exchange = {};  // with its answer, when it is to be learned
};

/// Samples of requests as a source. Their classes are those that their class names name, in the
/// order in which they first occur.
class SentSamples : public Source {
 public:
  SentSamples(std::vector<Sample> samples, Taken taken);

  int64_t size() const override { return int64_t(labels_.size()); }
  int64_t label(int64_t i) const override { return labels_.at(size_t(i)); }
  bool is_text() const override { return taken_ != Taken::images; }
  Image image(int64_t i) const override;
  Bytes encoded_image(int64_t i) const override;
  Text text(int64_t i) const override { return sample(i).text; }
  AnswerKind answer_kind() const override;
  Exchange exchange(int64_t i) const override;
  std::string origin(int64_t i) const override;
  const std::vector<std::string>& classes() const override { return classes_; }

  /// Drops what the samples are made of: nobody reads them any more.
  void release() const { samples_ = {}; }

 private:
  const Sample& sample(int64_t i) const { return samples_.at(size_t(i)); }

  mutable std::vector<Sample> samples_;
  std::vector<int64_t> labels_;
  std::vector<std::string> classes_;
  Taken taken_;
};

struct PredictRequest {
  std::vector<Sample> samples;
  int64_t top = 1, task = -1;
};

/// The largest number of classes that may be asked for.
inline constexpr int64_t kMostClasses = 1'000'000;

/// A form, JSON ({"images": [base64...]} or {"texts": [...]}, "top", "task"), or one image or text
/// as the whole body with `?top=`. Throws HttpError.
PredictRequest parse_predict(const Request& request, Taken taken, const SampleLimits& limits);

struct LearnRequest {
  std::string key;   // names the request; "": it has no name
  std::string task;  // name of a task of texts with answers
  bool wait = true;  // answer when it is learned, not when it is in the journal
  std::vector<Sample> samples;
};

/// A form with the field "class" and files or texts, or JSON: {"class": ..., "images" or "texts":
/// [...]} or {"samples": [{"class": ..., "image" or "text": ...}]}; of a session that answers
/// {"task": ..., "samples": [{"instruction": ..., "input": ..., "output": ...}]} or {"texts":
/// [...]} to be modelled. Throws HttpError.
LearnRequest parse_learn(const Request& request, Taken taken, const SampleLimits& limits);

/// What the journal stores of a request, and back.
std::string journal_text(const LearnRequest& request, std::vector<std::string>& blobs);
LearnRequest from_journal(const std::string& text, const std::vector<std::string>& blobs);

/// Throws HttpError(413) unless there are 1 to limits.samples samples and their images are small
/// enough, HttpError(400) if one is no image.
void check_samples(const std::vector<Sample>& samples, Taken taken, const SampleLimits& limits);

}  // namespace patina::serve
