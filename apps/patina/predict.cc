// `patina predict`: an artefact's predictions for images or texts, and its answers to prompts.
#include <fmt/core.h>

#include "apps/patina/artefacts.h"
#include "apps/patina/commands.h"
#include "apps/patina/inputs.h"
#include "apps/patina/options/option_fields.h"
#include "patina/base/error.h"
#include "patina/base/json.h"

namespace patina::cli {

namespace {

struct PredictArguments {
  ArtefactArguments artefact;
  InputArguments inputs;
  int64_t top = 1, task = -1;
  bool json = false, csv = false;
  InstructionFields keys;
  AnswerOptions answers;
};

// What is said of classes and of answers only.
constexpr const char* kOfClasses[] = {"--top", "--task", "--csv", "--text"};
constexpr const char* kOfAnswers[] = {
    "--max-tokens", "--temperature", "--top-k",        "--top-p", "--repetition-penalty",
    "--seed",       "--cut",         "--instruction",  "--input", "--batch",
    "--stop",       "--logprobs",    "--top-logprobs", "--echo"};

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

Json logprobs_json(const std::vector<TokenLogprob>& tokens) {
  Json list = Json::array();
  for (const auto& token : tokens) {
    Json one = {{"token", token.text}, {"id", token.id}, {"logprob", token.logprob}};
    for (const auto& other : token.top)
      one["top"].push_back({{"token", other.text}, {"id", other.id}, {"logprob", other.logprob}});
    list.push_back(std::move(one));
  }
  return list;
}

void print_answer_json(const std::string& origin, const Answer& one, const OutputOptions& asked) {
  Json line = {{"input", origin},      {"answer", one.text},
               {"tokens", one.tokens}, {"prompt_tokens", one.prompt_tokens},
               {"cut", one.cut},       {"ended", one.ended}};
  if (!asked.stop.empty()) line["stopped_by"] = one.stopped_by;
  if (asked.logprobs) line["logprobs"] = logprobs_json(one.logprobs);
  if (asked.echo) line["prompt_logprobs"] = logprobs_json(one.prompt_logprobs);
  fmt::print("{}\n", line.dump(-1, ' ', false, Json::error_handler_t::replace));
}

// One answer is written as it comes; several are written one below the other.
void answer(const Session& session, const PredictArguments& arguments) {
  if (arguments.answers.output.logprobs && !arguments.json)
    fail(ErrorKind::usage, "--logprobs are numbers of every token: add --json");
  const auto asked = prompts_of(arguments.inputs.paths, arguments.keys);
  AnswerOptions options = arguments.answers;
  const bool alone = asked->size() == 1 && !arguments.json;
  if (alone)
    options.said = [](int64_t, const std::string& piece) {
      fmt::print("{}", piece);
      std::fflush(stdout);
    };
  const auto answers = session.answer(*asked, options);
  if (alone) fmt::print("\n");
  for (int64_t i = 0; i < asked->size() && !alone; ++i) {
    const Answer& one = answers[size_t(i)];
    if (arguments.json)
      print_answer_json(asked->origin(i), one, arguments.answers.output);
    else
      fmt::print("{}  {}\n", asked->origin(i), one.text);
  }
}

void predict(const PredictArguments& arguments, const Command& command) {
  const Session session = open_artefact(arguments.artefact);
  for (const char* option : session.answers() ? std::span<const char* const>(kOfClasses)
                                              : std::span<const char* const>(kOfAnswers))
    if (command.given(option))
      fail(ErrorKind::usage, "{} {}, so {} says nothing to it", session.learner(),
           session.answers() ? "answers with text" : "chooses among classes", option);
  if (session.answers()) return answer(session, arguments);
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
      program.command("predict", "Predict classes or answer prompts with an artefact");
  add_artefact(command, arguments->artefact);
  add_engine(command, arguments->artefact.engine);
  command
      .option(
          "inputs", arguments->inputs.paths,
          "Image files, folders of them, a file of texts, or a data set's name; of a learner "
          "that answers with text: prompts, files of them (records in .jsonl or .json, lines in "
          ".txt), or - for standard input")
      .required();
  command.option("--task", arguments->task,
                 "The task of the inputs, from 0 (after a task_incremental run)");
  command.option("--top", arguments->top, "Number of classes to show, the best first")
      .range(1, 1e6);
  command.option("--text", arguments->inputs.fields.text,
                 "Column or field of the texts in a file of texts");
  const auto json = command.flag("--json", arguments->json, "One JSON object per line");
  command.flag("--csv", arguments->csv, "A table: input, rank, class, score").excludes(json);
  OptionFields fields(command);
  arguments->answers.decoding.bind(fields);
  arguments->answers.output.bind(fields);
  command.flag("--cut", arguments->answers.cut,
               "Cut the front of prompts that are too long, as in training");
  command.option("--batch", arguments->answers.batch, "Prompts answered at once").range(1, 1e6);
  add_record_keys(command, arguments->keys, /*answered=*/false);
  command.footer(
      "example: patina predict pets.patina photos/new/ --top 3\n"
      "         patina predict letters.patina \"Greet Ada\" --max-tokens 20");
  command.action([arguments, command] { predict(*arguments, command); });
}

}  // namespace patina::cli
