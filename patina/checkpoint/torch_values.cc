#include "patina/checkpoint/torch_values.h"

#include <algorithm>
#include <optional>

namespace patina {

using Kind = PickleValue::Kind;

namespace {

constexpr std::string_view kScriptClass = "__torch__.";  // before the classes of TorchScript
struct StorageClass {
  std::string_view name;
  DType dtype;
};
constexpr StorageClass kStorages[] = {
    {"torch.FloatStorage", DType::f32}, {"torch.DoubleStorage", DType::f64},
    {"torch.HalfStorage", DType::f16},  {"torch.BFloat16Storage", DType::bf16},
    {"torch.LongStorage", DType::i64},  {"torch.IntStorage", DType::i32},
    {"torch.ShortStorage", DType::i16}, {"torch.CharStorage", DType::i8},
    {"torch.ByteStorage", DType::u8},   {"torch.BoolStorage", DType::boolean}};

// What a state dict, a training checkpoint or a scripted module names and patina understands.
constexpr std::string_view kKnown[] = {
    "collections.OrderedDict", "collections.defaultdict", "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state", "torch._tensor._rebuild_from_type_v2",
    "torch.Tensor", "torch.nn.parameter.Parameter", "torch.Size", "torch.device",
    "torch.jit._pickle.build_intlist", "torch.jit._pickle.build_doublelist",
    "torch.jit._pickle.build_boollist", "torch.jit._pickle.build_tensorlist", "_codecs.encode",
    // To be refused by the type of their numbers.
    "torch._utils._rebuild_tensor_v3", "torch.storage.UntypedStorage"};
// Types as values (torch.float32), and storages of types that are refused: names in torch itself.
constexpr std::string_view kStorageTypes[] = {"float", "bfloat", "int", "uint", "bool", "complex"};

bool is_type(std::string_view name) {
  constexpr std::string_view kTorch = "torch.";
  if (!name.starts_with(kTorch)) return false;
  name.remove_prefix(kTorch.size());
  return name.find('.') == name.npos &&
         (name.ends_with("Storage") ||
          std::ranges::any_of(kStorageTypes,
                              [&](std::string_view type) { return name.starts_with(type); }));
}

std::optional<DType> storage_type(std::string_view name) {
  for (const auto& row : kStorages)
    if (row.name == name) return row.dtype;
  return std::nullopt;
}

// As the arguments of a defaultdict.
bool is_plain_class(std::string_view name) {
  constexpr std::string_view kClasses[] = {"list", "dict", "set",     "int",  "long",
                                           "bool", "str",  "unicode", "float"};
  for (const std::string_view module : {"builtins.", "__builtin__."})
    if (name.starts_with(module))
      return std::ranges::find(kClasses, name.substr(module.size())) != std::end(kClasses);
  return false;
}

}  // namespace

bool is_torch_name(std::string_view name) {
  return is_type(name) || is_plain_class(name) || name.starts_with(kScriptClass) ||
         std::ranges::find(kKnown, name) != std::end(kKnown);
}

bool is_torch_call(const PickleValue& value, std::string_view function) {
  return value.is(Kind::call) && value.function->text == function;
}
bool is_torch_module(const PickleValue& value) {
  return value.is(Kind::call) && value.function->text.starts_with(kScriptClass);
}
bool is_torch_dict(const PickleValue& value) {
  return value.is(Kind::dict) || is_torch_call(value, "collections.OrderedDict") ||
         is_torch_call(value, "collections.defaultdict") || is_torch_module(value);
}
bool is_torch_tensor(const PickleValue& value) {
  return value.is(Kind::call) && (value.function->text.starts_with("torch._utils._rebuild_") ||
                                  value.function->text == "torch._tensor._rebuild_from_type_v2");
}

std::vector<TorchEntry> torch_entries(const PickleValue& dict) {
  std::vector<TorchEntry> pairs;
  // Python 2 wrote OrderedDict([[key, value], ...]).
  if (is_torch_call(dict, "collections.OrderedDict") && dict.arguments->items.size() == 1)
    for (const PickleValue* pair : dict.arguments->items[0]->items)
      if (pair->items.size() == 2) pairs.push_back({pair->items[0], pair->items[1]});
  const auto& items = is_torch_module(dict) && dict.state && dict.state->is(Kind::dict)
                          ? dict.state->items
                          : dict.items;
  for (size_t i = 0; i + 1 < items.size(); i += 2) pairs.push_back({items[i], items[i + 1]});
  return pairs;
}
const PickleValue* torch_entry(const PickleValue& dict, std::string_view key) {
  for (const auto& entry : torch_entries(dict))
    if (entry.key->is(Kind::text) && entry.key->text == key) return entry.value;
  return nullptr;
}

std::string torch_key(const PickleValue& key, const std::string& origin) {
  if (key.is(Kind::text)) return key.text;
  if (key.is(Kind::whole)) return std::to_string(key.whole);
  refuse_torch_file(origin, "the key of a storage is no text");
}

// ("storage", its class, its key, its device, its number of elements[, None])
TorchStorage torch_storage(const PickleValue& value, const std::string& origin) {
  const auto wrong = [&]() {
    refuse_torch_file(origin, "it refers to something else than a storage");
  };
  if (!value.is(Kind::persistent) || !value.arguments->is(Kind::tuple)) wrong();
  const auto& what = value.arguments->items;
  if (what.size() < 5 || !what[0]->is(Kind::text) || what[0]->text != "storage" ||
      !what[1]->is(Kind::global) || !what[4]->is(Kind::whole))
    wrong();
  if (what.size() > 5 && !what[5]->is(Kind::none))
    refuse_torch_file(origin, "it has a view of a storage");
  const auto type = storage_type(what[1]->text);
  if (!type)
    refuse_torch_file(origin, "a {}, whose numbers patina does not have",
                      shown_text(what[1]->text));
  if (what[4]->whole < 0) refuse_torch_file(origin, "a storage of {} numbers", what[4]->whole);
  return {torch_key(*what[2], origin), *type, what[4]->whole};
}

}  // namespace patina
