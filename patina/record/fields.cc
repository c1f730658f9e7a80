// Overloads that translate a field's description for the visitor.
#include "patina/record/fields.h"

#include "patina/base/json.h"

namespace patina {

void RecordFields::operator()(std::string_view key, std::string& value, std::string_view help,
                              std::vector<std::string> choices) {
  visit({.key = key, .help = help, .choices = std::move(choices)}, value);
}
void RecordFields::operator()(std::string_view key, std::string& value, Presence presence,
                              std::string_view help, std::vector<std::string> choices) {
  visit({.key = key, .help = help, .presence = presence, .choices = std::move(choices)}, value);
}
void RecordFields::operator()(std::string_view key, int64_t& value, Whole whole,
                              std::string_view help) {
  visit({.key = key, .help = help, .whole = whole}, value);
}
void RecordFields::seconds(std::string_view key, double& value, std::string_view help) {
  visit({.key = key, .help = help}, value);
}
void RecordFields::operator()(std::string_view key, Score& value, Scale scale,
                              std::string_view help) {
  visit({.key = key, .help = help, .scale = scale}, value);
}
void RecordFields::operator()(std::string_view key, std::vector<std::string>& value,
                              Entries entries, std::string_view help) {
  visit({.key = key, .help = help, .entries = entries}, value);
}
void RecordFields::operator()(std::string_view key, std::vector<int64_t>& value, Entries entries,
                              std::string_view help) {
  visit({.key = key, .help = help, .entries = entries, .whole = Whole::count}, value);
}
void RecordFields::operator()(std::string_view key, std::vector<Score>& value, Entries entries,
                              std::string_view help) {
  visit({.key = key, .help = help, .entries = entries, .scale = Scale::fraction}, value);
}
void RecordFields::matrix(std::string_view key, ScoreRows& value, Entries rows, Entries columns,
                          Presence presence, std::string_view help, Scale scale) {
  visit({.key = key, .help = help, .presence = presence, .entries = rows, .scale = scale}, columns,
        value);
}
void RecordFields::operator()(std::string_view key, NamedScores& value, std::string_view help) {
  visit({.key = key, .help = help}, value);
}
void RecordFields::operator()(std::string_view key, NamedTexts& value, std::string_view help) {
  visit({.key = key, .help = help}, value);
}
void RecordFields::free_list(std::string_view key, Json& value, Entries entries,
                             std::string_view help) {
  visit({.key = key, .help = help, .presence = Presence::optional, .entries = entries}, value);
}

}  // namespace patina
