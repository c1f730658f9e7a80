// A record as JSON.
#include "patina/record/record.h"

namespace patina {

namespace {

Json json_of(const Score& score) {
  return score ? Json(*score) : Json(nullptr);
}

Json json_of(const std::vector<Score>& scores) {
  Json list = Json::array();
  for (const auto& score : scores) list.push_back(json_of(score));
  return list;
}

class Writer final : public RecordFields {
 public:
  Json take() { return std::move(open_.back().value); }

 private:
  struct Open {
    std::string key;
    Json value;
  };

  void put(const RecordField& field, Json value) {
    open_.back().value[std::string(field.key)] = std::move(value);
  }

  void visit(const RecordField& field, std::string& value) override { put(field, value); }
  void visit(const RecordField& field, int64_t& value) override { put(field, value); }
  void visit(const RecordField& field, double& value) override { put(field, value); }
  void visit(const RecordField& field, Score& value) override { put(field, json_of(value)); }
  void visit(const RecordField& field, std::vector<std::string>& value) override {
    put(field, Json(value));
  }
  void visit(const RecordField& field, std::vector<int64_t>& value) override {
    put(field, Json(value));
  }
  void visit(const RecordField& field, std::vector<Score>& value) override {
    put(field, json_of(value));
  }
  void visit(const RecordField& field, const Entries&, ScoreRows& value) override {
    Json rows = value.empty() ? Json(nullptr) : Json::array();
    for (const auto& row : value) rows.push_back(row.empty() ? Json(nullptr) : json_of(row));
    put(field, std::move(rows));
  }
  void visit(const RecordField& field, NamedScores& value) override {
    Json all = Json::object();
    for (const auto& [name, score] : value) all[name] = json_of(score);
    put(field, std::move(all));
  }
  void visit(const RecordField& field, NamedTexts& value) override {
    Json all = Json::object();
    for (const auto& [name, text] : value) all[name] = text;
    put(field, std::move(all));
  }
  void visit(const RecordField& field, Json& value) override {
    if (!value.empty()) put(field, value);
  }

  bool enter(const RecordField& field, bool there) override {
    if (there) open_.push_back({std::string(field.key), Json::object()});
    if (!there && may_be_null(field.presence)) put(field, nullptr);
    return there;
  }
  size_t enter_list(const RecordField& field, size_t size) override {
    const bool left_out = size == 0 && may_be_left_out(field.presence);
    open_.push_back({left_out ? "" : std::string(field.key), Json::array()});
    return size;
  }
  void enter_entry(size_t) override { open_.push_back({"", Json::object()}); }
  void leave() override {
    Open closed = std::move(open_.back());
    open_.pop_back();
    Json& parent = open_.back().value;
    if (parent.is_array())
      parent.push_back(std::move(closed.value));
    else if (!closed.key.empty())
      parent[closed.key] = std::move(closed.value);
  }

  std::vector<Open> open_ = {{"", Json::object()}};  // innermost last
};

}  // namespace

Json to_json(Record record) {
  Writer writer;
  record.bind(writer);
  return writer.take();
}

}  // namespace patina
