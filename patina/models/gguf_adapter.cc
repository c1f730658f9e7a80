// Names and settings: llama.cpp's convert_lora_to_gguf.py and src/llama-adapter.cpp. There the
// factor on B A is alpha / r, with one alpha a file.
#include "patina/models/gguf_adapter.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "patina/base/error.h"
#include "patina/checkpoint/gguf_writer.h"
#include "patina/models/gguf_model.h"
#include "patina/models/linear_layers.h"
#include "patina/models/model_folder.h"
#include "patina/models/peft_adapter.h"
#include "patina/models/stored_form.h"
#include "patina/ops.h"
#include "patina/place.h"

namespace patina {

namespace {

using adapt::Part;

// The layers' names, by part.
constexpr std::array<std::pair<Part, const char*>, 9> kNames{{{Part::q, "attn_q"},
                                                              {Part::k, "attn_k"},
                                                              {Part::v, "attn_v"},
                                                              {Part::qkv, "attn_qkv"},
                                                              {Part::o, "attn_output"},
                                                              {Part::gate, "ffn_gate"},
                                                              {Part::up, "ffn_up"},
                                                              {Part::fc1, "ffn_up"},
                                                              {Part::fc2, "ffn_down"}}};

std::string tensor_name(const LinearLayer& layer) {
  const auto row = std::ranges::find(kNames, layer.part, &std::pair<Part, const char*>::first);
  return fmt::format("blk.{}.{}.weight", layer.layer, row->second);
}

GgufArchitecture architecture_for(const Backbone& network) {
  const std::string type = model_type_of(network);
  if (type == "gpt2") return {"gpt2", "gpt2", false};
  if (const auto found = gguf_architecture(type)) return *found;
  fail(ErrorKind::model,
       "{}: llama.cpp's files of this family are not known, so that no adapter for them can be "
       "written",
       network.about());
}

// Rows of queries and keys in the order of LLaMA's own rotary positions: row j size / 2 + i of a
// head becomes row 2 i + j. `back` undoes it.
Tensor interleaved(const Tensor& b, Part part, const nn::BlockShape& shape, bool back) {
  const int64_t size = shape.size(),
                heads = part == Part::q ? shape.heads : shape.key_width() / shape.size();
  const std::vector<int64_t> halves = back ? std::vector<int64_t>{heads, size / 2, 2, b.size(1)}
                                           : std::vector<int64_t>{heads, 2, size / 2, b.size(1)};
  return b.reshape(halves).transpose(1, 2).reshape(b.sizes()).contiguous();
}

bool interleaves(const GgufArchitecture& architecture, Part part) {
  return architecture.interleaves && (part == Part::q || part == Part::k);
}

}  // namespace

void write_gguf_adapter(const fs::path& path, const adapt::Lora& lora, const Backbone& network) {
  const GgufArchitecture architecture = architecture_for(network);
  const nn::BlockShape shape = network.block();
  std::map<std::string, LinearLayer> layer_of;
  for (const auto& layer : linear_layers(network, "")) layer_of[layer.module] = layer;
  const auto changes = module_changes(lora, network, "");
  const double alpha = changes.front().scale * double(changes.front().a.size(0));
  if (alpha == 0) fail(ErrorKind::model, "a change with the scale 0 has no form in a GGUF file");
  GgufWriter file;
  file.set("general.architecture", architecture.name);
  file.set("general.type", "adapter");
  file.set("adapter.type", "lora");
  file.set("adapter.lora.alpha", float(alpha));
  std::vector<Tensor> memory;
  memory.reserve(2 * changes.size());
  const auto add = [&](const std::string& name, const Tensor& tensor) {
    memory.push_back(tensor.to(at::kFloat).contiguous());
    const Tensor& kept = memory.back();
    file.add(name, kept.sizes().vec(), {kept.data_ptr<float>(), size_t(kept.numel())});
  };
  for (const auto& change : changes) {
    const LinearLayer& layer = layer_of.at(change.module);
    Tensor b = change.b;
    // What the file's one alpha does not say of the scale goes into B.
    const double factor = change.scale * double(change.a.size(0)) / double(float(alpha));
    if (factor != 1) b = b * factor;
    if (interleaves(architecture, layer.part)) b = interleaved(b, layer.part, shape, false);
    const std::string name = tensor_name(layer);
    add(name + ".lora_a", change.a);
    add(name + ".lora_b", b);
  }
  file.write(path);
}

std::unique_ptr<adapt::Lora> gguf_lora(const GgufFile& file, const Backbone& network) {
  const auto refuse = [&](const std::string& why) {
    fail(ErrorKind::model, "{}: {}", file.origin(), why);
  };
  const GgufArchitecture architecture = architecture_for(network);
  for (const auto& [key, value] : {std::pair<std::string, std::string>{"general.type", "adapter"},
                                   {"adapter.type", "lora"},
                                   {"general.architecture", architecture.name}})
    if (file.text(key) != value)
      refuse(fmt::format("{} is {}, not {}", key, file.text(key), value));
  const double alpha = file.number("adapter.lora.alpha");
  const nn::BlockShape shape = network.block();
  std::vector<adapt::Lora::Update> updates;
  size_t read = 0;
  const auto numbers = [&](const std::string& name) {
    const GgufTensor& tensor = file.at(name);
    if (tensor.shape.size() != 2 || tensor.count() == 0)
      refuse(fmt::format("{} is no matrix", name));
    Tensor values = at::empty(tensor.shape);
    dequantize_rows(tensor, 0, tensor.shape[0], {values.data_ptr<float>(), size_t(values.numel())});
    ++read;
    return values;
  };
  for (const auto& layer : linear_layers(network, "")) {
    const std::string name = tensor_name(layer);
    if (!file.has(name + ".lora_a")) continue;
    const Tensor a = numbers(name + ".lora_a");
    Tensor b = numbers(name + ".lora_b");
    const auto part = adapt::part_shape(layer.part, shape);
    if (a.size(1) != part.in || b.size(0) != part.rows || a.size(0) != b.size(1))
      refuse(fmt::format("the change of {} does not fit {}", name, network.about()));
    if (interleaves(architecture, layer.part)) b = interleaved(b, layer.part, shape, true);
    updates.push_back({layer.layer, layer.part, a, b, alpha == 0 ? 1 : alpha / double(a.size(0))});
  }
  if (read != file.tensors().size())
    refuse(fmt::format("{} of its {} tensors belong to no layer of {}",
                       file.tensors().size() - read, file.tensors().size(), network.about()));
  auto lora = std::make_unique<adapt::Lora>(updates, shape, network.layers());
  lora->set_tower(network.tower().tower);
  nn::bring(*lora, network.place());
  return lora;
}

}  // namespace patina
