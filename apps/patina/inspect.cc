// `patina inspect`: shows the contents of weight files and checkpoints.
#include <fmt/core.h>

#include "apps/patina/commands.h"
#include "patina/base/error.h"
#include "patina/base/progress.h"
#include "patina/models/catalog.h"
#include "patina/text/tokenizer.h"

namespace patina::cli {

namespace {

// Describes the weights as a network, or prints why they are not one.
void describe(const std::string& name) try {
  const auto model = load_backbone({.name = name});
  const int64_t parameters = nn::count(nn::tensors(*model));
  fmt::print("{}\n{} parameters, features of width {}\n", model->about(), format_count(parameters),
             model->width());
  if (const auto image = model->image_input())
    fmt::print("takes images of {} px, normalisation {}\n", image->size, image->normalize);
  if (const auto text = model->text_input())
    fmt::print("takes texts {}\n", text->longest > 0
                                       ? fmt::format("of up to {} tokens", text->longest)
                                       : "of any length");
  if (model->text_input())
    fmt::print("tokenizer: {}\n", model->tokenizer() ? model->tokenizer()->about() : "none here");
} catch (const Error& error) {
  fmt::print("cannot be loaded as a model: {}\n", error.what());
}

void inspect(const std::string& name, bool summary) {
  const auto file =
      name == "starter" ? starter_weights() : SafetensorsFile::open_what_is_there(name);
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
  if (is_model(name)) describe(name);
}

}  // namespace

void add_inspect(Command& program) {
  struct Arguments {
    std::string file;
    bool summary = false;
  };
  auto arguments = std::make_shared<Arguments>();
  const auto command =
      program.command("inspect", "Show the contents of a weight file or checkpoint");
  command.option("file", arguments->file, "A .safetensors file, a model folder, or: starter")
      .required();
  command.flag("--summary", arguments->summary, "Omit the list of tensors");
  command.footer("example: patina inspect starter --summary");
  command.action([arguments] { inspect(arguments->file, arguments->summary); });
}

}  // namespace patina::cli
