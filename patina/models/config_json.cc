#include "patina/models/config_json.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "patina/base/error.h"
#include "patina/base/file.h"
#include "patina/base/json.h"

namespace patina {

namespace {

constexpr uint64_t kLongest = 16 << 20;
constexpr int64_t kLargest = 1 << 24;

// Keys that occur in any family's config and do not affect the forward pass.
const std::set<std::string>& descriptive() {
  static const std::set<std::string> keys = {"model_type",
                                             "architectures",
                                             "transformers_version",
                                             "torch_dtype",
                                             "dtype",
                                             "_name_or_path",
                                             "_commit_hash",
                                             "auto_map",
                                             "id2label",
                                             "label2id",
                                             "num_labels",
                                             "problem_type",
                                             "finetuning_task",
                                             "tokenizer_class",
                                             "prefix",
                                             "use_cache",
                                             "output_attentions",
                                             "output_hidden_states",
                                             "output_past",
                                             "return_dict",
                                             "gradient_checkpointing",
                                             "initializer_range",
                                             "initializer_factor",
                                             "task_specific_params",
                                             "bos_token_id",
                                             "eos_token_id",
                                             "pad_token_id",
                                             "sep_token_id",
                                             "decoder_start_token_id",
                                             "classifier_dropout",
                                             "chunk_size_feed_forward",
                                             "max_length",
                                             "min_length",
                                             "do_sample",
                                             "num_beams",
                                             "temperature",
                                             "top_k",
                                             "top_p",
                                             "repetition_penalty",
                                             "length_penalty",
                                             "no_repeat_ngram_size",
                                             "num_return_sequences",
                                             "typical_p",
                                             "diversity_penalty",
                                             "num_beam_groups",
                                             "directionality",
                                             "pooler_type",
                                             "pooler_fc_size",
                                             "pooler_num_attention_heads",
                                             "pooler_num_fc_layers",
                                             "pooler_size_per_head",
                                             "language",
                                             "_attn_implementation",
                                             "attn_implementation"};
  return keys;
}

bool switched_off(const Json& value) {
  return value.is_null() || value == false || value == 0 ||
         ((value.is_object() || value.is_array() || value.is_string()) && value.empty());
}

}  // namespace

ConfigJson ConfigJson::read(const std::filesystem::path& path) {
  return {parse_json(read_text(path, kLongest), path.string()), path.string()};
}

ConfigJson::ConfigJson(Json json, std::string origin)
    : json_(std::make_shared<const Json>(std::move(json))), origin_(std::move(origin)) {
  if (!json_->is_object()) fail(ErrorKind::model, "{}: not a JSON object", origin_);
}

const Json* ConfigJson::find(const std::string& key) {
  read_.insert(key);
  const auto at = json_->find(key);
  return at == json_->end() || at->is_null() ? nullptr : &*at;
}

std::string ConfigJson::text() const {
  return json_->dump(2);
}

bool ConfigJson::has(const std::string& key) const {
  const auto at = json_->find(key);
  return at != json_->end() && !at->is_null();
}

bool ConfigJson::says_null(const std::string& key) const {
  const auto at = json_->find(key);
  return at != json_->end() && at->is_null();
}

int64_t ConfigJson::size(const std::string& key, std::optional<int64_t> standard) {
  const Json* value = find(key);
  if (!value && standard) return *standard;
  if (!value) fail(ErrorKind::model, "{}: no {}", origin_, key);
  if (!value->is_number_integer() || *value < 1 || *value > kLargest)
    fail(ErrorKind::model, "{}: {} = {} is not a whole number from 1 to {}", origin_, key,
         value->dump().substr(0, 100), kLargest);
  return value->get<int64_t>();
}

int64_t ConfigJson::count(const std::string& key, int64_t standard) {
  const Json* value = find(key);
  if (!value) return standard;
  if (!value->is_number_integer() || *value < 0 || *value > kLargest)
    fail(ErrorKind::model, "{}: {} = {} is not a whole number from 0 to {}", origin_, key,
         value->dump().substr(0, 100), kLargest);
  return value->get<int64_t>();
}

int64_t ConfigJson::integer(const std::string& key, int64_t standard) {
  const Json* value = find(key);
  if (!value) return standard;
  if (!value->is_number_integer() || *value < -kLargest || *value > kLargest)
    fail(ErrorKind::model, "{}: {} = {} is not a whole number", origin_, key,
         value->dump().substr(0, 100));
  return value->get<int64_t>();
}

int64_t ConfigJson::side(const std::string& key, std::optional<int64_t> standard) {
  const Json* value = find(key);
  if (!value || !value->is_array()) return size(key, standard);
  if (value->size() != 2 || (*value)[0] != (*value)[1] || !(*value)[0].is_number_integer() ||
      (*value)[0] < 1 || (*value)[0] > kLargest)
    fail(ErrorKind::model, "{}: {} = {} is not the side of a square", origin_, key,
         value->dump().substr(0, 100));
  return (*value)[0].get<int64_t>();
}

int64_t ConfigJson::size_or_none(const std::string& key) {
  const Json* value = find(key);
  return !value || *value == -1 ? 0 : size(key);
}

double ConfigJson::number(const std::string& key, std::optional<double> standard) {
  const Json* value = find(key);
  if (!value && standard) return *standard;
  if (!value) fail(ErrorKind::model, "{}: no {}", origin_, key);
  const double number = value->is_number() ? value->get<double>() : 0;
  if (!(number > 0) || !std::isfinite(number))
    fail(ErrorKind::model, "{}: {} = {} is not a number above 0", origin_, key,
         value->dump().substr(0, 100));
  return number;
}

std::vector<double> ConfigJson::numbers(const std::string& key) {
  const Json* value = find(key);
  if (!value) return {};
  const auto is_number = [](const Json& item) {
    return item.is_number() && std::isfinite(item.get<double>());
  };
  if (!value->is_array() || !std::all_of(value->begin(), value->end(), is_number))
    fail(ErrorKind::model, "{}: {} = {} is not a list of numbers", origin_, key,
         value->dump().substr(0, 100));
  return value->get<std::vector<double>>();
}

std::vector<std::string> ConfigJson::words(const std::string& key) {
  const Json* value = find(key);
  if (!value) return {};
  const auto is_word = [](const Json& item) { return item.is_string(); };
  if (!value->is_array() || !std::all_of(value->begin(), value->end(), is_word))
    fail(ErrorKind::model, "{}: {} = {} is not a list of words", origin_, key,
         value->dump().substr(0, 100));
  return value->get<std::vector<std::string>>();
}

std::vector<std::string> ConfigJson::words_of(const std::string& key, char between) {
  const Json* value = find(key);
  if (!value || !value->is_string()) return words(key);
  std::vector<std::string> all;
  std::stringstream text(value->get<std::string>());
  for (std::string word; std::getline(text, word, between);) all.push_back(word);
  return all;
}

bool ConfigJson::flag(const std::string& key, bool standard) {
  const Json* value = find(key);
  if (!value) return standard;
  if (!value->is_boolean())
    fail(ErrorKind::model, "{}: {} = {} is neither true nor false", origin_, key,
         value->dump().substr(0, 100));
  return value->get<bool>();
}

std::string ConfigJson::word(const std::string& key, const std::string& standard) {
  const Json* value = find(key);
  if (!value) return standard;
  if (!value->is_string())
    fail(ErrorKind::model, "{}: {} = {} is not a word", origin_, key, value->dump().substr(0, 100));
  return value->get<std::string>();
}

int64_t ConfigJson::id(const std::string& key, int64_t standard) {
  const Json* value = find(key);
  if (!value) return standard;
  if (!value->is_number_integer() || *value < 0 || *value > kLargest)
    fail(ErrorKind::model, "{}: {} = {} is not a token id", origin_, key,
         value->dump().substr(0, 100));
  return value->get<int64_t>();
}

namespace {

using nn::Activation;

// The first name of an activation is the usual one.
constexpr std::pair<const char*, Activation> kActivations[] = {
    {"gelu", Activation::gelu},
    {"gelu_new", Activation::gelu_tanh},
    {"gelu_pytorch_tanh", Activation::gelu_tanh},
    {"quick_gelu", Activation::quick_gelu},
    {"relu", Activation::relu},
    {"silu", Activation::silu},
    {"swish", Activation::silu},
    {"tanh", Activation::tanh}};

}  // namespace

std::string ConfigJson::name_of(nn::Activation activation) {
  const auto* found = std::find_if(std::begin(kActivations), std::end(kActivations),
                                   [&](const auto& known) { return known.second == activation; });
  PATINA_REQUIRE(found != std::end(kActivations), "an activation without a name");
  return found->first;
}

nn::Activation ConfigJson::activation(const std::string& key, const std::string& standard) {
  return activation_called(word(key, standard), key);
}

nn::Activation ConfigJson::activation_called(const std::string& name,
                                             const std::string& key) const {
  std::string names;
  for (const auto& [spelling, activation] : kActivations) {
    if (spelling == name) return activation;
    names += std::string(names.empty() ? "" : ", ") + spelling;
  }
  fail(ErrorKind::model, "{}: {} = \"{}\" is not supported; patina has {}", origin_, key, name,
       names);
}

ConfigJson ConfigJson::part(const std::string& key) {
  const Json* value = find(key);
  return {value ? *value : Json::object(), fmt::format("{}: {}", origin_, key)};
}

void ConfigJson::must_be(const std::string& key, std::nullptr_t) {
  must_equal(key, nullptr);
}
void ConfigJson::must_be(const std::string& key, bool value) {
  must_equal(key, value);
}
void ConfigJson::must_be(const std::string& key, int value) {
  must_equal(key, value);
}
void ConfigJson::must_be(const std::string& key, double value) {
  must_equal(key, value);
}
void ConfigJson::must_be(const std::string& key, const char* value) {
  must_equal(key, value);
}

void ConfigJson::must_equal(const std::string& key, const Json& value) {
  const Json* found = find(key);
  if (found && *found != value)
    fail(ErrorKind::model, "{}: {} = {} is not supported, only {}", origin_, key,
         found->dump().substr(0, 200), value.is_null() ? "null" : value.dump());
}

void ConfigJson::all_must_be(const std::string& key, const char* value) {
  const Json* found = find(key);
  if (!found) return;
  if (!found->is_array()) fail(ErrorKind::model, "{}: {} is not a list", origin_, key);
  for (const Json& item : *found)
    if (item != value)
      fail(ErrorKind::model, "{}: {} holds {}, which is not supported, only {}", origin_, key,
           item.dump().substr(0, 200), Json(value).dump());
}

void ConfigJson::skip(std::initializer_list<const char*> keys) {
  read_.insert(keys.begin(), keys.end());
}

void ConfigJson::finish() const {
  std::string unknown;
  for (const auto& [key, value] : json_->items()) {
    if (read_.count(key) || descriptive().count(key) || switched_off(value)) continue;
    unknown +=
        fmt::format("{}{} = {}", unknown.empty() ? "" : ", ", key, value.dump().substr(0, 80));
  }
  if (!unknown.empty())
    fail(ErrorKind::model,
         "{}: patina does not know {}: it may change what the network computes, so the model is "
         "refused; remove the key if it does not",
         origin_, unknown);
}

}  // namespace patina
