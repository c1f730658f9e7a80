// PEFT's adapters on a network: added to the weights when it is loaded, read as an adaptation, and
// written from one.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "patina/adapt/lora.h"
#include "patina/checkpoint/peft.h"
#include "patina/models/family.h"
#include "patina/models/model_folder.h"

namespace patina {

/// Adds an adapter's changes to the weights of a checkpoint, in fp32, and replaces those that it
/// saves whole, such as a classifier. Names may have the family's prefix on one side only. Throws
/// Error(model) naming a module that the checkpoint does not have or whose shape does not fit.
void add_adapter(Checkpoint& checkpoint, const PeftFolder& adapter);

/// The adapter's changes as an adaptation, beside the weights. Throws Error(model) for changes of
/// layers that no adaptation reaches: heads, cross-attention.
std::unique_ptr<adapt::Lora> lora_of(const PeftFolder& adapter, const Backbone& network);

/// Writes a LoRA as a folder of PEFT's, its modules named as the network's family names them. Parts
/// are joined or divided as the family stores them: queries, keys and values of a LoRA become one
/// change of GPT-2's `c_attn`, and a joint one becomes three of LLaMA's projections. `base` is what
/// the folder calls its model. A classifier is saved whole (modules_to_save); throws Error(model)
/// if the family's head cannot hold it.
void write_peft(const std::filesystem::path& folder, const adapt::Lora& lora,
                const Backbone& network, const std::string& base,
                const LinearClassifier& classifier = {});

/// The changes of single modules, as a checkpoint stores them.
struct ModuleChange {
  std::string module;
  bool transposed = false;
  Tensor a = {}, b = {};  // [r,in], [out,r] fp32 on the host
  double scale = 1;
};
std::vector<ModuleChange> module_changes(const adapt::Lora& lora, const Backbone& network,
                                         const std::string& prefix);

}  // namespace patina
