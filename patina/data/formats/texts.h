// Labelled texts as a source, and how files are opened.
#pragma once

#include <map>

#include "patina/data/formats/table.h"
#include "patina/data/options.h"

namespace patina {

/// Maps the labels of files to classes, and has the classes' names.
class LabelMap {
 public:
  LabelMap() = default;
  /// From a JSON file: a list of names, where labels are names or indices; or an object from label
  /// to name (several labels may share a class) or from name to index.
  static LabelMap read(const fs::path& path);
  static LabelMap parse(std::string_view json, const std::string& origin);
  /// From the labels that occur: sorted as numbers if all are numbers, otherwise bytewise.
  static LabelMap of(const std::vector<const TextTable*>& tables);

  const std::vector<std::string>& classes() const { return classes_; }
  /// The class of a label. Throws Error(data); messages start with `place`.
  int64_t operator()(const std::string& label, const std::string& place) const;

 private:
  void add(const std::string& label, int64_t number) { numbers_.emplace(label, number); }

  std::vector<std::string> classes_;
  std::map<std::string, int64_t> numbers_;
};

/// Texts in memory.
class Texts : public Source {
 public:
  /// Throws Error(data) if there are no texts, or a label is not in the map.
  Texts(TextTable table, const LabelMap& labels);

  int64_t size() const override { return int64_t(labels_.size()); }
  int64_t label(int64_t i) const override { return labels_[size_t(i)]; }
  bool is_text() const override { return true; }
  Text text(int64_t i) const override { return table_.records[size_t(i)].text; }
  std::string origin(int64_t i) const override { return table_.place(size_t(i)); }
  const std::vector<std::string>& classes() const override { return classes_; }

 private:
  TextTable table_;
  std::vector<int64_t> labels_;
  std::vector<std::string> classes_;
};

/// Opens a folder with train.* and test.* (or val.*, valid.*); a JSON file of such splits; or a
/// single file, which is split by options.test_fraction and options.split_seed within each class.
DataSplits open_texts(const fs::path& path, const DataOptions& options);

/// Two splits with labels of `labels`.
DataSplits text_splits(TextTable train, TextTable test, const LabelMap& labels);

}  // namespace patina
