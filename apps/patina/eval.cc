// `patina eval`: an artefact's accuracy on labelled samples.
#include <fmt/core.h>

#include "apps/patina/artefacts.h"
#include "apps/patina/commands.h"
#include "patina/base/json.h"

namespace patina::cli {

namespace {

struct EvalArguments {
  ArtefactArguments artefact;
  std::string data, text = "text", label = "label";
  int64_t task = -1;
  bool csv = false, json = false;
};

void eval(const EvalArguments& arguments) {
  const Session session = open_artefact(arguments.artefact);
  const auto samples = arguments.csv
                           ? texts_by_class(arguments.data, arguments.text, arguments.label)
                           : images_by_class(arguments.data, "test");
  const Assessment result = session.eval(*samples, arguments.task);
  if (arguments.json) {
    Json classes = Json::array();
    for (const auto& one : result.classes)
      classes.push_back({{"class", one.name}, {"samples", one.samples}, {"right", one.right}});
    fmt::print("{}\n", Json{{"samples", result.samples},
                            {"right", result.right},
                            {"accuracy", result.accuracy()},
                            {"classes", classes}}
                           .dump(1));
    return;
  }
  for (const auto& one : result.classes)
    fmt::print("{:<24} {:>5} of {:<5} {:6.2f} %\n", one.name, one.right, one.samples,
               one.samples > 0 ? 100.0 * double(one.right) / double(one.samples) : 0.0);
  fmt::print("{:<24} {:>5} of {:<5} {:6.2f} %\n", "all", result.right, result.samples,
             100 * result.accuracy());
}

}  // namespace

void add_eval(Command& program) {
  auto arguments = std::make_shared<EvalArguments>();
  const auto command = program.command("eval", "Test an artefact on labelled images or texts");
  add_artefact(command, arguments->artefact);
  command
      .option("data", arguments->data,
              "A folder with one folder of images per class, or with test/ that has them")
      .required();
  command.flag("--csv", arguments->csv, "The data is a file of labelled texts");
  command.option("--text", arguments->text, "Column of the texts").shows_default();
  command.option("--label", arguments->label, "Column of the labels").shows_default();
  command.option("--task", arguments->task,
                 "The task of the samples, from 0 (after a task_incremental run)");
  command.flag("--json", arguments->json, "Print JSON");
  command.footer("example: patina eval pets.patina photos/test/");
  command.action([arguments] { eval(*arguments); });
}

}  // namespace patina::cli
