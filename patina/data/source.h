// Data sources: where samples come from. A source knows its files, classes and samples, nothing of
// tasks or order. Images are decoded on demand and from any thread; texts are in memory.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "patina/base/file.h"
#include "patina/config/fields.h"
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

/// Which data, from where, how much of it.
struct DataOptions {
  std::string name;             // names of `patina list datasets` joined by "+", "folder" or "text"
  std::string path;             // folder with the files, or a text file; "": the usual places
  int64_t train_per_class = 0;  // the first N of each class in each domain; 0: all
  int64_t test_per_class = 0;
  double imbalance = 1;        // training samples of the smallest class over the largest
  double test_fraction = 0.2;  // image folders without train/ and test/, texts in one file
  int64_t split_seed = 1993;
  std::string class_names;       // a JSON file of names instead of the data set's own
  std::string class_names_set;   // which of the file's sets
  bool skip_bad_images = false;  // count and leave out images that cannot be decoded

  // Of "text": columns or fields by name, or by number from 0 where there is no header.
  std::string text = "text";
  std::string text_pair;  // the second text of a pair; "": there is none
  std::string label = "label";
  std::string labels;  // a JSON file of class names; "": the labels that occur, sorted
  std::string format;  // csv, tsv, json, jsonl or lines; "": by the files' names

  // Of streams whose domains differ.
  bool shared_classes = true;  // of joined sets: classes of one name are one class
  std::string domains;         // "": the data's own; permuted, rotated or folders
  int64_t domain_count = 10;   // of permuted, and of rotated without angles
  int64_t domain_padding = 0;  // of permuted: black pixels on every side, before they move
  int64_t domain_seed = 1993;
  std::vector<double> angles;    // of rotated, in degrees
  int64_t train_per_domain = 0;  // a drawn N of each domain; 0: all

  void bind(Fields& f);
};

struct DataSplits {
  std::string name;
  std::unique_ptr<Source> train, test;  // both list the same classes
};

/// Opens a data set, or several side by side. Cut in this order: the first of each class, the long
/// tail, then (with the domains made) those drawn of each domain. Throws Error(data) naming the
/// file and the remedy when something is missing, truncated, corrupt, empty, or a class has no
/// samples; and naming the option when options contradict each other.
DataSplits open_data(const DataOptions& options);

/// One row of `patina list datasets`.
struct DataSetInfo {
  std::string name;
  std::string about;    // "clothing, 28x28 grey, 10 classes, 60000 / 10000"
  std::string files;    // the files it expects, for people
  std::string how;      // how to get it: an apt package or the publisher's page
  int64_t classes = 0;  // 0: whatever is there
};
const std::vector<DataSetInfo>& data_sets();

}  // namespace patina
