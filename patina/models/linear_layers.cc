#include "patina/models/linear_layers.h"

#include <charconv>
#include <optional>

#include "patina/base/error.h"
#include "patina/models/stored_form.h"
#include "patina/ops.h"
#include "patina/place.h"

namespace patina {

namespace {

constexpr std::string_view kWeight = ".weight";

// A tensor's name in three parts: "encoder." "blocks." 3 ".attn.qkv.weight".
struct InBlock {
  std::string_view stack = {}, rest = {};
  int64_t number = 0;
};
std::optional<InBlock> in_block(std::string_view name) {
  constexpr std::string_view kBlocks = "blocks.";
  const size_t at = name.find(kBlocks);
  if (at == name.npos) return std::nullopt;
  InBlock found{.stack = name.substr(0, at)};
  name.remove_prefix(at + kBlocks.size());
  const auto end = std::from_chars(name.data(), name.data() + name.size(), found.number);
  if (end.ec != std::errc()) return std::nullopt;
  found.rest = name.substr(size_t(end.ptr - name.data()));
  return found;
}

nn::Tower tower_of(const Backbone& network, std::string_view stack) {
  const auto towers = network.towers();
  if (towers.size() == 1) return towers.front().tower;
  return stack.starts_with("image") ? nn::Tower::image : nn::Tower::text;
}

// As adaptations number the blocks.
int64_t number_of(const Backbone& network, const InBlock& place) {
  return place.number + (place.stack == "decoder." ? network.prompt_layers() : 0);
}

// What the checkpoint's tensors of a layer are, by their number.
std::vector<adapt::Part> parts_of(std::string_view layer, size_t count) {
  using adapt::Part;
  if (layer == ".attn.qkv.weight") {
    if (count == 3) return {Part::q, Part::k, Part::v};
    if (count == 1) return {Part::qkv};
  }
  if (layer == ".attn.proj.weight" && count == 1) return {Part::o};
  if (layer == ".mlp.fc1.weight") {
    if (count == 2) return {Part::gate, Part::up};
    if (count == 1) return {Part::fc1};
  }
  if (layer == ".mlp.fc2.weight" && count == 1) return {Part::fc2};
  return {};
}

// The end of the name of the weight that a part belongs to.
std::string_view weight_of(adapt::Part part) {
  using adapt::Part;
  switch (part) {
    case Part::q:
    case Part::k:
    case Part::v:
    case Part::qkv:
      return ".attn.qkv.weight";
    case Part::o:
      return ".attn.proj.weight";
    case Part::gate:
    case Part::up:
    case Part::fc1:
      return ".mlp.fc1.weight";
    case Part::fc2:
      return ".mlp.fc2.weight";
  }
  return "";
}

std::string module_of(const std::string& tensor) {
  return tensor.substr(0, tensor.size() - kWeight.size());
}

}  // namespace

nn::BlockShape block_of(const Backbone& network, nn::Tower tower) {
  for (const auto& one : network.towers())
    if (one.tower == tower) return one.block;
  return network.block();
}

std::vector<LinearLayer> linear_layers(const Backbone& network, const std::string& prefix) {
  std::vector<LinearLayer> layers;
  if (!network.stored()) return layers;
  for (const auto& item : nn::tensors(const_cast<Backbone&>(network))) {  // changes nothing
    const auto place = in_block(item.name);
    if (!place) continue;
    const auto found = network.stored()->names.find(item.name, prefix);
    const auto parts = parts_of(place->rest, found.theirs.size());
    // An encoder-decoder numbers the decoder's blocks after the encoder's.
    const int64_t first = place->stack == "decoder." ? network.prompt_layers() : 0;
    for (size_t i = 0; i < parts.size(); ++i)
      if (found.theirs[i].ends_with(kWeight))
        layers.push_back({tower_of(network, place->stack), first + place->number, parts[i],
                          module_of(found.theirs[i]), found.transposed});
  }
  return layers;
}

std::vector<std::string> weighted_modules(const Backbone& network, const std::string& prefix) {
  std::vector<std::string> modules;
  if (!network.stored()) return modules;
  for (const auto& item : nn::tensors(const_cast<Backbone&>(network)))  // changes nothing
    if (item.tensor.dim() >= 2 || item.form.stored())
      for (const auto& name : network.stored()->names.find(item.name, prefix).theirs)
        if (name.ends_with(kWeight)) modules.push_back(module_of(name));
  return modules;
}

std::vector<int64_t> piece_rows(const Backbone& network, const std::string& name, int64_t rows,
                                size_t count) {
  // Pooling by attention has one tensor for queries, one for keys and values.
  if (count == 2 && name.ends_with("attn_pool.qkv.weight")) return {rows / 3, rows - rows / 3};
  if (count == 2 && name.ends_with("attn_pool.qkv.bias")) return {rows / 3, rows - rows / 3};
  if (count == 3) {
    const auto place = in_block(name);
    const int64_t keys =
        block_of(network, tower_of(network, place ? place->stack : "")).key_width();
    if (rows > 2 * keys) return {rows - 2 * keys, keys, keys};
  }
  PATINA_REQUIRE(count > 0 && rows % int64_t(count) == 0, "{}: {} rows in {} tensors", name, rows,
                 count);
  return std::vector<int64_t>(count, rows / int64_t(count));
}

Tensor layer_weight(const Backbone& network, int64_t layer, adapt::Part part) {
  return layer_weight(network, network.tower().tower, layer, part);
}

Tensor layer_weight(const Backbone& network, nn::Tower tower, int64_t layer, adapt::Part part) {
  for (const auto& item : nn::tensors(const_cast<Backbone&>(network))) {  // changes nothing
    const auto place = in_block(item.name);
    if (!place || tower_of(network, place->stack) != tower) continue;
    if (number_of(network, *place) != layer || place->rest != weight_of(part)) continue;
    if (item.form.stored())
      fail(ErrorKind::recipe,
           "{} is stored as {}, and this learner needs the gradients of weights: set model.form = "
           "\"fp32\"",
           item.name, item.form.text());
    return item.tensor;
  }
  PATINA_CHECK(false, "block {} has no {}", layer, adapt::name(part));
  return {};
}

void merge_lora(Backbone& network, const adapt::Lora& lora) {
  NoGrad no_grad;
  const nn::Tower tower = lora.tower().value_or(network.tower().tower);
  const nn::BlockShape shape = block_of(network, tower);
  const auto updates = lora.updates();
  size_t merged = 0;
  nn::Walk walk([&](const std::string& name, Tensor& tensor) {
    const auto place = in_block(name);
    if (!place || tower_of(network, place->stack) != tower) return;
    const int64_t layer = number_of(network, *place);
    Tensor sum;
    for (const auto& update : updates) {
      if (update.layer != layer || weight_of(update.part) != place->rest) continue;
      const auto part = adapt::part_shape(update.part, shape);
      if (!sum.defined() && walk.form() && walk.form()->stored())
        sum = kernels::StoredWeight{tensor, *walk.form()}.floats();
      if (!sum.defined()) sum = tensor.detach().to(at::kFloat).clone();
      sum.slice(0, part.from, part.from + part.rows)
          .add_(at::matmul(update.b, update.a) * update.scale);
      ++merged;
    }
    if (!sum.defined()) return;
    if (walk.form() && walk.form()->stored())
      tensor = sum, *walk.form() = {};
    else
      tensor = sum.to(tensor.dtype()).requires_grad_(tensor.requires_grad());
  });
  network.walk(walk);
  PATINA_CHECK(merged == updates.size(), "{} of {} changes found their weight", merged,
               updates.size());
}

}  // namespace patina
