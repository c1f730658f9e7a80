// The manual page and what shells complete, from the same descriptions as --help.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "apps/patina/commands.h"
#include "patina/base/error.h"

namespace patina::cli {

namespace {

// What begins a line with a dot or an apostrophe would be a request, and a backslash an escape.
std::string roff(const std::string& text) {
  std::string out;
  bool starts = true;
  for (const char c : text) {
    if (starts && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
    starts = c == '\n';
  }
  return out;
}

void add_arguments(std::string& page, const CommandInfo& command) {
  for (const auto& argument : command.arguments)
    page +=
        fmt::format(".TP\n.B {}{}\n{}\n", roff(fmt::format("{}", fmt::join(argument.names, ", "))),
                    argument.type.empty() || argument.positional
                        ? ""
                        : " " + roff(argument.choices.empty()
                                         ? argument.type
                                         : fmt::format("{}", fmt::join(argument.choices, "|"))),
                    roff(argument.help));
}

std::vector<std::string> names_of(const std::vector<CommandInfo>& commands) {
  std::vector<std::string> names;
  for (size_t i = 1; i < commands.size(); ++i) names.push_back(commands[i].name);
  return names;
}

// The options of a command, with dashes.
std::vector<std::string> options_of(const CommandInfo& command) {
  std::vector<std::string> options;
  for (const auto& argument : command.arguments)
    if (!argument.positional)
      options.insert(options.end(), argument.names.begin(), argument.names.end());
  return options;
}

std::vector<std::string> words_of(const CommandInfo& command) {
  auto words = options_of(command);
  for (const auto& argument : command.arguments)
    if (argument.positional)
      words.insert(words.end(), argument.choices.begin(), argument.choices.end());
  if (command.name == "explain")
    for (const auto& name : explained_names()) words.push_back(name);
  return words;
}

std::string in_bash(const std::vector<CommandInfo>& commands) {
  std::string cases;
  for (size_t i = 1; i < commands.size(); ++i)
    cases += fmt::format("    {}) words=\"{}\" ;;\n", commands[i].name,
                         fmt::join(words_of(commands[i]), " "));
  return fmt::format(
      R"(# patina's commands, options and names, completed by bash.
_patina() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} command= word words
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    if [[ $word != -* ]]; then command=$word; break; fi
  done
  case $command in
    "") words="{} {}" ;;
{}    *) words= ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [[ -n $command && $current != -* ]]; then COMPREPLY+=($(compgen -f -- "$current")); fi
}}
complete -o filenames -F _patina patina
)",
      fmt::join(names_of(commands), " "), fmt::join(options_of(commands[0]), " "), cases);
}

// zsh completes with bash's functions.
std::string in_zsh(const std::vector<CommandInfo>& commands) {
  return "#compdef patina\nautoload -Uz bashcompinit && bashcompinit\n" + in_bash(commands);
}

std::string quoted(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '\'' ? "\\'" : c == '\\' ? "\\\\" : std::string(1, c);
  return "'" + out + "'";
}

std::string in_fish(const std::vector<CommandInfo>& commands) {
  std::string script = "# patina's commands, options and names, completed by fish.\n";
  for (size_t i = 0; i < commands.size(); ++i) {
    const auto& command = commands[i];
    const std::string when =
        i == 0 ? "__fish_use_subcommand" : "__fish_seen_subcommand_from " + command.name;
    if (i > 0)
      script += fmt::format("complete -c patina -n __fish_use_subcommand -f -a {} -d {}\n",
                            command.name, quoted(command.help));
    for (const auto& argument : command.arguments) {
      if (argument.positional) {
        if (!argument.choices.empty())
          script += fmt::format("complete -c patina -n '{}' -f -a '{}'\n", when,
                                fmt::join(argument.choices, " "));
        continue;
      }
      script += fmt::format("complete -c patina -n '{}'", when);
      for (const auto& name : argument.names)
        script += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      if (!argument.type.empty()) script += " -r";
      if (!argument.choices.empty())
        script += fmt::format(" -f -a '{}'", fmt::join(argument.choices, " "));
      script += " -d " + quoted(argument.help) + "\n";
    }
    if (command.name == "explain")
      script += fmt::format("complete -c patina -n '{}' -f -a '{}'\n", when,
                            fmt::join(explained_names(), " "));
  }
  return script;
}

}  // namespace

const std::vector<std::string>& shells() {
  static const std::vector<std::string> names = {"bash", "zsh", "fish"};
  return names;
}

std::string completion_script(const std::vector<CommandInfo>& commands, const std::string& shell) {
  if (shell == "bash") return in_bash(commands);
  if (shell == "zsh") return in_zsh(commands);
  PATINA_CHECK(shell == "fish", "no shell is called {}", shell);
  return in_fish(commands);
}

std::string manual_page(const std::vector<CommandInfo>& commands, const std::string& version) {
  const auto& program = commands.at(0);
  std::string page = fmt::format(
      ".TH PATINA 1 \"\" \"patina {}\" \"User Commands\"\n.SH NAME\npatina \\- continual learning "
      "on "
      "pre\\-trained models\n.SH SYNOPSIS\n.B patina\n.I command\n[options]\n.SH DESCRIPTION\n{}\n"
      ".SH OPTIONS\n",
      version, roff(program.help));
  add_arguments(page, program);
  page += ".SH COMMANDS\n";
  for (size_t i = 1; i < commands.size(); ++i) {
    const auto& command = commands[i];
    page += fmt::format(".SS patina {}\n{}\n", command.name, roff(command.help));
    add_arguments(page, command);
    if (!command.footer.empty()) page += fmt::format(".PP\n.nf\n{}\n.fi\n", roff(command.footer));
  }
  page +=
      ".SH EXIT STATUS\n0 if all went well, 2 after a mistake in arguments, files or data, 1 after "
      "a bug, "
      "128 and the signal's number after a signal.\n";
  return page;
}

}  // namespace patina::cli
