#include "patina/models/peft_adapter.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "patina/base/error.h"
#include "patina/checkpoint/load.h"
#include "patina/models/linear_layers.h"
#include "patina/models/stored_form.h"
#include "patina/ops.h"
#include "patina/place.h"

namespace patina {

namespace {

// The first word of a path and its dot; "" if there is none.
std::string first_word(const std::string& path) {
  const size_t dot = path.find('.');
  return dot == std::string::npos ? "" : path.substr(0, dot + 1);
}

// Finds a checkpoint's tensors by the paths of an adapter, where either side may have the family's
// prefix ("model.", "bert.") that the other has not.
class TensorNames {
 public:
  explicit TensorNames(const SafetensorsFile& file) : file_(file) {
    for (const auto& [name, tensor] : file.tensors()) first_.insert(first_word(name));
  }
  // The name in the file of what the adapter calls `path`; "" if there is none.
  std::string find(const std::string& path) const {
    if (file_.has(path)) return path;
    if (const std::string rest = path.substr(first_word(path).size()); file_.has(rest)) return rest;
    for (const auto& word : first_)
      if (file_.has(word + path)) return word + path;
    return "";
  }

 private:
  const SafetensorsFile& file_;
  std::set<std::string> first_;
};

Tensor floats(const StoredTensor& stored) {
  return to_tensor(stored).to(at::kFloat);
}

bool below(const std::string& path, const std::vector<std::string>& modules) {
  return std::ranges::any_of(modules, [&](const std::string& module) {
    return path.starts_with(module + ".") || path.find("." + module + ".") != std::string::npos;
  });
}

// Whether weights are stored [in,out]: as the config says, unless a shape shows the contrary.
bool stored_transposed(const PeftFolder& adapter, const Checkpoint& checkpoint,
                       const TensorNames& names) {
  for (const auto& [module, change] : adapter.changes()) {
    const std::string name = names.find(module + ".weight");
    if (name.empty()) continue;
    const auto& shape = checkpoint.weights.at(name).shape;
    const int64_t out = change.b.shape[0], in = change.a.shape[1];
    if (out == in || shape.size() != 2) continue;
    if (shape[0] == out && shape[1] == in) return false;
    if (shape[0] == in && shape[1] == out) return true;
  }
  return adapter.config().transposed;
}

}  // namespace

void add_adapter(Checkpoint& checkpoint, const PeftFolder& adapter) {
  NoGrad no_grad;
  const TensorNames names(checkpoint.weights);
  const bool transposed = stored_transposed(adapter, checkpoint, names);
  auto memory = std::make_shared<std::vector<Tensor>>();
  std::map<std::string, StoredTensor> replaced;
  const auto put = [&](const std::string& name, const Tensor& tensor) {
    memory->push_back(tensor.contiguous());
    replaced[name] = to_stored(memory->back());
  };
  std::vector<std::string> known;
  for (const auto& [name, tensor] : checkpoint.weights.tensors()) known.push_back(name);
  for (const auto& [module, change] : adapter.changes()) {
    const std::string name = names.find(module + ".weight");
    if (name.empty())
      fail(ErrorKind::model, "{}: it changes {}, and {} has no {}.weight{}", adapter.origin(),
           module, checkpoint.origin, module, did_you_mean(module + ".weight", known));
    const Tensor weight = floats(checkpoint.weights.at(name));
    Tensor added = at::matmul(floats(change.b), floats(change.a)) * change.scale;
    if (transposed) added = added.t();
    if (weight.sizes() != added.sizes())
      fail(ErrorKind::model,
           "{}: the change of {} is {}, and {} of {} is {}: this is not its model",
           adapter.origin(), module, shape_text(added.sizes()), name, checkpoint.origin,
           shape_text(weight.sizes()));
    put(name, weight + added);
  }
  for (const auto& [path, stored] : adapter.saved()) {
    const std::string name = names.find(path);
    if (name.empty() && !below(path, adapter.config().saved))
      fail(ErrorKind::model,
           "{}: {} is neither in {} nor in a module that {} saves whole",  // NOLINT
           adapter.origin(), path, checkpoint.origin, PeftFolder::kConfig);
    put(name.empty() ? path : name, floats(stored));
  }
  checkpoint.weights = checkpoint.weights.with(replaced, memory);
}

std::unique_ptr<adapt::Lora> lora_of(const PeftFolder& adapter, const Backbone& network) {
  const StoredForm* form = network.stored();
  PATINA_REQUIRE(form, "{} was not read from a checkpoint", network.about());
  const auto towers = network.towers();
  std::map<std::string, LinearLayer> by_module;
  for (const std::string& prefix : {std::string(), form->names.prefix})
    for (auto& layer : linear_layers(network, prefix)) by_module[layer.module] = layer;
  std::vector<adapt::Lora::Update> updates;
  std::optional<nn::Tower> tower;
  for (const auto& [module, change] : adapter.changes()) {
    const auto at = by_module.find(module);
    if (at == by_module.end())
      fail(ErrorKind::model,
           "{}: {} is no linear layer that an adaptation of {} reaches: load the adapter with its "
           "model instead (model.adapter)",
           adapter.origin(), module, network.about());
    const LinearLayer& layer = at->second;
    if (tower.value_or(layer.tower) != layer.tower)
      fail(ErrorKind::model, "{}: it changes both towers of {}", adapter.origin(), network.about());
    tower = layer.tower;
    updates.push_back({layer.layer, layer.part, floats(change.a), floats(change.b), change.scale});
  }
  const auto shape =
      std::ranges::find(towers, tower.value_or(network.tower().tower), &TowerShape::tower);
  PATINA_REQUIRE(shape != towers.end(), "{} has no blocks", network.about());
  auto lora = std::make_unique<adapt::Lora>(updates, shape->block, shape->layers);
  lora->set_tower(shape->tower);
  nn::bring(*lora, network.place());
  return lora;
}

namespace {

// The rows of `part` within the rows of `of`, if it lies there.
struct Within {
  bool is = false;
  int64_t from = 0;
};
Within within(adapt::Part part, adapt::Part of, const nn::BlockShape& shape) {
  using adapt::Part;
  const bool in_qkv = of == Part::qkv && (part == Part::q || part == Part::k || part == Part::v);
  const bool in_fc1 = of == Part::fc1 && (part == Part::gate || part == Part::up);
  if (part == of) return {true, 0};
  if (!in_qkv && !in_fc1) return {};
  return {true, adapt::part_shape(part, shape).from};
}

// One change of a module out of all that reach it: A's below each other, B's side by side.
ModuleChange joined(const LinearLayer& layer, const std::vector<adapt::Lora::Update>& updates,
                    const nn::BlockShape& shape) {
  const int64_t rows = adapt::part_shape(layer.part, shape).rows;
  std::vector<Tensor> as, bs;
  std::vector<double> scales;
  for (const auto& update : updates) {
    if (update.layer != layer.layer) continue;
    const Within smaller = within(update.part, layer.part, shape),
                 larger = within(layer.part, update.part, shape);
    if (!smaller.is && !larger.is) continue;
    const Tensor a = on_host(update.a).to(at::kFloat), b = on_host(update.b).to(at::kFloat);
    as.push_back(a);
    scales.push_back(update.scale);
    if (larger.is) {
      bs.push_back(b.slice(0, larger.from, larger.from + rows));
    } else {
      Tensor all = at::zeros({rows, b.size(1)}, b.options());
      all.slice(0, smaller.from, smaller.from + b.size(0)).copy_(b);
      bs.push_back(all);
    }
  }
  ModuleChange change{.module = layer.module, .transposed = layer.transposed};
  if (as.empty()) return change;
  const bool alike = std::ranges::adjacent_find(scales, std::not_equal_to<>()) == scales.end();
  change.scale = alike ? scales.front() : 1;
  for (size_t i = 0; i < bs.size() && !alike; ++i) bs[i] = bs[i] * scales[i];
  change.a = as.size() == 1 ? as.front() : at::cat(as);
  change.b = bs.size() == 1 ? bs.front() : at::cat(bs, 1);
  return change;
}

// The names for target_modules: the last word of a path where all such modules change, else paths.
std::vector<std::string> target_names(const std::vector<ModuleChange>& changes,
                                      const std::vector<std::string>& modules) {
  std::set<std::string> changed, targets;
  for (const auto& change : changes) changed.insert(change.module);
  const auto last_word = [](const std::string& path) {
    const size_t dot = path.rfind('.');
    return dot == std::string::npos ? path : path.substr(dot + 1);
  };
  std::set<std::string> partly;
  for (const auto& module : modules)
    if (!changed.count(module)) partly.insert(last_word(module));
  for (const auto& module : changed) {
    const std::string word = last_word(module);
    targets.insert(partly.count(word) ? module : word);
  }
  return {targets.begin(), targets.end()};
}

// alpha = scale r, without the last bits of rounding.
double alpha_of(const ModuleChange& change) {
  return std::stod(fmt::format("{:.12g}", change.scale * double(change.a.size(0))));
}

// Rank and alpha that most changes have, and the others'.
void set_ranks(PeftConfig& config, const std::vector<ModuleChange>& changes) {
  std::map<std::pair<int64_t, double>, int> counts;
  for (const auto& change : changes) ++counts[{change.a.size(0), alpha_of(change)}];
  const auto usual =
      std::ranges::max_element(counts, {}, [](const auto& item) { return item.second; });
  std::tie(config.rank, config.alpha) = usual->first;
  for (const auto& change : changes) {
    if (change.a.size(0) != config.rank)
      config.rank_pattern.emplace_back(change.module, change.a.size(0));
    if (alpha_of(change) != config.alpha)
      config.alpha_pattern.emplace_back(change.module, alpha_of(change));
  }
}

}  // namespace

std::vector<ModuleChange> module_changes(const adapt::Lora& lora, const Backbone& network,
                                         const std::string& prefix) {
  NoGrad no_grad;
  const auto updates = lora.updates();
  std::vector<ModuleChange> changes;
  size_t found = 0;
  for (const auto& layer : linear_layers(network, prefix)) {
    if (lora.tower().value_or(layer.tower) != layer.tower) continue;
    auto change = joined(layer, updates, block_of(network, layer.tower));
    if (!change.a.defined()) continue;
    ++found;
    changes.push_back(std::move(change));
  }
  if (found == 0)
    fail(ErrorKind::model, "{}: its family has no names for the layers that the LoRA changes",
         network.about());
  return changes;
}

void write_peft(const fs::path& folder, const adapt::Lora& lora, const Backbone& network,
                const std::string& base, const LinearClassifier& classifier) {
  const StoredForm* form = network.stored();
  if (!form)
    fail(ErrorKind::model, "{} was not read from a checkpoint: no names of its layers are known",
         network.about());
  const bool classifies = classifier.weight.defined();
  if (classifies && !fits_own_head(network, classifier))
    fail(ErrorKind::model,
         "{}: {}, so that PEFT has no place for the classifier: export the merged network instead "
         "(safetensors)",
         network.about(),
         form->head.empty() ? "its family's classifier is not linear in the features"
                            : "the classifier has a bias, and its family's has none");
  PeftConfig config{.base = base,
                    .task = classifies && network.text_input() ? "SEQ_CLS" : form->task};
  // AutoModel's modules have no prefix; those of a model with a head have.
  const std::string prefix = config.task == "FEATURE_EXTRACTION" ? "" : form->names.prefix;
  const auto changes = module_changes(lora, network, prefix);
  set_ranks(config, changes);
  config.targets = target_names(changes, weighted_modules(network, prefix));
  config.transposed =
      std::ranges::any_of(changes, [](const auto& change) { return change.transposed; });
  std::vector<Tensor> memory;
  const auto stored = [&](const Tensor& tensor) {
    memory.push_back(tensor.detach().contiguous());
    return to_stored(memory.back());
  };
  std::map<std::string, std::pair<StoredTensor, StoredTensor>> tensors;
  for (const auto& change : changes) tensors[change.module] = {stored(change.a), stored(change.b)};
  std::map<std::string, StoredTensor> saved;
  if (classifies) {
    config.saved = {form->head};
    saved[form->head + ".weight"] = stored(on_host(classifier.weight).to(at::kFloat));
    if (form->head_bias && classifier.bias.defined())
      saved[form->head + ".bias"] = stored(on_host(classifier.bias).to(at::kFloat));
  }
  write_peft(folder, config, tensors, saved);
}

}  // namespace patina
