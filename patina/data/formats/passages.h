// Plain text to be modelled, cut into passages.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "patina/data/options.h"
#include "patina/data/source.h"

namespace patina {

/// Passages of one text, in order: together they are the text.
class Passages : public Source {
 public:
  /// Cuts `text` into passages of at most `bytes` bytes, each ending at a line's end where one is
  /// in its second half, else at a space there, else at a character's end. Throws Error(data) if
  /// the text is blank, Error(format) if it is not UTF-8.
  Passages(const std::string& text, std::string origin, int64_t bytes);

  int64_t size() const override { return int64_t(starts_.size()) - 1; }
  int64_t label(int64_t) const override { return 0; }
  bool is_text() const override { return true; }
  Text text(int64_t i) const override;
  AnswerKind answer_kind() const override { return AnswerKind::nothing; }
  /// The file and the passage's first line.
  std::string origin(int64_t i) const override;
  const std::vector<std::string>& classes() const override;

 private:
  std::string text_, origin_;
  std::vector<size_t> starts_;  // of each passage, and the text's end
  std::vector<int64_t> lines_;  // the first line of each
};

/// Opens the sets of options.sets below `path` as open_instructions does, with the extension .txt.
DataSplits open_passages(const fs::path& path, const DataOptions& options);

}  // namespace patina
