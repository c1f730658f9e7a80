#include "patina/text/load/json_node.h"

#include <algorithm>
#include <cmath>

#include "patina/base/json.h"
#include "patina/text/model/vocabulary.h"

namespace patina {

bool JsonNode::is_object() const {
  return value_->is_object();
}
bool JsonNode::is_text() const {
  return value_->is_string();
}

std::optional<JsonNode> JsonNode::find(std::string_view key) const {
  need(value_->is_object(), "an object");
  const auto at = value_->find(std::string(key));
  if (at == value_->end() || at->is_null()) return std::nullopt;
  return inside(*at, path_.empty() ? std::string(key) : path_ + "." + std::string(key));
}

JsonNode JsonNode::at(std::string_view key) const {
  auto found = find(key);
  if (!found) refuse("has no \"{}\"", key);
  return *found;
}

std::vector<JsonNode> JsonNode::elements() const {
  need(value_->is_array(), "a list");
  std::vector<JsonNode> all;
  all.reserve(value_->size());
  for (const auto& element : *value_)
    all.push_back(inside(element, fmt::format("{}[{}]", path_, all.size())));
  return all;
}

std::string JsonNode::text() const {
  need(value_->is_string(), "a text");
  return value_->get<std::string>();
}

bool JsonNode::flag() const {
  need(value_->is_boolean(), "true or false");
  return value_->get<bool>();
}

int64_t JsonNode::whole() const {
  need(value_->is_number_integer(), "a whole number");
  const double wide = value_->get<double>();
  need(std::abs(wide) < 1e15, "a smaller number");
  return value_->get<int64_t>();
}

double JsonNode::number() const {
  need(value_->is_number(), "a number");
  return value_->get<double>();
}

std::string JsonNode::text(std::string_view key, std::string_view otherwise) const {
  const auto found = find(key);
  return found ? found->text() : std::string(otherwise);
}

bool JsonNode::flag(std::string_view key, bool otherwise) const {
  const auto found = find(key);
  return found ? found->flag() : otherwise;
}

void JsonNode::allow_only(std::initializer_list<std::string_view> keys) const {
  need(value_->is_object(), "an object");
  for (const auto& [key, value] : value_->items())
    if (!value.is_null() && std::find(keys.begin(), keys.end(), key) == keys.end())
      refuse("the setting {} is not known", shown(key));
}

JsonNode JsonNode::inside(const SortedJson& value, std::string path) const {
  JsonNode node(value, origin_);
  node.path_ = std::move(path);
  return node;
}

void JsonNode::need(bool right, std::string_view what) const {
  if (right) return;
  std::string found = value_->dump(-1, ' ', true, SortedJson::error_handler_t::replace);
  refuse("must be {}, not {}", what, shown(found));
}

}  // namespace patina
