// `[data]`: which data set, from where, how much of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "patina/config/fields.h"

namespace patina {

/// Which data, from where, how much of it.
struct DataOptions {
  // names of `patina list datasets` joined by "+", or "folder", "text", "instructions", "passages"
  std::string name;
  std::string path;             // folder with the files, or a text file; "": the usual places
  int64_t train_per_class = 0;  // the first N of each class in each domain; 0: all
  int64_t test_per_class = 0;
  double imbalance = 1;        // ratio of training samples, smallest class to largest
  double test_fraction = 0.2;  // for image folders without train/ and test/, and texts in one file
  int64_t split_seed = 1993;
  double validation_percent = 0;  // of each class's training samples, in place of the test split
  std::string class_names;        // a JSON file of names instead of the data set's own
  std::string class_names_set;    // which of the file's sets
  bool skip_bad_images = false;   // skip and count images that cannot be decoded

  // For "text": columns or fields by name, or by number from 0 if there is no header.
  std::string text = "text";
  std::string text_pair;  // the second text of a pair; "": none
  std::string label = "label";
  std::string labels;  // a JSON file of class names; "": the labels that occur, sorted
  std::string format;  // csv, tsv, json, jsonl or lines; "": by the files' extensions

  // For "instructions" and "passages".
  std::vector<std::string> sets;  // names below `path`, each a domain; empty: `path` is the set
  std::string instruction = "instruction", input = "input", answer = "output",
              messages = "messages";  // the keys of a record
  int64_t passage_bytes = 1024;
  bool verbalized = false;  // of labelled texts: the answers are the names of the classes

  // For streams whose domains differ.
  bool shared_classes = true;  // for joined sets: classes of equal name are one class
  std::string domains;         // "": as in the data; permuted, rotated or folders
  int64_t domain_count = 10;   // for permuted, and for rotated without angles
  int64_t domain_padding = 0;  // for permuted: black pixels added on every side before the
                               // permutation
  int64_t domain_seed = 1993;
  std::vector<double> angles;    // for rotated, in degrees
  int64_t train_per_domain = 0;  // N random samples per domain; 0: all

  void bind(Fields& f);
};

}  // namespace patina
