// A command and its arguments. The library behind it, CLI11, is known to command.cc alone: its
// header costs four seconds a source.
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

/// What can be said of an argument once it is there; each returns itself.
class Argument {
 public:
  explicit Argument(CLI::Option* option) : option_(option) {}

  Argument required() const;
  Argument range(double low, double high) const;  // of a number, both ends allowed
  Argument one_of(const std::vector<std::string>& names) const;
  /// `fault` says what is wrong with a value; "" where nothing is.
  Argument check(std::function<std::string(const std::string& value)> fault) const;
  Argument shows_default() const;                // in --help
  Argument type(const std::string& name) const;  // in --help, such as KEY=VALUE
  Argument one_at_a_time() const;                // a list's values each need the name again
  Argument excludes(const Argument& other) const;

 private:
  CLI::Option* option_;
};

/// The program, or one of its subcommands: a handle that may be copied.
class Command {
 public:
  explicit Command(CLI::App& app) : app_(&app) {}

  Command command(const std::string& name, const std::string& help) const;

  /// A name with dashes is an option's, one without that of an argument by its place. `value` must
  /// outlive the command; what it holds is the default.
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
  /// `--set key=value`, which may be repeated.
  Argument overrides(std::vector<std::string>& value) const;

  void footer(const std::string& text) const;       // below --help
  void takes_anything() const;                      // arguments that nobody knows are no error
  void action(std::function<void()> action) const;  // what it does
  bool given(const std::string& name) const;

 private:
  CLI::App* app_;
};

/// The whole program: its subcommands, --version, and what `add` gives it.
class CommandLine {
 public:
  CommandLine(const std::string& about, const std::string& version);
  ~CommandLine();

  Command program() const { return Command(*app_); }
  /// Called when arguments are parsed and before a subcommand acts.
  void when_parsed(std::function<void()> action);
  std::vector<std::string> commands() const;
  /// Parses and acts. Returns the exit status where --help, --version or a mistake ended it, with
  /// what it printed; 0 where a subcommand has acted. Passes on what that throws.
  int run(int argc, const char* const* argv);

 private:
  std::unique_ptr<CLI::App> app_;
};

}  // namespace patina::cli
