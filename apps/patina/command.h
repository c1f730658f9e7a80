// Commands and their arguments. Only command.cc includes the underlying library, CLI11, whose
// header takes four seconds to compile.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace CLI {  // NOLINT(readability-identifier-naming): the library's own name
class App;
class Option;
}  // namespace CLI

namespace patina::cli {

/// Properties of an argument, set after it was added; each function returns the argument.
class Argument {
 public:
  explicit Argument(CLI::Option* option) : option_(option) {}

  Argument required() const;
  Argument range(double low, double high) const;                 // for whole numbers, inclusive
  Argument between(double low, double high) const;               // for numbers, inclusive
  Argument one_of(const std::vector<std::string>& names) const;  // shown by completion
  /// `fault` returns what is wrong with a value; "" if it is valid.
  Argument check(std::function<std::string(const std::string& value)> fault) const;
  Argument shows_default() const;                // in --help
  Argument type(const std::string& name) const;  // in --help, such as KEY=VALUE
  Argument one_at_a_time() const;                // each value of a list needs the name again
  Argument excludes(const Argument& other) const;

 private:
  CLI::Option* option_;
};

/// An argument as help and completion show it.
struct ArgumentInfo {
  std::vector<std::string> names;  // "-o", "--out"; of a positional argument its word
  std::string type;                // "KEY=VALUE"; "": it takes no value
  std::string help;
  std::vector<std::string> choices;  // all values, if they are a list
  bool positional = false;
};

/// The program or one of its subcommands, for help and completion.
struct CommandInfo {
  std::string name, help, footer;
  std::vector<ArgumentInfo> arguments;
};

/// The program or one of its subcommands: a handle that can be copied.
class Command {
 public:
  explicit Command(CLI::App& app) : app_(&app) {}

  Command command(const std::string& name, const std::string& help) const;

  /// A name with dashes is an option, one without is a positional argument. `value` must outlive
  /// the command and contains the default.
  Argument option(const std::string& name, std::string& value, const std::string& help) const;
  Argument option(const std::string& name, int& value, const std::string& help) const;
  Argument option(const std::string& name, int64_t& value, const std::string& help) const;
  Argument option(const std::string& name, double& value, const std::string& help) const;
  Argument option(const std::string& name, std::vector<std::string>& value,
                  const std::string& help) const;
  Argument option(const std::string& name, std::vector<int64_t>& value,
                  const std::string& help) const;
  Argument option(const std::string& name, std::vector<double>& value,
                  const std::string& help) const;
  Argument flag(const std::string& name, bool& value, const std::string& help) const;
  Argument flag(const std::string& name, std::function<void()> action,
                const std::string& help) const;
  // Options that several commands have.
  /// `--set key=value`, repeatable.
  Argument overrides(std::vector<std::string>& value) const;
  /// `--device cuda:1`.
  Argument device(std::string& value) const;
  Argument no_cache(bool& value) const;
  /// `--jobs N`: runs at a time.
  Argument jobs(int& value) const;
  /// `--seeds 1 2 3`; `help` says what is run with them.
  Argument seeds(std::vector<int64_t>& value, const std::string& help) const;

  void footer(const std::string& text) const;       // text below --help
  void takes_anything() const;                      // accepts unknown arguments
  void action(std::function<void()> action) const;  // what the command does
  bool given(const std::string& name) const;

 private:
  CLI::App* app_;
};

/// The whole program: its subcommands, --version, and what `add` adds.
class CommandLine {
 public:
  CommandLine(const std::string& about, const std::string& version);
  ~CommandLine();

  Command program() const { return Command(*app_); }
  /// Called after arguments are parsed and before a subcommand runs.
  void when_parsed(std::function<void()> action);
  std::vector<std::string> commands() const;
  /// The program itself first, then every subcommand.
  std::vector<CommandInfo> info() const;
  /// Parses the arguments and runs the subcommand. Returns the exit status: 0 after a subcommand,
  /// otherwise that of --help, --version or a mistake, which are printed. Throws Error(usage) for a
  /// command that does not exist, and a subcommand's exceptions.
  int run(int argc, const char* const* argv);

 private:
  void check_command(int argc, const char* const* argv) const;

  std::unique_ptr<CLI::App> app_;
};

}  // namespace patina::cli
