// Keys and their meaning: peft/tuners/lora/config.py and peft/utils/save_and_load.py (0.21).
#include "patina/checkpoint/peft.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "patina/base/error.h"
#include "patina/base/json.h"

namespace patina {

namespace {

constexpr int64_t kLargestRank = 1 << 16;
constexpr uint64_t kLongestConfig = 16 << 20;
constexpr std::string_view kPrefix = "base_model.model.";

// Keys that do not change what a trained adapter computes.
constexpr std::array kDescriptive = {"auto_mapping",        "revision",           "inference_mode",
                                     "lora_dropout",        "peft_version",       "loftq_config",
                                     "eva_config",          "corda_config",       "megatron_config",
                                     "megatron_core",       "qalora_group_size",  "runtime_config",
                                     "layers_pattern",
                                     "layers_to_transform",  // the tensors tell which there are
                                     "exclude_modules",     "ensure_weight_tying"};
// Initialisations that leave the base model as it is; others (PiSSA, OLoRA...) change it.
constexpr std::array kPlainInitialisations = {"gaussian", "eva", "orthogonal"};

// PEFT's names of what is refused, and what to do about it.
struct Refusal {
  const char *key, *what;
};
constexpr std::array<Refusal, 8> kRefusals{
    {{"use_dora", "DoRA rescales the columns of the sum"},
     {"lora_bias", "biases of the changes are not read"},
     {"layer_replication", "it repeats blocks of the model"},
     {"use_qalora", "QA-LoRA pools the inputs"},
     {"target_parameters", "it changes parameters that are no linear layers"},
     {"alora_invocation_tokens", "an activated LoRA acts on some tokens only"},
     {"trainable_token_indices", "it trains single rows of the token embedding"},
     {"arrow_config", "it routes among adapters"}}};

class ConfigReader {
 public:
  ConfigReader(const Json& json, std::string origin) : json_(json), origin_(std::move(origin)) {
    if (!json_.is_object()) fail(ErrorKind::format, "{}: not a JSON object", origin_);
  }

  PeftConfig read() {
    const std::string kind = word("peft_type");
    if (kind != "LORA")
      fail(ErrorKind::format, "{}: peft_type is \"{}\"; only LORA is read{}", origin_, kind,
           kind.empty() ? "" : ": merge it into its model with peft, and load that");
    PeftConfig config;
    config.base = word("base_model_name_or_path");
    config.task = word("task_type");
    config.rank = rank(number("r", 8), "r");
    config.alpha = alpha(number("lora_alpha", 8), "lora_alpha");
    config.rank_stabilized = flag("use_rslora");
    config.transposed = flag("fan_in_fan_out");
    if (const Json* targets = find("target_modules")) {
      if (targets->is_string())
        config.target_pattern = targets->get<std::string>();
      else
        config.targets = words("target_modules");
    }
    config.saved = words("modules_to_save");
    config.rank_pattern = pattern<int64_t>(
        "rank_pattern", [&](double value, const std::string& key) { return rank(value, key); });
    config.alpha_pattern = pattern<double>(
        "alpha_pattern", [&](double value, const std::string& key) { return alpha(value, key); });
    refuse_the_rest();
    return config;
  }

 private:
  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) const {
    fail(ErrorKind::format, "{}: {}", origin_, fmt::format(text, std::forward<Args>(args)...));
  }

  // Null if absent or null.
  const Json* find(const std::string& key) {
    read_.push_back(key);
    const auto at = json_.find(key);
    return at == json_.end() || at->is_null() ? nullptr : &*at;
  }
  std::string word(const std::string& key) {
    const Json* value = find(key);
    if (!value) return "";
    if (!value->is_string()) refuse("{} is {}, not a text", key, shown(*value));
    return value->get<std::string>();
  }
  bool flag(const std::string& key) {
    const Json* value = find(key);
    if (!value) return false;
    if (!value->is_boolean()) refuse("{} is {}, not true or false", key, shown(*value));
    return value->get<bool>();
  }
  double number(const std::string& key, double standard) {
    const Json* value = find(key);
    return value ? number_of(*value, key) : standard;
  }
  double number_of(const Json& value, const std::string& key) const {
    if (!value.is_number()) refuse("{} is {}, not a number", key, shown(value));
    return value.get<double>();
  }
  int64_t rank(double value, const std::string& key) const {
    if (!(value >= 1 && value <= double(kLargestRank)) || value != std::floor(value))
      refuse("{} is {}, not a whole number from 1 to {}", key, value, kLargestRank);
    return int64_t(value);
  }
  double alpha(double value, const std::string& key) const {
    if (!std::isfinite(value)) refuse("{} is not finite", key);
    return value;
  }
  std::vector<std::string> words(const std::string& key) {
    const Json* value = find(key);
    std::vector<std::string> all;
    if (!value) return all;
    if (!value->is_array()) refuse("{} is {}, not a list of texts", key, shown(*value));
    for (const Json& item : *value) {
      if (!item.is_string() || item.get_ref<const std::string&>().empty())
        refuse("{} has {}, not a text", key, shown(item));
      all.push_back(item.get<std::string>());
    }
    return all;
  }

  template <class T, class Check>
  PeftConfig::Pattern<T> pattern(const std::string& key, Check check) {
    const Json* value = find(key);
    PeftConfig::Pattern<T> rows;
    if (!value) return rows;
    if (!value->is_object()) refuse("{} is {}, not an object", key, shown(*value));
    for (const auto& [module, number] : value->items()) {
      const std::string where = fmt::format("{}[\"{}\"]", key, module);
      // "^" may only tie a name to the start.
      if (module.empty() || module.find_first_of("*+?()[]{}|\\$") != std::string::npos ||
          module.find('^', 1) != std::string::npos)
        refuse("{} is a regular expression, which is not read: name the modules one by one", where);
      rows.emplace_back(module, check(number_of(number, where), where));
    }
    return rows;
  }

  static bool switched_off(const Json& value) {
    return value.is_null() || (value.is_boolean() && !value.get<bool>()) ||
           (value.is_number() && value.get<double>() == 0) ||
           (!value.is_number() && !value.is_boolean() && value.empty()) ||
           (value.is_string() && value.get_ref<const std::string&>().empty());
  }

  void refuse_the_rest() {
    if (const std::string bias = word("bias"); !bias.empty() && bias != "none")
      refuse("bias is \"{}\": trained biases are not read, only \"none\" is", bias);
    if (const Json* how = find("init_lora_weights"); how && how->is_string()) {
      const auto name = how->get<std::string>();
      if (std::ranges::find(kPlainInitialisations, name) == kPlainInitialisations.end())
        refuse(
            "init_lora_weights is \"{}\", which changes the base model as well: save it with "
            "peft's "
            "path_initial_model_for_weight_conversion",
            name);
    }
    for (const auto& [key, value] : json_.items()) {
      if (switched_off(value) || std::ranges::count(read_, key) > 0 ||
          std::ranges::find(kDescriptive, key) != kDescriptive.end())
        continue;
      const auto known = std::ranges::find(kRefusals, std::string_view(key),
                                           [](const Refusal& row) { return row.key; });
      if (known != kRefusals.end()) refuse("{} is {}: {}", key, shown(value), known->what);
      refuse("{} is {}, which is not known: it may change what the adapter computes", key,
             shown(value));
    }
  }

  static std::string shown(const Json& value) {
    std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
    constexpr size_t kLongest = 80;
    return text.size() > kLongest ? text.substr(0, kLongest) + "..." : text;
  }

  const Json& json_;
  std::string origin_;
  std::vector<std::string> read_;
};

// PEFT's rule: `pattern` is all of the path, or the end of it after a dot; "^" ties it to the
// start.
bool ends_with_module(std::string_view path, std::string_view pattern) {
  if (pattern.starts_with('^')) return path == pattern.substr(1);
  if (!path.ends_with(pattern)) return false;
  return path.size() == pattern.size() || path[path.size() - pattern.size() - 1] == '.';
}

template <class T>
T of_module(const PeftConfig::Pattern<T>& rows, std::string_view module, T standard) {
  const auto row = std::ranges::find_if(
      rows, [&](const auto& pair) { return ends_with_module(module, pair.first); });
  return row == rows.end() ? standard : row->second;
}

template <class T>
Json object_of(const PeftConfig::Pattern<T>& rows) {
  Json object = Json::object();
  for (const auto& [module, value] : rows) object[module] = value;
  return object;
}

Json number_of(double value) {
  return value == std::floor(value) && std::abs(value) < 1e15 ? Json(int64_t(value)) : Json(value);
}

}  // namespace

PeftConfig PeftConfig::parse(std::string_view text, const std::string& origin) {
  const Json json = parse_json(text, origin);
  return ConfigReader(json, origin).read();
}

std::string PeftConfig::text() const {
  const auto or_null = [](const std::string& word) { return word.empty() ? Json() : Json(word); };
  Json json;
  json["alpha_pattern"] = Json::object();
  for (const auto& [module, value] : alpha_pattern)
    json["alpha_pattern"][module] = number_of(value);
  json["base_model_name_or_path"] = or_null(base);
  json["bias"] = "none";
  json["fan_in_fan_out"] = transposed;
  json["inference_mode"] = true;
  json["lora_alpha"] = number_of(alpha);
  json["lora_dropout"] = 0.0;
  json["modules_to_save"] = saved.empty() ? Json() : Json(saved);
  json["peft_type"] = "LORA";
  json["r"] = rank;
  json["rank_pattern"] = object_of(rank_pattern);
  json["target_modules"] = target_pattern ? Json(*target_pattern) : Json(targets);
  json["task_type"] = or_null(task);
  json["use_dora"] = false;
  json["use_rslora"] = rank_stabilized;
  return json.dump(2) + "\n";
}

bool PeftConfig::lists(std::string_view module) const {
  return std::ranges::any_of(
      targets, [&](const std::string& target) { return ends_with_module(module, target); });
}

int64_t PeftConfig::rank_of(std::string_view module) const {
  return of_module(rank_pattern, module, rank);
}

double PeftConfig::scale_of(std::string_view module) const {
  const double r = double(rank_of(module));
  return of_module(alpha_pattern, module, alpha) / (rank_stabilized ? std::sqrt(r) : r);
}

bool PeftFolder::is_one(const fs::path& folder) {
  return is_file(folder / kConfig);
}

PeftFolder PeftFolder::read(const fs::path& folder) {
  if (!is_one(folder))
    fail(ErrorKind::file, "{}: not an adapter's folder: there is no {} in it", folder.string(),
         kConfig);
  const fs::path config = folder / kConfig;
  fs::path weights = folder / kWeights;
  if (!fs::exists(weights)) weights = folder / kTorchWeights;
  if (!fs::exists(weights))
    fail(ErrorKind::file, "{}: there is neither {} nor {}", folder.string(), kWeights,
         kTorchWeights);
  return of(PeftConfig::parse(read_text(config, kLongestConfig), config.string()),
            SafetensorsFile::open(weights), weights.string());
}

PeftFolder PeftFolder::of(PeftConfig config, SafetensorsFile weights, const std::string& origin) {
  PeftFolder folder;
  folder.config_ = std::move(config);
  folder.weights_ = std::move(weights);
  folder.origin_ = origin;
  for (const auto& [name, tensor] : folder.weights_.tensors()) folder.take(name, tensor);
  if (folder.changes_.empty() && folder.saved_.empty())
    fail(ErrorKind::format, "{}: there is nothing in it", origin);
  for (auto& [module, change] : folder.changes_) {
    folder.check(module, change);
    change.scale = folder.config_.scale_of(module);
  }
  return folder;
}

// Sorts one tensor of the file to where it belongs.
void PeftFolder::take(const std::string& name, const StoredTensor& tensor) {
  const auto refuse = [&](std::string_view why) {
    fail(ErrorKind::format, "{}: {}: {}", origin_, name, why);
  };
  if (!name.starts_with(kPrefix)) refuse("PEFT's names begin with base_model.model.");
  const std::string path = name.substr(kPrefix.size());
  if (tensor.dtype != DType::f32 && tensor.dtype != DType::f16 && tensor.dtype != DType::bf16 &&
      tensor.dtype != DType::f64)
    refuse(fmt::format("its type is {}, not a floating one", patina::name(tensor.dtype)));
  const auto module = [&](std::string_view suffix) {
    return path.substr(0, path.size() - suffix.size());
  };
  constexpr std::string_view kA = ".lora_A.weight", kB = ".lora_B.weight";
  if (path.ends_with(kA)) {
    changes_[module(kA)].a = tensor;
  } else if (path.ends_with(kB)) {
    changes_[module(kB)].b = tensor;
  } else if (path.ends_with(".lora_B.bias")) {
    refuse("biases of the changes (lora_bias) are not read");
  } else if (path.ends_with(".lora_embedding_A") || path.ends_with(".lora_embedding_B")) {
    refuse("changes of an embedding are not read: target linear layers only");
  } else if (path.ends_with(".lora_magnitude_vector")) {
    refuse("it belongs to DoRA, which is not read");
  } else if (path.find(".lora_") != std::string::npos ||
             path.find("token_adapter") != std::string::npos) {
    refuse("not a tensor of a LoRA that is read");
  } else if (path.empty()) {
    refuse("the name ends early");
  } else {
    saved_[path] = tensor;
  }
}

void PeftFolder::check(const std::string& module, const Change& change) const {
  const auto refuse = [&](const std::string& why) {
    fail(ErrorKind::format, "{}: {}: {}", origin_, module.empty() ? "(no module)" : module, why);
  };
  if (module.empty()) refuse("a change without a module");
  if (change.a.data.empty() || change.b.data.empty())
    refuse(fmt::format("there is no {}", change.a.data.empty() ? "lora_A" : "lora_B"));
  const auto &a = change.a.shape, &b = change.b.shape;
  if (a.size() == 4 && b.size() == 4) refuse("it changes a convolution, which is not read");
  if (a.size() != 2 || b.size() != 2 || a[0] != b[1])
    refuse(fmt::format("lora_A is [{}] and lora_B is [{}], not [r,in] and [out,r]",
                       fmt::join(a, ","), fmt::join(b, ",")));
  if (a[0] != config_.rank_of(module))
    refuse(fmt::format("its rank is {}, and {} says {}", a[0], kConfig, config_.rank_of(module)));
  if (!config_.target_pattern && !config_.targets.empty() && !config_.lists(module))
    refuse(fmt::format("target_modules of {} do not have it", kConfig));
}

void write_peft(const fs::path& folder, const PeftConfig& config,
                const std::map<std::string, std::pair<StoredTensor, StoredTensor>>& changes,
                const std::map<std::string, StoredTensor>& saved) {
  std::map<std::string, StoredTensor> tensors;
  const std::string prefix(kPrefix);
  for (const auto& [module, pair] : changes) {
    tensors[prefix + module + ".lora_A.weight"] = pair.first;
    tensors[prefix + module + ".lora_B.weight"] = pair.second;
  }
  for (const auto& [name, tensor] : saved) tensors[prefix + name] = tensor;
  make_folder(folder);
  write_safetensors(folder / PeftFolder::kWeights, tensors, {{"format", "pt"}});
  write_text(folder / PeftFolder::kConfig, config.text());
}

}  // namespace patina
