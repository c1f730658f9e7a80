// `patina export`: what was learned, in forms that other programs load.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include "apps/patina/artefacts.h"
#include "apps/patina/commands.h"
#include "apps/patina/export/written.h"

namespace patina::cli {

namespace {

struct ExportArguments {
  ArtefactArguments artefact;
  std::string folder;
  ExportOptions options;
};

void export_artefact(ExportArguments arguments) {
  // The full precision, so that a difference is the written form's.
  arguments.artefact.engine.precision = "fp32";
  const Session session = open_artefact(arguments.artefact);
  print_written(arguments.folder, session.export_to(arguments.folder, arguments.options));
}

}  // namespace

void print_written(const std::string& folder, const Exported& done) {
  fmt::print("{}: {}\n", folder, fmt::join(done.files, ", "));
  fmt::print("scores on {} probes differ by {:.2g} at most, of scores up to {:.3g}\n", done.probes,
             done.difference, done.scores);
}

void add_written(const Command& command, ExportOptions& options) {
  command.option("--dtype", options.dtype, "Type of the whole network's weights")
      .one_of({"fp32", "bf16", "fp16"})
      .shows_default();
  command
      .option("--limit", options.limit,
              "Largest difference of scores on probes that is accepted, relative to the largest "
              "score (default: 1e-4 for fp32, 0.01 for fp16, 0.05 for bf16)")
      .range(0, 1e9);
}

void add_export(Command& program) {
  auto arguments = std::make_shared<ExportArguments>();
  const auto command = program.command(
      "export", "Write what an artefact learned as an adapter or a model of other programs");
  add_artefact(command, arguments->artefact);
  command
      .option(
          "--to", arguments->options.to,
          "peft: a LoRA's folder; gguf: a LoRA for llama.cpp; safetensors: the whole network, "
          "with the LoRA in its weights; onnx: a vision transformer's graph, which ONNX Runtime "
          "and others run")
      .one_of({"peft", "gguf", "safetensors", "onnx"})
      .shows_default();
  command.option("-o,--out", arguments->folder, "The folder to write; it must not exist")
      .required();
  add_written(command, arguments->options);
  command.footer(
      "example: patina run my.toml --set learner.name=finetune --out runs/tuned\n"
      "         patina export runs/tuned --to safetensors -o tuned/\n"
      "         patina export pets.patina --to onnx -o pets-onnx/\n"
      "         patina export letters.patina --to peft -o letters-lora/");
  command.action([arguments] { export_artefact(*arguments); });
}

}  // namespace patina::cli
