// Data sources: where samples come from. A source knows its files, classes and samples, nothing of
// tasks or order. Images are decoded on demand and from any thread; texts are in memory.
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
  std::string second;  // "": there is none
};

/// 128 bits of what a sample is. Not cryptographic.
using Fingerprint = std::array<uint64_t, 2>;

/// One split (train or test) of a data set of labelled images or labelled texts.
class Source {
 public:
  virtual ~Source() = default;

  virtual int64_t size() const = 0;
  /// Class of sample i, in [0, classes().size()).
  virtual int64_t label(int64_t i) const = 0;
  /// Whether samples are texts; otherwise they are images.
  virtual bool is_text() const { return false; }
  /// Decodes sample i, of a source of images. Thread-safe. Throws Error naming the file.
  virtual Image image(int64_t i) const;
  /// Sample i of a source of texts. Thread-safe.
  virtual Text text(int64_t i) const;
  /// Where sample i comes from: a file, or "train-images.gz[17]".
  virtual std::string origin(int64_t i) const = 0;
  virtual const std::vector<std::string>& classes() const = 0;
  /// The same wherever the same undecoded sample is found, whatever its label; a folder's file is
  /// taken not to change while the source lives. Thread-safe. Throws Error naming the file.
  virtual Fingerprint fingerprint(int64_t i) const;

  /// Where samples come from, such as "photo" and "sketch", of which not each need have every
  /// class; a source that knows no such difference has one.
  virtual const std::vector<std::string>& domains() const;
  /// Domain of sample i, in [0, domains().size()).
  virtual int64_t domain(int64_t /*i*/) const { return 0; }

  /// Samples left out because they could not be decoded (skip_bad_images).
  virtual int64_t skipped() const { return 0; }
};

/// 128 bits of what becomes of a sample: `made_by` is a hash of how, which is continued by what the
/// sample is. Throws what reading it throws.
Fingerprint sample_key(ContentHash made_by, const Source& source, int64_t sample);

/// The two halves of a data set.
struct DataSplits {
  std::string name;
  std::unique_ptr<Source> train, test;  // both list the same classes
};

}  // namespace patina
