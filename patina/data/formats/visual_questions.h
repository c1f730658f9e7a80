// Questions about images, each with its answer.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "patina/data/options.h"
#include "patina/data/source.h"

namespace patina {

/// Encoded images by number.
struct StoredImages {
  std::vector<std::string> origins;  // of each, for messages: a file, or "images.tar.gz[0.png]"
  std::function<Bytes(size_t image)> bytes;  // thread-safe; throws Error with the image's name
};

/// Questions of one split, validated: no text is blank, and every image is there.
struct VisualQuestionTable {
  struct Record {
    std::string question, answer;
    size_t image = 0;  // in `images`
    std::string domain = {};
    std::string place = {};  // "train.jsonl:17"
  };
  std::vector<Record> records;
  StoredImages images;
};

/// Texts that have an image each. The answer is a class, or a text that the instruction, which is
/// the question, is answered by.
class VisualQuestions : public Source {
 public:
  /// `classes` and `domains` have every answer and domain of the records. `written`: answers are
  /// texts.
  VisualQuestions(VisualQuestionTable table, std::vector<std::string> classes,
                  std::vector<std::string> domains, bool written);

  int64_t size() const override { return int64_t(table_.records.size()); }
  int64_t label(int64_t i) const override { return labels_[size_t(i)]; }
  bool is_text() const override { return true; }
  bool has_images() const override { return true; }
  Image image(int64_t i) const override;
  Bytes encoded_image(int64_t i) const override;
  Text text(int64_t i) const override { return {table_.records[size_t(i)].question, ""}; }
  AnswerKind answer_kind() const override {
    return written_ ? AnswerKind::text : AnswerKind::label;
  }
  Exchange exchange(int64_t i) const override;
  Fingerprint fingerprint(int64_t i) const override;
  std::string origin(int64_t i) const override { return table_.records[size_t(i)].place; }
  const std::vector<std::string>& classes() const override { return classes_; }
  const std::vector<std::string>& domains() const override { return domains_; }
  int64_t domain(int64_t i) const override { return domain_of_[size_t(i)]; }

 private:
  VisualQuestionTable table_;
  std::vector<std::string> classes_, domains_;
  std::vector<int64_t> labels_, domain_of_;
  bool written_;
};

/// Two splits. The classes are the answers of both, sorted bytewise; the domains stand in the order
/// in which they are first met in the training split.
DataSplits visual_question_splits(VisualQuestionTable train, VisualQuestionTable test,
                                  bool written);

/// One record a line: {"image": ..., "question": ..., "answer": ...}, and "domain", if there is
/// one. Throws Error(format) with the line.
std::vector<VisualQuestionTable::Record> parse_visual_questions(std::string_view text,
                                                                const std::string& origin,
                                                                std::vector<std::string>& images);

/// A folder with train.jsonl and test.jsonl (or eval, dev, val, valid; optionally .gz). An image is
/// a path below the folder. Throws Error(data) with the line if a path leaves the folder or names
/// no file.
DataSplits open_visual_questions(const fs::path& folder, const DataOptions& options);

/// easy-VQA (V. Zhou, 2019): one colored shape an image. <split>.images.tar.gz has the images
/// <split>/images/<n>.png, and <split>.questions.json a list of [question, answer, n]. The domains
/// are what is asked for: "shape", "color", "is there a shape", "is there a color".
DataSplits open_easy_vqa(const fs::path& folder);
/// The same with the color of an image as its domain. Images whose color no question tells are left
/// out.
DataSplits open_easy_vqa_colors(const fs::path& folder);

}  // namespace patina
