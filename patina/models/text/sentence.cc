#include "patina/models/text/sentence.h"

#include <algorithm>

#include "patina/base/error.h"
#include "patina/base/file.h"
#include "patina/base/json.h"
#include "patina/models/config_json.h"

namespace patina {

namespace {

constexpr uint64_t kLongestList = 1 << 20;

constexpr std::pair<std::string_view, Pooling> kNames[] = {
    {"first", Pooling::first}, {"last", Pooling::last}, {"mean", Pooling::mean}};

// The library's names. Older files have a flag for each, newer ones the name.
struct Mode {
  const char *flag, *name;
  std::optional<Pooling> pooling;  // nothing: patina does not have it
};
constexpr Mode kModes[] = {{"pooling_mode_cls_token", "cls", Pooling::first},
                           {"pooling_mode_mean_tokens", "mean", Pooling::mean},
                           {"pooling_mode_lasttoken", "lasttoken", Pooling::last},
                           {"pooling_mode_max_tokens", "max", {}},
                           {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", {}},
                           {"pooling_mode_weightedmean_tokens", "weightedmean", {}}};

Pooling read_pooling(const fs::path& path) {
  ConfigJson config = ConfigJson::read(path);
  std::vector<const Mode*> chosen;
  const bool named = config.has("pooling_mode");
  const std::string name = config.word("pooling_mode", "");
  for (const Mode& mode : kModes)
    if (config.flag(mode.flag, false) || (named && name == mode.name)) chosen.push_back(&mode);
  if (chosen.size() != 1 || !chosen[0]->pooling) {
    std::string asked = named ? name : "";
    for (const Mode* mode : chosen)
      if (mode->name != name) asked += (asked.empty() ? "" : " with ") + std::string(mode->name);
    fail(ErrorKind::model,
         "{}: the pooling \"{}\" is not supported, only one of cls, mean, lasttoken", path.string(),
         asked);
  }
  // The width follows from the network. A prompt is a part of the text for patina.
  config.skip({"word_embedding_dimension", "embedding_dimension", "include_prompt"});
  config.finish();
  return *chosen[0]->pooling;
}

}  // namespace

std::optional<SentencePooling> read_sentence_pooling(const fs::path& folder) {
  const fs::path list = folder / "modules.json";
  if (!fs::exists(list)) return std::nullopt;
  const Json modules = parse_json(read_text(list, kLongestList), list.string());
  const auto refuse = [&](const std::string& what) {
    fail(ErrorKind::model,
         "{}: {}; patina reads the sequence Transformer, Pooling and, perhaps, Normalize: remove "
         "the file to have the features of the network without them",
         list.string(), what);
  };
  if (!modules.is_array()) refuse("not a list");
  SentencePooling found;
  int64_t place = 0;
  for (const Json& module : modules) {
    constexpr const char* kOrder[] = {"Transformer", "Pooling", "Normalize"};
    const auto word = [&](const char* key) {
      if (!module.is_object() || !module.contains(key) || !module[key].is_string())
        refuse(fmt::format("module {} has no {}", place, key));
      return module[key].get<std::string>();
    };
    const std::string type = word("type"), path = word("path");
    const std::string kind = type.substr(type.rfind('.') + 1);
    if (place >= 3 || kind != kOrder[place]) refuse(fmt::format("module {} is {}", place, kind));
    if (place == 0 && !path.empty())
      refuse(fmt::format("the transformer is in the folder \"{}\"", path));
    if (place == 1) {
      if (path.find("..") != path.npos || path.starts_with('/'))
        refuse(fmt::format("the pooling's path \"{}\" leaves the folder", path));
      found.pooling = read_pooling(folder / path / "config.json");
    }
    found.unit_length = place++ == 2;
  }
  if (place < 2) refuse("no Pooling");
  if (const fs::path file = folder / "sentence_bert_config.json"; fs::exists(file)) {
    ConfigJson config = ConfigJson::read(file);  // other keys say how the library loads the model
    if (config.has("max_seq_length")) found.longest = config.size("max_seq_length");
    config.must_be("do_lower_case", false);
  }
  // The library puts a default prompt before every text.
  if (const fs::path file = folder / "config_sentence_transformers.json"; fs::exists(file)) {
    ConfigJson config = ConfigJson::read(file);
    config.must_be("default_prompt_name", nullptr);
  }
  return found;
}

std::string to_json(const SentencePooling& sentence) {
  std::string name;
  for (const auto& [known, pooling] : kNames)
    if (pooling == sentence.pooling) name = known;
  return Json{
      {"pooling", name}, {"unit_length", sentence.unit_length}, {"longest", sentence.longest}}
      .dump();
}

SentencePooling parse_sentence_pooling(std::string_view json, const std::string& origin) {
  ConfigJson config(parse_json(json, origin), origin);
  SentencePooling sentence;
  const std::string name = config.word("pooling", "mean");
  const auto* found = std::find_if(std::begin(kNames), std::end(kNames),
                                   [&](const auto& known) { return known.first == name; });
  if (found == std::end(kNames))
    fail(ErrorKind::model, "{}: pooling = \"{}\" is not supported, only first, last, mean", origin,
         name);
  sentence.pooling = found->second;
  sentence.unit_length = config.flag("unit_length", false);
  sentence.longest = config.id("longest", 0);
  config.finish();
  return sentence;
}

}  // namespace patina
