// `patina inspect`: look into weights and checkpoints.
#include <fmt/core.h>

#include "apps/patina/commands.h"
#include "patina/base/progress.h"
#include "patina/models/model.h"

namespace patina::cli {

namespace {

void inspect(const std::string& name, bool summary) {
  const auto file = name == "starter" ? starter_weights() : SafetensorsFile::open(name);
  int64_t numbers = 0;
  uint64_t bytes = 0;
  for (const auto& [tensor_name, tensor] : file.tensors()) {
    if (!summary)
      fmt::print("{:<44} {:<5} {}\n", tensor_name, patina::name(tensor.dtype),
                 shape_text(tensor.shape));
    numbers += int64_t(tensor.data.size() / size_of(tensor.dtype));
    bytes += tensor.data.size();
  }
  for (const auto& [key, value] : file.metadata())
    fmt::print("metadata {} = {}\n", key,
               value.size() > 120 ? value.substr(0, 117) + "..." : value);
  fmt::print("{} tensors, {} numbers, {}\n", file.tensors().size(), format_count(numbers),
             format_bytes(bytes));
  if (file.has("patch_embed.proj.weight")) {
    const ViTShape shape = vit_shape(file, name);
    fmt::print("ViT: {} blocks, width {}, {} heads, patch {} at {} px, {} classes\n", shape.depth,
               shape.width, shape.heads, shape.patch_size, shape.image_size, shape.classes);
  }
}

}  // namespace

void add_inspect(CLI::App& app) {
  struct Arguments {
    std::string file;
    bool summary = false;
  };
  auto arguments = std::make_shared<Arguments>();
  auto* command = app.add_subcommand("inspect", "Show what a weight file or checkpoint holds");
  command
      ->add_option("file", arguments->file, "A .safetensors file, a folder with one, or: starter")
      ->required();
  command->add_flag("--summary", arguments->summary, "Leave out the list of tensors");
  command->callback([arguments] { inspect(arguments->file, arguments->summary); });
}

}  // namespace patina::cli
