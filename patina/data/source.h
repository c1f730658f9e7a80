// Data sources: where samples come from. A source has files, classes and samples, but no tasks or
// order. Images are decoded on demand, from any thread; texts are in memory.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "patina/base/file.h"
#include "patina/image/image.h"

namespace patina {

/// A text, or a pair of them.
struct Text {
  std::string first;
  std::string second;  // "": none
};

/// What answers the samples of a source.
enum class AnswerKind {
  label,    // a class
  text,     // a text that follows a prompt: see Source::exchange
  nothing,  // the text is the whole sample, and all of it is modelled
};

/// A turn of a conversation.
struct Message {
  std::string role;  // "system", "user" or "assistant"
  std::string content;
};

/// A prompt and the text that answers it.
struct Exchange {
  std::vector<Message> turns;        // the last one is the user's: the instruction
  std::string input;                 // what the instruction is about; "": nothing
  std::vector<std::string> answers;  // the first is learned, all of them are references
};

/// A 128-bit hash of a sample's content. Not cryptographic.
using Fingerprint = std::array<uint64_t, 2>;

/// One split (train or test) of a data set of images or texts.
class Source {
 public:
  virtual ~Source() = default;

  virtual int64_t size() const = 0;
  /// Class of sample i, in [0, classes().size()).
  virtual int64_t label(int64_t i) const = 0;
  /// Whether samples are texts; otherwise they are images.
  virtual bool is_text() const { return false; }
  /// Whether an image belongs to each text; image(i) is the one that text i is about.
  virtual bool has_images() const { return !is_text(); }
  /// Decodes the image of sample i. Thread-safe. Throws Error with the file's name.
  virtual Image image(int64_t i) const;
  /// The bytes that decode_image makes image(i) of: those of its file or, without one, a PNG of its
  /// pixels. Thread-safe. Throws like image().
  virtual Bytes encoded_image(int64_t i) const { return encode_png(image(i)); }
  /// Sample i of a source of texts. Thread-safe.
  virtual Text text(int64_t i) const;
  /// What answers its samples. A source without labels has one class, so that whatever divides
  /// samples by their classes divides these evenly.
  virtual AnswerKind answer_kind() const { return AnswerKind::label; }
  /// Sample i of a source whose answers are texts. Thread-safe.
  virtual Exchange exchange(int64_t i) const;
  /// Where sample i comes from, for messages: a file, or "train-images.gz[17]".
  virtual std::string origin(int64_t i) const = 0;
  virtual const std::vector<std::string>& classes() const = 0;
  /// A hash of the undecoded sample, independent of its label and location. Files of a folder are
  /// assumed not to change while the source exists. Thread-safe. Throws Error with the file's name.
  virtual Fingerprint fingerprint(int64_t i) const;
  /// A number that changes with the sample's content, as far as that is seen without reading a
  /// file: a file's size in bytes, and a hash of what is in memory. Throws like fingerprint().
  virtual uint64_t mark(int64_t i) const { return fingerprint(i)[0]; }

  /// Names of the domains, such as "photo" and "sketch". A domain need not have every class. A
  /// source without different domains has one.
  virtual const std::vector<std::string>& domains() const;
  /// Domain of sample i, in [0, domains().size()).
  virtual int64_t domain(int64_t /*i*/) const { return 0; }

  /// Number of samples left out because they could not be decoded (skip_bad_images).
  virtual int64_t skipped() const { return 0; }
};

/// A 128-bit key of a processed sample: the hash `made_by` of the processing, continued by the
/// sample's fingerprint. Throws the errors of reading it.
Fingerprint sample_key(ContentHash made_by, const Source& source, int64_t sample);

/// The training and the test split of a data set.
struct DataSplits {
  std::string name;
  std::unique_ptr<Source> train, test;  // with the same classes
  // "validation": samples held out of the training split are in the place of the test split
  std::string evaluated_on = "test";
};

}  // namespace patina
