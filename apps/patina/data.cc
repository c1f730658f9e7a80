// `patina data`: the samples of a recipe as the model reads them, with the tokens that carry loss.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>

#include "apps/patina/commands.h"
#include "patina/base/error.h"
#include "patina/data/sample_access.h"
#include "patina/models/catalog.h"
#include "patina/run/recipe.h"
#include "patina/scenario/scenario.h"
#include "patina/session/feed.h"
#include "patina/text/tokenizer.h"

namespace patina::cli {

namespace {

struct Arguments {
  std::string recipe;
  std::vector<std::string> overrides;
  int64_t samples = 3;
};

// How tokens that carry loss are marked.
struct Marks {
  std::string_view open = "[", close = "]";
};

Marks marks_for_output() {
  const bool terminal = ::isatty(STDOUT_FILENO) != 0;
  return terminal ? Marks{"\x1b[32m", "\x1b[0m"} : Marks{};
}

// Without control characters other than line ends and tabs, which a terminal would execute.
std::string shown(std::string text) {
  for (char& c : text)
    if ((uint8_t(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f) c = '?';
  return text;
}

// The text of a sample's tokens, special tokens by their names.
std::string marked(const AnswerTokens& tokens, const Tokenizer& tokenizer, const Marks& marks) {
  std::string text;
  TokenStream stream(tokenizer);
  bool inside = false;
  for (size_t i = 0; i < tokens.ids.size(); ++i) {
    const bool loss = tokens.loss[i] != 0;
    if (loss != inside) text += loss ? marks.open : marks.close;
    inside = loss;
    text += shown(stream.push(tokens.ids[i]));
  }
  text += shown(stream.finish());
  if (inside) text += marks.close;
  return text;
}

// Lengths of a set's samples.
struct Lengths {
  int64_t samples = 0, least = 0, most = 0, tokens = 0, loss = 0, cut = 0, cut_tokens = 0;

  void add(const AnswerTokens& sample) {
    const auto size = int64_t(sample.ids.size());
    least = samples == 0 ? size : std::min(least, size);
    most = std::max(most, size);
    ++samples;
    tokens += size;
    loss += sample.counted();
    cut += sample.cut > 0;
    cut_tokens += sample.cut;
  }
  std::string text() const {
    return fmt::format(
        "{} samples of {} to {} tokens, {:.1f} in the mean; {:.1f} of them carry loss; {}", samples,
        least, most, double(tokens) / double(samples), double(loss) / double(samples),
        cut == 0 ? "none is cut"
                 : fmt::format("{} cut, {} tokens in all (text.max_length)", cut, cut_tokens));
  }
};

void show(const Arguments& arguments) {
  Recipe recipe = read_recipe(arguments.recipe, arguments.overrides);
  const DataSplits data = open_data(recipe.data);
  if (data.train->answer_kind() == AnswerKind::label)
    fail(ErrorKind::usage,
         "{}: its answers are classes; `patina data` shows data that are answered with texts "
         "(data.name = \"instructions\" or \"passages\")",
         arguments.recipe);
  const Scenario scenario = make_scenario(recipe.scenario, data);
  const auto backbone = backbone_of(recipe);
  const auto feed = make_answer_feed(*backbone, recipe.text, AnswerRows::whole);
  const Tokenizer& tokenizer = *backbone->tokenizer();
  const Marks marks = marks_for_output();
  fmt::print(
      "{}; tokens that carry loss are {}\n", tokenizer.about(),
      marks.open == "[" ? "in brackets" : fmt::format("{}coloured{}", marks.open, marks.close));
  for (int task = 0; task < scenario.tasks(); ++task) {
    const Dataset& train = scenario.train(task);
    const Source& source = SampleAccess::source(train);
    const std::string& name = scenario.task_name(task);
    fmt::print("\n== task {}{}\n", task + 1, name.empty() ? "" : ": " + name);
    Lengths lengths;
    for (int64_t i = 0; i < train.size(); ++i) {
      const int64_t sample = SampleAccess::position(train, i);
      const AnswerTokens tokens = feed->tokens(source, sample);
      lengths.add(tokens);
      if (i >= arguments.samples) continue;
      fmt::print("-- {}: {} tokens, {} carry loss, {} cut\n{}\n", source.origin(sample),
                 tokens.ids.size(), tokens.counted(), tokens.cut, marked(tokens, tokenizer, marks));
    }
    fmt::print("{}\n", lengths.text());
  }
}

}  // namespace

void add_data(Command& program) {
  auto arguments = std::make_shared<Arguments>();
  const auto command = program.command(
      "data", "Show a recipe's first samples as a language model reads them, and where loss is");
  command.option("recipe", arguments->recipe, "A TOML file; see recipes/").required();
  command.option("--samples", arguments->samples, "Samples of each task to show")
      .range(0, 1e6)
      .shows_default();
  command.overrides(arguments->overrides);
  command.footer("example: patina data recipes/domain_corpora/sft.toml --samples 2");
  command.action([arguments] { show(*arguments); });
}

}  // namespace patina::cli
