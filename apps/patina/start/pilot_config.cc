#include "apps/patina/start/pilot_config.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>

#include "apps/patina/start/pilot_methods.h"
#include "patina/base/json.h"
#include "patina/config/option_keys.h"
#include "patina/config/recipe_file.h"
#include "patina/config/toml_text.h"
#include "patina/learners/registry.h"

namespace patina::cli {

namespace {

// Whether the options of a learner have a key, and among its choices `choice`.
bool has_option(const LearnerRow& row, const std::string& key, const std::string& choice = "") {
  const auto options = option_keys([&](Fields& f) { row.options()->bind(f); });
  return std::ranges::any_of(options, [&](const OptionKey& option) {
    return option.key == key && (choice.empty() || std::ranges::count(option.choices, choice) > 0);
  });
}

std::string toml_of(const Json& value) {
  if (value.is_string()) return toml_string(value.get<std::string>());
  if (value.is_array()) {
    std::vector<std::string> items;
    for (const auto& item : value) items.push_back(toml_of(item));
    return fmt::format("[{}]", fmt::join(items, ", "));
  }
  if (value.is_number_float()) return toml_number(value.get<double>());
  return value.dump();
}

class Import {
 public:
  Import(const Json& config, std::string name, std::string origin)
      : config_(config), origin_(std::move(origin)) {
    if (!config.is_object() || !config.contains("model_name") || !config.contains("dataset"))
      fail(ErrorKind::format,
           "{}: it is no configuration of LAMDA-PILOT's: an object with model_name and dataset is "
           "expected",
           origin_);
    find_method();
    top_ = fmt::format("name = {}\n", toml_string(name));
  }

  PilotRecipe recipe() {
    seeds();
    backbone();
    data();
    scenario();
    learner();
    training();
    for (const auto& [key, value] : config_.items()) {
      if (taken_.contains(key)) continue;
      if (const auto why = pilot_unneeded().find(key); why != pilot_unneeded().end())
        made_.not_needed.push_back(fmt::format("{}: {}", key, why->second));
      else
        made_.not_mapped.push_back(fmt::format("{} = {}", key, shortened(value.dump(), 60)));
    }
    made_.text =
        fmt::format("# From LAMDA-PILOT's {}, by `patina import-pilot`.\n{}", origin_, top_);
    for (const char* section :
         {"model", "data", "train_transform", "test_transform", "scenario", "learner", "training"})
      if (const std::string& text = sections_[section]; !text.empty())
        made_.text += fmt::format("\n[{}]\n{}", section, text);
    return std::move(made_);
  }

 private:
  bool has(const char* key) const { return config_.contains(key) && !config_[key].is_null(); }
  const Json& take(const char* key) {
    taken_[key] = true;
    return config_[key];
  }
  std::string text(const char* key) {
    const Json& value = take(key);
    if (!value.is_string())
      fail(ErrorKind::format, "{}: {} is {}, and a string is expected", origin_, key,
           shortened(value.dump(), 60));
    return value.get<std::string>();
  }
  int64_t number(const char* key, int64_t otherwise) {
    if (!has(key)) return otherwise;
    const Json& value = take(key);
    if (!value.is_number_integer())
      fail(ErrorKind::format, "{}: {} is {}, and a whole number is expected", origin_, key,
           shortened(value.dump(), 60));
    return value.get<int64_t>();
  }

  void set(const char* section, const std::string& key, const std::string& value) {
    sections_[section] += fmt::format("{} = {}\n", key, value);
  }
  void map(const char* section, const std::string& key, const char* theirs) {
    const std::string value = toml_of(take(theirs));
    set(section, key, value);
    made_.settings.push_back(fmt::format("{}.{} = {}, from {}", section, key, value, theirs));
  }
  void choose(const char* section, const std::string& key, const std::string& value,
              const std::string& why) {
    set(section, key, value);
    made_.chosen.push_back(fmt::format("{}.{} = {}: {}", section, key, value, why));
  }
  void leave(const char* key, const std::string& why) {
    made_.not_mapped.push_back(
        fmt::format("{} = {}: {}", key, shortened(take(key).dump(), 60), why));
  }

  void find_method() {
    const std::string name = text("model_name");
    std::vector<std::string> names;
    for (const auto& method : pilot_methods()) {
      names.emplace_back(method.name);
      if (name == method.name) method_ = &method;
    }
    if (!method_)
      fail(ErrorKind::recipe, "{}: no learner is known for model_name \"{}\"{}", origin_, name,
           did_you_mean(name, names));
    row_ = find_learner(method_->learner);
    PATINA_CHECK(row_, "learner {}", method_->learner);
  }

  void seeds() {
    seed_ = 1993;
    if (!has("seed")) return;
    const Json& seeds = take("seed");
    const Json& first = seeds.is_array() && !seeds.empty() ? seeds[0] : seeds;
    if (!first.is_number_unsigned())
      fail(ErrorKind::format, "{}: seed is {}, and a list of whole numbers is expected", origin_,
           shortened(seeds.dump(), 60));
    seed_ = first.get<uint64_t>();
    top_ += fmt::format("seed = {}\n", seed_);
    if (seeds.is_array() && seeds.size() > 1)
      made_.chosen.push_back(
          fmt::format("seed = {}: the first of {}; `patina sweep --seeds` runs the recipe with all",
                      seed_, seeds.dump()));
  }

  void backbone() {
    if (!has("backbone_type")) return;
    const std::string type = text("backbone_type");
    if (type.find("vit") == type.npos) {
      made_.not_mapped.push_back(fmt::format(
          "backbone_type = \"{}\": set model.name to a network of `patina list models`", type));
      return;
    }
    const bool large = type.find("in21k") != type.npos;
    const std::string name = large ? "vit_base_patch16_224_in21k" : "vit_base_patch16_224";
    set("model", "name", toml_string(name));
    made_.settings.push_back(fmt::format("model.name = \"{}\", from backbone_type", name));
    made_.chosen.emplace_back("model.path: set it to the weights (--set model.path=FILE)");
  }

  void data() {
    const std::string name = text("dataset");
    const bool resized = name == "cifar224";
    const std::string ours = name == "cifar10"               ? "cifar10"
                             : resized || name == "cifar100" ? "cifar100"
                                                             : "folder";
    set("data", "name", toml_string(ours));
    made_.settings.push_back(fmt::format("data.name = \"{}\", from dataset", ours));
    if (ours == "folder")
      made_.chosen.push_back(fmt::format(
          "data.path: set it to the folder of {} with train/ and test/ (--set data.path=FOLDER)",
          name));
    if (name == "cifar10" || name == "cifar100") {
      made_.chosen.emplace_back(
          "train_transform: PILOT's images of 32 px are not mapped; the network's own are used");
      return;
    }
    transforms(name.starts_with("imagenet"));
  }

  // PILOT's images: no mean and deviation, random boxes, and for tests the middle of 256 px. With
  // CODA-Prompt torchvision's default boxes, and CIFAR straight to the input's size.
  void transforms(bool is_imagenet) {
    const bool coda = std::string_view(method_->name) == "coda_prompt";
    sections_["train_transform"] = fmt::format(
        "normalize = \"unit\"\ninterpolation = \"bilinear\"\nrandom_resized_crop = true\n"
        "scale = [{}, 1.0]\nflip = true\n",
        coda ? 0.08 : 0.05);
    sections_["test_transform"] =
        coda ? fmt::format("normalize = \"unit\"\ninterpolation = \"bilinear\"\nresize = {}\n",
                           is_imagenet ? 256 : 0)
             : "normalize = \"unit\"\ninterpolation = \"bicubic\"\nresize = 256\n";
    made_.chosen.emplace_back("train_transform and test_transform: PILOT's, which are in its code");
  }

  void scenario() {
    set("scenario", "name", "\"class_incremental\"");
    const int64_t each = number("increment", 10), first = number("init_cls", each);
    if (first != each) set("scenario", "initial_classes", std::to_string(first));
    set("scenario", "classes_per_task", std::to_string(each));
    const bool shuffles = !has("shuffle") || take("shuffle") == Json(true);
    set("scenario", "class_order_seed", shuffles ? std::to_string(seed_) : "-1");
    made_.settings.push_back(
        fmt::format("scenario: first {} classes, then {} a task, {}, from init_cls, increment, "
                    "shuffle and seed",
                    first, each, shuffles ? "in the order of the seed" : "in the data's order"));
  }

  void learner() {
    set("learner", "name", toml_string(row_->name));
    made_.settings.push_back(fmt::format("learner.name = \"{}\", from model_name", row_->name));
    adaptation();
    for (const auto& [theirs, ours] : method_->options)
      if (has(theirs)) map("learner", ours, theirs);
    for (const char* key : {"compat", "loss"})
      if (has_option(*row_, key, "pilot"))
        choose("learner", key, "\"pilot\"",
               "what PILOT's code computes; --set learner." + std::string(key) +
                   "=paper for the paper's");
    special();
    memory();
  }

  void adaptation() {
    std::string adaptation = method_->adaptation;
    if (adaptation.starts_with("vpt") && has("vpt_type"))
      adaptation = text("vpt_type") == "shallow" ? "vpt_shallow" : "vpt_deep";
    if (!adaptation.empty())
      choose("learner", "adaptation", toml_string(adaptation),
             "of PILOT's network for this method");
  }

  // Where a value of PILOT's is not one of patina's as it stands.
  void special() {
    const std::string_view name = method_->name;
    if (name == "coda_prompt" && has("prompt_param")) {
      // [prompts in all, length, weight of orthogonality]
      const Json& values = take("prompt_param");
      if (!values.is_array() || values.size() != 3)
        fail(ErrorKind::format, "{}: prompt_param is {}, and three numbers are expected", origin_,
             shortened(values.dump(), 60));
      set("learner", "length", std::to_string(values[1].get<int64_t>()));
      set("learner", "orthogonality", toml_of(values[2]));
      made_.settings.push_back(
          fmt::format("learner.length = {} and learner.orthogonality = {}, from "
                      "prompt_param",
                      values[1].get<int64_t>(), values[2].dump()));
      made_.not_mapped.push_back(fmt::format(
          "prompt_param's {} prompts in all: learner.components counts those of a task, and keeps "
          "its default",
          values[0].dump()));
    }
    if (name == "cofima" && has("fisher_weighting")) {
      if (config_["fisher_weighting"] == Json(true))
        taken_["fisher_weighting"] = true;
      else
        leave("fisher_weighting", "without it the method is the learner coma");
    }
    if (name == "ease" && has("use_init_ptm")) {
      const bool own = take("use_init_ptm") == Json(true);
      if (own && has("beta"))
        map("learner", "beta", "beta");
      else if (has("beta"))
        taken_["beta"] = true;  // read only with use_init_ptm
    }
    if (name == "finetune" && has("init_weight_decay") && has("weight_decay"))
      map("learner", "later_weight_decay", "weight_decay");
    if (name == "lae" && has("pet_cls")) {
      const std::string kind = text("pet_cls");
      set("learner", "adaptation",
          kind == "Prefix" ? "\"prefix\""
          : kind == "LoRA" ? "\"lora\""
                           : "\"adapter\"");
      made_.settings.push_back("learner.adaptation, from pet_cls = " + kind);
      const char* size = kind == "Prefix" ? "pet_length" : "down_sample_dim";
      if (has(size)) map("learner", "size", size);
    }
  }

  void memory() {
    const bool keeps = has_option(*row_, "memory");
    const bool fixed = has("fixed_memory") && take("fixed_memory") == Json(true);
    if (keeps && has("memory_size")) map("learner", "memory", "memory_size");
    if (keeps && fixed && has("memory_per_class"))
      map("learner", "memory_per_class", "memory_per_class");
    for (const char* key : {"memory_size", "memory_per_class"}) {
      if (!has(key) || taken_.contains(key)) continue;
      taken_[key] = true;
      made_.not_needed.push_back(
          fmt::format("{}: {}", key,
                      keeps ? "without fixed_memory the samples are shared by the classes"
                            : row_->name + " keeps no samples"));
    }
  }

  void training() {
    for (const auto& key : pilot_training_keys()) one_of(key);
    schedule();
  }

  void one_of(const PilotTrainingKey& key) {
    const std::string_view name = method_->name;
    std::optional<Json> value;
    for (const char* theirs : key.theirs) {
      if (!has(theirs) || taken_.contains(theirs)) continue;
      const std::string_view ours = key.ours;
      if (ours == "epochs" && config_[theirs] == Json(0)) {
        taken_[theirs] = true;
        made_.not_needed.push_back(fmt::format("{}: nothing is trained", theirs));
      } else if (ours == "milestones" || ours == "gamma") {
        if (steps()) {
          if (!value)
            map("training", key.ours, theirs);
          else
            leave(theirs, "it is of the first task; patina trains every task alike");
          value = config_[theirs];
        } else {
          taken_[theirs] = true;
          made_.not_needed.push_back(
              fmt::format("{}: PILOT's {} does not lower its rate in steps", theirs, name));
        }
      } else if (!value) {
        value = config_[theirs];
        map("training", key.ours, theirs);
      } else if (*value == config_[theirs]) {
        taken_[theirs] = true;
        made_.settings.push_back(fmt::format("training.{}, from {}, too", key.ours, theirs));
      } else {
        leave(theirs, "it is of the first task; patina trains every task alike");
      }
    }
  }

  // Whether PILOT's code lowers the rate at milestones.
  bool steps() const {
    if (config_.contains("scheduler")) return config_["scheduler"] == Json("steplr");
    const std::string_view name = method_->name;
    for (const char* one : {"finetune", "icarl", "der", "coil", "slca", "cofima"})
      if (name == one) return true;
    return false;
  }

  void schedule() {
    const std::string_view name = method_->name;
    std::string schedule = steps() ? "step" : "cosine";
    if (has("scheduler")) {
      const std::string theirs = text("scheduler");
      schedule = theirs == "constant" ? "constant" : theirs == "steplr" ? "step" : "cosine";
      if (schedule == "cosine" && name == "coda_prompt") schedule = "quarter_cosine";
      set("training", "schedule", toml_string(schedule));
      made_.settings.push_back(fmt::format("training.schedule = \"{}\", from scheduler", schedule));
    } else if (name == "duct") {
      // ConstantLR: a third of the rate for five epochs.
      made_.not_mapped.emplace_back(
          "DUCT's rate is a third of lrate in the first five epochs; recipes/cifar100/duct.toml "
          "has that as steps");
      set("training", "schedule", "\"constant\"");
    } else if (name != "simplecil") {
      choose("training", "schedule", toml_string(schedule), "of PILOT's code for this method");
    }
    if (!config_.contains("optimizer") && name != "simplecil")
      choose("training", "optimizer", "\"sgd\"", "of PILOT's code for this method");
  }

  const Json& config_;
  std::string origin_, top_;
  const PilotMethod* method_ = nullptr;
  const LearnerRow* row_ = nullptr;
  uint64_t seed_ = 1993;
  std::map<std::string, bool> taken_;
  std::map<std::string, std::string> sections_;
  PilotRecipe made_;
};

}  // namespace

PilotRecipe recipe_of_pilot(const Json& config, const std::string& name,
                            const std::string& origin) {
  return Import(config, name, origin).recipe();
}

}  // namespace patina::cli
