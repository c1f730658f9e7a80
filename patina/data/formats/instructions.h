// Instruction data: prompts that are answered by texts, in JSON or JSON Lines.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "patina/data/options.h"
#include "patina/data/source.h"

namespace patina {

/// The keys of a record.
struct InstructionFields {
  std::string instruction = "instruction";
  std::string input = "input";        // the record may lack it; "": none
  std::string answer = "output";      // "": records are prompts, and their answers are not read
  std::string messages = "messages";  // a record that has it is a conversation
};

/// The records of a file, validated: no instruction and no answer is blank.
struct InstructionTable {
  std::string origin;
  bool by_line = true;  // whether `at` counts lines from 1; otherwise records from 0
  std::vector<Exchange> records;
  std::vector<int64_t> at;

  std::string place(size_t record) const;  // "train.jsonl:17", "train.json[16]"
};

/// One record per line: {"instruction": ..., "input": ..., "output": ...}, where the answer may be
/// a list of references, or {"messages": [{"role": ..., "content": ...}, ...]}, which ends with the
/// assistant's answer. Throws Error(format) with the line. Of prompts, a conversation may
/// end with the user.
InstructionTable parse_instructions_jsonl(std::string_view text, const InstructionFields& fields,
                                          const std::string& origin);
/// A list of such records; or an object of Super-NaturalInstructions (Wang et al., EMNLP 2022), in
/// which one definition is the instruction of all instances.
InstructionTable parse_instructions_json(std::string_view text, const InstructionFields& fields,
                                         const std::string& origin);

/// Prompts and answers in memory.
class Instructions : public Source {
 public:
  /// Throws Error(data) if there are none.
  explicit Instructions(InstructionTable table);

  int64_t size() const override { return int64_t(table_.records.size()); }
  int64_t label(int64_t) const override { return 0; }
  bool is_text() const override { return true; }
  /// The instruction and the input.
  Text text(int64_t i) const override;
  AnswerKind answer_kind() const override { return AnswerKind::text; }
  Exchange exchange(int64_t i) const override { return table_.records[size_t(i)]; }
  std::string origin(int64_t i) const override { return table_.place(size_t(i)); }
  const std::vector<std::string>& classes() const override;

 private:
  InstructionTable table_;
};

/// Reads a .jsonl or .json file, or one of them with .gz.
InstructionTable read_instructions(const fs::path& file, const InstructionFields& fields);

/// Opens the sets of options.sets below `path`, each a domain of the result; without names, `path`
/// is one set. A set is a folder with train.* and test.* (or eval.*, dev.*, val.*, valid.*), or the
/// files <set>.train.* and <set>.test.*; the extensions are .json and .jsonl, optionally with .gz.
DataSplits open_instructions(const fs::path& path, const DataOptions& options);

}  // namespace patina
