// `patina predict`: an artefact's predictions for images or texts.
#include <fmt/core.h>

#include "apps/patina/artefacts.h"
#include "apps/patina/commands.h"
#include "apps/patina/inputs.h"
#include "patina/base/error.h"
#include "patina/base/json.h"

namespace patina::cli {

namespace {

struct PredictArguments {
  ArtefactArguments artefact;
  InputArguments inputs;
  int64_t top = 1, task = -1;
  bool json = false, csv = false;
};

std::string quoted(const std::string& cell) {
  if (cell.find_first_of(",\"\n\r") == std::string::npos) return cell;
  std::string text = "\"";
  for (const char c : cell) text += c == '"' ? "\"\"" : std::string(1, c);
  return text + "\"";
}

void print_json(const std::string& origin, const std::vector<Prediction>& found) {
  Json classes = Json::array();
  for (const auto& one : found) classes.push_back({{"class", one.name}, {"score", one.score}});
  fmt::print("{}\n", Json{{"input", origin}, {"classes", classes}}.dump());
}

void predict(const PredictArguments& arguments) {
  const Session session = open_artefact(arguments.artefact);
  const Inputs inputs = open_inputs(arguments.inputs);
  const auto found =
      session.predict(*inputs.source, {.top = arguments.top, .task = arguments.task});
  if (arguments.csv) fmt::print("input,rank,class,score\n");
  for (int64_t i = 0; i < inputs.source->size(); ++i) {
    const std::string origin = inputs.source->origin(i);
    const auto& best = found[size_t(i)];
    if (arguments.json) {
      print_json(origin, best);
      continue;
    }
    for (size_t rank = 0; rank < best.size(); ++rank) {
      if (arguments.csv)
        fmt::print("{},{},{},{:.6g}\n", quoted(origin), rank + 1, quoted(best[rank].name),
                   best[rank].score);
      else
        fmt::print("{}  {}  {:.4g}\n", rank == 0 ? origin : std::string(origin.size(), ' '),
                   best[rank].name, best[rank].score);
    }
  }
}

}  // namespace

void add_predict(Command& program) {
  auto arguments = std::make_shared<PredictArguments>();
  const auto command =
      program.command("predict", "Predict the classes of images or texts with an artefact");
  add_artefact(command, arguments->artefact);
  command
      .option("inputs", arguments->inputs.paths,
              "Image files, folders of them, a file of texts, or a data set's name")
      .required();
  command.option("--task", arguments->task,
                 "The task of the inputs, from 0 (after a task_incremental run)");
  command.option("--top", arguments->top, "Number of classes to show, the best first")
      .range(1, 1e6);
  command.option("--text", arguments->inputs.fields.text,
                 "Column or field of the texts in a file of texts");
  const auto json = command.flag("--json", arguments->json, "One JSON object per line");
  command.flag("--csv", arguments->csv, "A table: input, rank, class, score").excludes(json);
  command.footer("example: patina predict pets.patina photos/new/ --top 3");
  command.action([arguments] { predict(*arguments); });
}

}  // namespace patina::cli
