#include "apps/patina/command.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>

#include "patina/base/error.h"

namespace patina::cli {

Argument Argument::required() const {
  option_->required();
  return *this;
}
Argument Argument::range(double low, double high) const {
  option_->check(CLI::Range(int64_t(low), int64_t(high)));
  return *this;
}
Argument Argument::between(double low, double high) const {
  return check([low, high](const std::string& text) {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    const bool valid = end != text.c_str() && *end == 0 && value >= low && value <= high;
    return valid ? std::string() : fmt::format("must be a number from {} to {}", low, high);
  });
}
Argument Argument::one_of(const std::vector<std::string>& names) const {
  option_->check(CLI::IsMember(names));
  return *this;
}
Argument Argument::check(std::function<std::string(const std::string&)> fault) const {
  option_->check(std::move(fault));
  return *this;
}
Argument Argument::shows_default() const {
  option_->capture_default_str();
  return *this;
}
Argument Argument::type(const std::string& name) const {
  option_->type_name(name);
  return *this;
}
Argument Argument::one_at_a_time() const {
  option_->allow_extra_args(false);
  return *this;
}
Argument Argument::excludes(const Argument& other) const {
  option_->excludes(other.option_);
  return *this;
}

Command Command::command(const std::string& name, const std::string& help) const {
  return Command(*app_->add_subcommand(name, help));
}

Argument Command::option(const std::string& name, std::string& value,
                         const std::string& help) const {
  return Argument(app_->add_option(name, value, help));
}
Argument Command::option(const std::string& name, int& value, const std::string& help) const {
  return Argument(app_->add_option(name, value, help));
}
Argument Command::option(const std::string& name, int64_t& value, const std::string& help) const {
  return Argument(app_->add_option(name, value, help));
}
Argument Command::option(const std::string& name, double& value, const std::string& help) const {
  return Argument(app_->add_option(name, value, help));
}
Argument Command::option(const std::string& name, std::vector<std::string>& value,
                         const std::string& help) const {
  return Argument(app_->add_option(name, value, help));
}
Argument Command::option(const std::string& name, std::vector<int64_t>& value,
                         const std::string& help) const {
  return Argument(app_->add_option(name, value, help));
}
Argument Command::option(const std::string& name, std::vector<double>& value,
                         const std::string& help) const {
  return Argument(app_->add_option(name, value, help));
}
Argument Command::flag(const std::string& name, bool& value, const std::string& help) const {
  return Argument(app_->add_flag(name, value, help));
}
Argument Command::flag(const std::string& name, std::function<void()> action,
                       const std::string& help) const {
  return Argument(app_->add_flag_callback(name, std::move(action), help));
}
Argument Command::overrides(std::vector<std::string>& value) const {
  return option("--set", value,
                "Set one option, for example --set training.lr=0.01; may be repeated")
      .type("KEY=VALUE")
      .one_at_a_time();
}

Argument Command::device(std::string& value) const {
  return option("--device", value,
                "Where to compute: cpu, cuda, cuda:1 or auto, the first GPU, otherwise the CPU")
      .shows_default();
}

Argument Command::no_cache(bool& value) const {
  return flag("--no-cache", value,
              "Compute every feature again and store none; the results are the same");
}

Argument Command::jobs(int& value) const {
  return option("--jobs", value,
                "Number of runs at a time, each in a process with its share of --threads and a log "
                "beside its folder; faster for small networks, needs memory for all")
      .range(1, 256);
}

Argument Command::seeds(std::vector<int64_t>& value, const std::string& help) const {
  return option("--seeds", value, help).range(0, 4294967295.0);
}

void Command::footer(const std::string& text) const {
  app_->footer(text);
}
void Command::takes_anything() const {
  app_->allow_extras();
}
void Command::action(std::function<void()> action) const {
  app_->callback(std::move(action));
}
bool Command::given(const std::string& name) const {
  return app_->count(name) > 0;
}

CommandLine::CommandLine(const std::string& about, const std::string& version)
    : app_(std::make_unique<CLI::App>(about, "patina")) {
  app_->set_version_flag("--version", version);
  app_->require_subcommand(1);
  app_->set_help_all_flag("--help-all", "Help of every subcommand");
  app_->fallthrough();
}
CommandLine::~CommandLine() = default;

void CommandLine::when_parsed(std::function<void()> action) {
  app_->parse_complete_callback(std::move(action));
}

std::vector<std::string> CommandLine::commands() const {
  std::vector<std::string> names;
  for (const auto* command : app_->get_subcommands(nullptr)) names.push_back(command->get_name());
  return names;
}

// The first word that is neither an option nor an option's value is the command. The library would
// only say that one is required, or with --help print the program's help.
void CommandLine::check_command(int argc, const char* const* argv) const {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.starts_with('-')) {
      const auto* option = app_->get_option_no_throw(word);
      if (option && option->get_items_expected_max() > 0) ++i;
      continue;
    }
    const auto known = commands();
    if (std::ranges::find(known, word) != known.end()) return;
    fail(ErrorKind::usage, "no command is called \"{}\"{}; see `patina --help`", word,
         did_you_mean(word, known));
  }
}

namespace {

ArgumentInfo info_of(const CLI::Option& option) {
  ArgumentInfo info{.help = option.get_description(), .positional = option.get_positional()};
  if (info.positional) info.names.push_back(option.get_name());
  for (const auto& name : option.get_snames()) info.names.push_back("-" + name);
  for (const auto& name : option.get_lnames()) info.names.push_back("--" + name);
  if (option.get_items_expected_max() > 0) info.type = option.get_type_name();
  // CLI11 shows a list of values as {a,b,c} behind the type.
  const size_t open = info.type.find('{'), close = info.type.rfind('}');
  if (open != std::string::npos && close != std::string::npos) {
    info.choices = CLI::detail::split(info.type.substr(open + 1, close - open - 1), ',');
    info.type = "NAME";
  }
  info.type = info.type.substr(0, info.type.find(':'));  // and a range behind a colon
  return info;
}

CommandInfo info_of(const CLI::App& app) {
  CommandInfo info{
      .name = app.get_name(), .help = app.get_description(), .footer = app.get_footer()};
  for (const auto* option : app.get_options()) info.arguments.push_back(info_of(*option));
  return info;
}

}  // namespace

std::vector<CommandInfo> CommandLine::info() const {
  std::vector<CommandInfo> all = {info_of(std::as_const(*app_))};
  for (const auto* command : app_->get_subcommands(nullptr)) all.push_back(info_of(*command));
  return all;
}

int CommandLine::run(int argc, const char* const* argv) {
  check_command(argc, argv);
  try {
    app_->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app_->exit(error) == 0 ? 0 : 2;
  }
  return 0;
}

}  // namespace patina::cli
