// `patina merge`: one artefact of several that were learned apart, one feature store of several, or
// one model of a base model and an adapter.
#include <fmt/core.h>

#include <algorithm>

#include "apps/patina/artefacts.h"
#include "apps/patina/commands.h"
#include "apps/patina/export/written.h"
#include "patina/base/error.h"
#include "patina/store/joined_stores.h"

namespace patina::cli {

namespace {

struct MergeArguments {
  std::vector<std::string> parts;
  std::string out, weights;
  ArtefactArguments artefact;
  ExportOptions options;
};

// Nothing is replaced: a part that is also the result would be counted again the next time.
void merge_artefacts(const MergeArguments& arguments) {
  if (fs::exists(arguments.out))
    fail(ErrorKind::usage, "{} exists: name another --out, or remove it first", arguments.out);
  const auto opened = [&](const std::string& part) {
    ArtefactArguments one = arguments.artefact;
    one.file = part;
    return open_artefact(one);
  };
  Session merged = opened(arguments.parts.front());
  for (size_t i = 1; i < arguments.parts.size(); ++i)
    with_context(arguments.parts[i], [&] { merged.merge(opened(arguments.parts[i])); });
  merged.save(arguments.out, {.with_backbone = merged.carried_backbone()});
  fmt::print("{}: {} classes in {} tasks, of {} artefacts\n", arguments.out,
             merged.classes().size(), merged.tasks(), arguments.parts.size());
}

void merge_stores(const MergeArguments& arguments) {
  const auto joined = join_stores({arguments.parts.begin(), arguments.parts.end()}, arguments.out);
  fmt::print("{}: {} samples in {} files, {} of them new\n", arguments.out, joined.samples,
             joined.files, joined.added);
}

void merge_adapter(const MergeArguments& arguments) {
  if (arguments.parts.size() != 2)
    fail(ErrorKind::usage,
         "name artefacts to merge (.patina files or folders of runs), feature stores, or a base "
         "model and one folder of an adapter");
  ModelOptions model;
  model.name = arguments.parts[0];
  model.adapter = arguments.parts[1];
  model.path = arguments.weights;
  print_written(arguments.out, patina::merge_adapter(model, arguments.out, arguments.options));
}

void merge(const Command& command, const MergeArguments& arguments) {
  const auto& parts = arguments.parts;
  const bool artefacts = std::ranges::any_of(parts, is_artefact);
  if (!artefacts && !std::ranges::any_of(parts, is_feature_store)) return merge_adapter(arguments);
  for (const auto& part : parts)
    if (artefacts && !is_artefact(part))
      fail(ErrorKind::usage, "{}: not an artefact, and other parts are", part);
  for (const char* option : {"--dtype", "--limit", "--weights"})
    if (command.given(option))
      fail(ErrorKind::usage, "{} is for a base model and an adapter", option);
  if (artefacts) return merge_artefacts(arguments);
  merge_stores(arguments);
}

}  // namespace

void add_merge(Command& program) {
  auto arguments = std::make_shared<MergeArguments>();
  const auto command = program.command(
      "merge",
      "Add what artefacts learned apart, join feature stores, or add a PEFT adapter to its model");
  command
      .option(
          "parts", arguments->parts,
          "Artefacts of one learner, as if one had learned the samples of all; or feature stores, "
          "such as the shards of `patina features`; or a base model (a folder, a file, or a name "
          "of `patina list models`) and a folder of PEFT's "
          "(adapter_config.json and adapter_model.safetensors)")
      .required();
  command
      .option("-o,--out", arguments->out,
              "The artefact to write, or the model's folder, which must not exist; or the feature "
              "store, which may")
      .required();
  command.option(
      "--backbone", arguments->artefact.backbone,
      "Weights of the artefacts' backbone, if they are no longer at their original path");
  add_engine(command, arguments->artefact.engine);
  command.option("--weights", arguments->weights, "The weight file of a named base model");
  add_written(command, arguments->options);
  command.footer(
      "example: patina merge here.patina there.patina -o both.patina\n"
      "         patina merge shard1/ shard2/ -o features/\n"
      "         patina merge gpt2 gpt2-lora -o merged/ --dtype bf16");
  command.action([arguments, command] { merge(command, *arguments); });
}

}  // namespace patina::cli
