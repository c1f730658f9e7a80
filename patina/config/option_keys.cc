#include "patina/config/option_keys.h"

namespace patina {

namespace {

class KeyList : public Fields {
 public:
  std::vector<OptionKey> keys;

 protected:
  void visit(const FieldInfo& info, bool&) override { add(info); }
  void visit(const FieldInfo& info, int64_t& value) override { add(info).whole = value; }
  void visit(const FieldInfo& info, double&) override { add(info); }
  void visit(const FieldInfo& info, std::string&) override { add(info).choices = info.choices; }
  void visit(const FieldInfo& info, std::vector<int64_t>&) override { add(info).is_list = true; }
  void visit(const FieldInfo& info, std::vector<double>&) override { add(info).is_list = true; }
  void visit(const FieldInfo& info, std::vector<std::string>&) override {
    add(info).is_list = true;
  }
  bool enter(std::string_view key, std::string_view) override {
    sections_.emplace_back(key);
    return true;
  }
  void leave() override { sections_.pop_back(); }

 private:
  OptionKey& add(const FieldInfo& info) {
    std::string key;
    for (const auto& section : sections_) key += section + ".";
    return keys.emplace_back(OptionKey{.key = key + std::string(info.key)});
  }

  std::vector<std::string> sections_;
};

}  // namespace

std::vector<OptionKey> option_keys(const std::function<void(Fields&)>& bind) {
  KeyList list;
  bind(list);
  return std::move(list.keys);
}

bool is_seed(std::string_view key) {
  const auto last = key.substr(key.rfind('.') + 1);
  return last == "seed" || last.ends_with("_seed");
}

}  // namespace patina
