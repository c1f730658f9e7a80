#include "patina/data/formats/instructions.h"

#include <algorithm>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/data/formats/lines.h"
#include "patina/data/formats/set_files.h"

namespace patina {

namespace {

// Where a record is, for messages, and the keys it is read by.
class Record {
 public:
  Record(const SortedJson& json, const InstructionFields& fields, const std::string& place)
      : json_(json), fields_(fields), place_(place) {
    if (!json.is_object()) refuse("a record is an object with an instruction and its answer");
  }

  Exchange exchange() const {
    if (const SortedJson* messages = find(fields_.messages)) return conversation(*messages);
    Exchange exchange{.turns = {{"user", said("instruction", fields_.instruction)}},
                      .answers = answers()};
    if (const SortedJson* input = find(fields_.input)) exchange.input = text(*input, fields_.input);
    return exchange;
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    fail(ErrorKind::format, "{}: {}", place_, why);
  }

  // Null if the record has no such member.
  const SortedJson* find(const std::string& key) const {
    if (key.empty()) return nullptr;
    const auto found = json_.find(key);
    return found == json_.end() || found->is_null() ? nullptr : &*found;
  }

  const SortedJson& member(const char* option, const std::string& key) const {
    if (const SortedJson* found = find(key)) return *found;
    std::string keys;
    constexpr int kMostNamed = 8;
    int named = 0;
    for (const auto& item : json_.items())
      if (named++ < kMostNamed)
        keys += fmt::format("{}\"{}\"", keys.empty() ? "" : ", ", item.key());
    refuse(fmt::format("the record has no \"{}\"; its keys are {}: set data.{} to one of them", key,
                       keys.empty() ? "none" : keys, option));
  }

  std::string text(const SortedJson& value, const std::string& key) const {
    if (value.is_string()) return value.get<std::string>();
    if (value.is_number() || value.is_boolean()) return value.dump();
    refuse(fmt::format("\"{}\" is not a text", key));
  }

  // A text that is not blank.
  std::string said(const char* option, const std::string& key) const {
    std::string value = text(member(option, key), key);
    if (is_blank(value)) refuse(fmt::format("\"{}\" is empty; fill it or remove the record", key));
    return value;
  }

  std::vector<std::string> answers() const {
    if (fields_.answer.empty()) return {};
    const SortedJson& value = member("answer", fields_.answer);
    std::vector<std::string> all;
    if (value.is_array())
      for (const auto& each : value) all.push_back(text(each, fields_.answer));
    else
      all.push_back(text(value, fields_.answer));
    if (all.empty() || std::ranges::any_of(all, [](const auto& each) { return is_blank(each); }))
      refuse(
          fmt::format("the answer \"{}\" is empty; fill it or remove the record", fields_.answer));
    return all;
  }

  Exchange conversation(const SortedJson& messages) const {
    if (!messages.is_array()) refuse(fmt::format("\"{}\" is not a list", fields_.messages));
    Exchange exchange;
    for (size_t i = 0; i < messages.size(); ++i) {
      const std::string at = fmt::format("{}[{}]", fields_.messages, i);
      const auto part = [&](const char* key) {
        if (!messages[i].is_object() || !messages[i].contains(key))
          refuse(fmt::format("{} has no \"{}\"", at, key));
        return text(messages[i][key], at + "." + key);
      };
      const Message message{part("role"), part("content")};
      const bool first = exchange.turns.empty();
      const std::string before = first ? "" : exchange.turns.back().role;
      const bool fits = message.role == "system"      ? first
                        : message.role == "user"      ? first || before != "user"
                        : message.role == "assistant" ? before == "user"
                                                      : false;
      if (!fits)
        refuse(
            fmt::format("{} has the role \"{}\"; a conversation is a \"system\" message, if "
                        "any, and then \"user\" and \"assistant\" in turn",
                        at, message.role));
      if (is_blank(message.content)) refuse(fmt::format("{} is empty; fill or remove it", at));
      exchange.turns.push_back(message);
    }
    const bool ends_asking = !exchange.turns.empty() && exchange.turns.back().role == "user";
    if (fields_.answer.empty() && ends_asking) return exchange;
    if (exchange.turns.empty() || exchange.turns.back().role != "assistant")
      refuse("the conversation does not end with the assistant's answer");
    exchange.answers = {exchange.turns.back().content};
    exchange.turns.pop_back();
    return exchange;
  }

  const SortedJson& json_;
  const InstructionFields& fields_;
  const std::string& place_;
};

// An instruction of Super-NaturalInstructions: a text, or a list with one.
std::string definition(const SortedJson& json, const std::string& origin) {
  const auto found = json.find("Definition");
  const SortedJson* text = found == json.end() ? nullptr : &*found;
  if (text && text->is_array()) text = text->empty() ? nullptr : &text->front();
  if (!text || !text->is_string() || is_blank(text->get_ref<const std::string&>()))
    fail(ErrorKind::format, "{}: an object with \"Instances\" needs a \"Definition\"", origin);
  return text->get<std::string>();
}

void add_all(InstructionTable& table, const SortedJson& list, const InstructionFields& fields,
             const std::string& origin, const std::string& instruction = "") {
  if (!list.is_array()) fail(ErrorKind::format, "{}: a list of records is expected here", origin);
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string place = fmt::format("{}[{}]", origin, i);
    SortedJson record = list[i];
    if (!instruction.empty() && record.is_object()) record[fields.instruction] = instruction;
    table.records.push_back(Record(record, fields, place).exchange());
    table.at.push_back(int64_t(i));
  }
}

}  // namespace

std::string InstructionTable::place(size_t record) const {
  return fmt::format(fmt::runtime(by_line ? "{}:{}" : "{}[{}]"), origin, at[record]);
}

InstructionTable parse_instructions_jsonl(std::string_view text, const InstructionFields& fields,
                                          const std::string& origin) {
  InstructionTable table{.origin = origin};
  each_line(checked_utf8(text, origin), origin, [&](std::string_view line, int64_t number) {
    if (is_blank(line)) return;
    const std::string place = fmt::format("{}:{}", origin, number);
    table.records.push_back(Record(parse_sorted_json(line, place), fields, place).exchange());
    table.at.push_back(number);
  });
  return table;
}

InstructionTable parse_instructions_json(std::string_view text, const InstructionFields& fields,
                                         const std::string& origin) {
  const SortedJson json = parse_sorted_json(checked_utf8(text, origin), origin);
  InstructionTable table{.origin = origin, .by_line = false};
  if (json.is_object() && json.contains("Instances"))
    add_all(table, json["Instances"],
            {.instruction = "instruction",
             .input = "input",
             .answer = fields.answer.empty() ? "" : "output",
             .messages = ""},
            origin, definition(json, origin));
  else
    add_all(table, json, fields, origin);
  return table;
}

Instructions::Instructions(InstructionTable table) : table_(std::move(table)) {
  if (table_.records.empty()) fail(ErrorKind::data, "{}: no records in it", table_.origin);
}

Text Instructions::text(int64_t i) const {
  const Exchange& exchange = table_.records[size_t(i)];
  return {exchange.turns.back().content, exchange.input};
}

const std::vector<std::string>& Instructions::classes() const {
  static const std::vector<std::string> one = {"answers"};
  return one;
}

InstructionTable read_instructions(const fs::path& file, const InstructionFields& fields) {
  const bool lines = has_ending(file, ".jsonl");
  const std::string text = read_file_text(file, lines ? kMostBytes : kMostJsonBytes);
  const auto parse = lines ? parse_instructions_jsonl : parse_instructions_json;
  return parse(text, fields, file.string());
}

DataSplits open_instructions(const fs::path& path, const DataOptions& options) {
  const InstructionFields fields{options.instruction, options.input, options.answer,
                                 options.messages};
  return open_sets(path, options.sets, {".jsonl", ".json"}, [&](const fs::path& file) {
    return std::make_unique<Instructions>(read_instructions(file, fields));
  });
}

}  // namespace patina
