// `patina eval`: an artefact's accuracy on labelled samples, or the scores of its answers.
#include <algorithm>
#include <functional>

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
  bool csv = false, json = false, confusion = false;
  InstructionFields keys;
  AnswerEvalOptions answers;
};

void print_answers(const AnswerAssessment& result, bool json) {
  const auto better = [](Direction direction) {
    return direction == Direction::higher ? "higher" : "lower";
  };
  if (json) {
    Json probes = Json::array();
    for (const auto& one : result.probes)
      probes.push_back({{"metric", one.metric},
                        {"score", one.score ? Json(*one.score) : Json()},
                        {"better", better(one.better)}});
    fmt::print("{}\n", Json{{"samples", result.samples}, {"probes", probes}}.dump(1));
    return;
  }
  for (const auto& one : result.probes)
    fmt::print("{:<24} {:>10}  {} is better\n", one.metric,
               one.score ? fmt::format("{:.4f}", *one.score) : "undefined", better(one.better));
  fmt::print("{:<24} {:>10}\n", "samples", result.samples);
}

// What was taken for what, most often first.
void print_confusion(const Assessment& result) {
  struct Mistake {
    int64_t count, of;
    std::string name, taken_for;
  };
  std::vector<Mistake> mistakes;
  for (const auto& one : result.classes)
    for (size_t i = 0; i < result.answers.size(); ++i)
      if (one.predicted[i] > 0 && result.answers[i] != one.name)
        mistakes.push_back({one.predicted[i], one.samples, one.name, result.answers[i]});
  std::ranges::stable_sort(mistakes, std::greater{}, &Mistake::count);
  for (const auto& one : mistakes)
    fmt::print("{:<24} {:>5} of {:<5} taken for {}\n", one.name, one.count, one.of, one.taken_for);
}

Json predictions_of(const Assessment::Class& one, const std::vector<std::string>& answers) {
  Json counts = Json::object();
  for (size_t i = 0; i < answers.size(); ++i)
    if (one.predicted[i] > 0) counts[answers[i]] = one.predicted[i];
  return counts;
}

void eval(const EvalArguments& arguments) {
  const Session session = open_artefact(arguments.artefact);
  if (!arguments.csv && holds_texts(arguments.data))
    return print_answers(
        session.eval_answers(*answered_texts(arguments.data, arguments.keys), arguments.answers),
        arguments.json);
  const auto samples = arguments.csv
                           ? texts_by_class(arguments.data, arguments.text, arguments.label)
                           : images_by_class(arguments.data, "test");
  const Assessment result = session.eval(*samples, arguments.task);
  if (arguments.json) {
    Json classes = Json::array();
    for (const auto& one : result.classes)
      classes.push_back({{"class", one.name},
                         {"known", one.known},
                         {"samples", one.samples},
                         {"right", one.right},
                         {"predicted", predictions_of(one, result.answers)}});
    fmt::print("{}\n", Json{{"samples", result.samples},
                            {"right", result.right},
                            {"accuracy", result.accuracy()},
                            {"classes", classes}}
                           .dump(1));
    return;
  }
  for (const auto& one : result.classes)
    fmt::print("{:<24} {:>5} of {:<5} {:6.2f} %{}\n", one.name, one.right, one.samples,
               one.samples > 0 ? 100.0 * double(one.right) / double(one.samples) : 0.0,
               one.known ? "" : "  (never learned)");
  fmt::print("{:<24} {:>5} of {:<5} {:6.2f} %\n", "all", result.right, result.samples,
             100 * result.accuracy());
  if (arguments.confusion) print_confusion(result);
}

}  // namespace

void add_eval(Command& program) {
  auto arguments = std::make_shared<EvalArguments>();
  const auto command =
      program.command("eval", "Test an artefact on labelled images or texts, or on answers");
  add_artefact(command, arguments->artefact);
  add_engine(command, arguments->artefact.engine);
  command
      .option("data", arguments->data,
              "A folder with one folder of images per class, or with test/ that has them; of a "
              "learner that answers with text: instructions and answers (.jsonl, .json), or plain "
              "text (.txt)")
      .required();
  command.flag("--csv", arguments->csv, "The data is a file of labelled texts");
  command.option("--text", arguments->text, "Column of the texts").shows_default();
  command.option("--label", arguments->label, "Column of the labels").shows_default();
  command.option("--task", arguments->task,
                 "The task of the samples, from 0 (after a task_incremental run)");
  command.flag("--confusion", arguments->confusion,
               "Also print which class was taken for which, most often first");
  command.flag("--json", arguments->json, "Print JSON, with what each class was taken for");
  command
      .option("--probe", arguments->answers.probes,
              "How answers are scored, as evaluation.probes of a recipe; may be repeated "
              "(default: exact_match, rouge_l, answer_loss; of plain text: bits_per_byte)")
      .one_at_a_time();
  command
      .option("--max-tokens", arguments->answers.max_tokens,
              "Largest number of tokens of an answer")
      .range(1, 1e6)
      .shows_default();
  add_record_keys(command, arguments->keys, /*answered=*/true);
  command.footer(
      "example: patina eval pets.patina photos/test/\n"
      "         patina eval letters.patina letters.jsonl --probe rouge_l --max-tokens 8");
  command.action([arguments] { eval(*arguments); });
}

}  // namespace patina::cli
