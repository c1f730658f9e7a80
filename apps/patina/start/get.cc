// `patina get`: weights and data sets from where their publishers have them.
#include <fmt/core.h>

#include <cstdlib>

#include "apps/patina/start/start_commands.h"
#include "patina/base/error.h"
#include "patina/base/progress.h"
#include "patina/fetch/fetch.h"

namespace patina::cli {

namespace {

struct GetArguments {
  std::string name, to;
  double silent_s = 60;
  int tries = 5;
};

std::string variable_or(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value && *value ? value : otherwise;
}

void print_known() {
  size_t width = 0;
  for (const auto& one : fetch::known()) width = std::max(width, one.name.size());
  for (const auto& one : fetch::known()) {
    bool checked = true;
    for (const auto& file : one.files) checked = checked && !file.sha256.empty();
    fmt::print("{:<{}}  {}; {} ({}){}\n", one.name, width, one.is_data ? "data" : "weights",
               one.about, one.source, checked ? "; checksums are known" : "");
  }
}

const fetch::Known& asked_for(const std::string& name) {
  if (const fetch::Known* found = fetch::find_known(name)) return *found;
  std::vector<std::string> names;
  for (const auto& one : fetch::known()) names.push_back(one.name);
  fail(ErrorKind::usage, "{}: it is not in the list{}; `patina get` alone shows the list", name,
       did_you_mean(name, names));
}

// Data where data sets are looked for, weights beside them.
fs::path folder_for(const fetch::Known& what, const std::string& to) {
  if (!to.empty()) return to;
  const fs::path shelf = what.is_data ? variable_or("PATINA_DATA", "data") : "weights";
  return shelf / what.shelf;
}

std::string told(const fetch::Fetched& file) {
  const std::string checked =
      file.checked_with.empty()
          ? fmt::format("SHA-256 {}, and none is known to compare it with", file.sha256)
          : "SHA-256 as " + file.checked_with + " says";
  return fmt::format("{}{}: {}, {}", file.was_there ? "already here: " : "", file.name,
                     format_bytes(file.bytes), checked);
}

void get(const GetArguments& arguments) {
  if (arguments.name.empty()) return print_known();
  const fetch::Known& what = asked_for(arguments.name);
  const fs::path folder = folder_for(what, arguments.to);
  const auto files = fetch::fetch(what, folder,
                                  {.token = variable_or("HF_TOKEN", ""),
                                   .silent_s = arguments.silent_s,
                                   .tries = arguments.tries,
                                   .pause_s = 1});
  for (const auto& file : files) fmt::print("{}\n", told(file));
  std::string use = what.use;
  use.replace(use.find("{}"), 2, folder.string());
  fmt::print("{} is in {}; recipes use it with --set {}\n", what.name, folder.string(), use);
}

}  // namespace

void add_get(Command& program) {
  auto arguments = std::make_shared<GetArguments>();
  const auto command =
      program.command("get", "Fetch weights or a data set from where their publisher has them");
  command.option("name", arguments->name, "What to fetch; without it the list is shown");
  command.option("--to", arguments->to,
                 "The folder (default: $PATINA_DATA/NAME or data/NAME, of weights weights/NAME)");
  command
      .option("--silent-s", arguments->silent_s,
              "Seconds without a byte after which a connection is given up")
      .between(1, 3600)
      .shows_default();
  command
      .option("--tries", arguments->tries,
              "Connections that are tried; each goes on where the last one broke off")
      .range(1, 100)
      .shows_default();
  command.footer(
      "A file is under its name only when it is whole and its checksum is right; what was "
      "interrupted goes on when the\n"
      "command is repeated. FETCHED.json in the folder says what was got from where, with its "
      "SHA-256. Archives are unpacked\n"
      "below the folder. Nothing that is fetched is executed; read the publisher's terms before "
      "you use it.\n\n"
      "HF_ENDPOINT names a mirror of the Hugging Face hub, HF_TOKEN shows that you may have what "
      "it guards (it is sent to\n"
      "the hub alone), PATINA_MIRROR a mirror of everything else (PATINA_MIRROR/HOST/PATH); "
      "https_proxy, no_proxy,\n"
      "SSL_CERT_FILE are heeded.\n\n"
      "example: patina get mnist");
  command.action([arguments] { get(*arguments); });
}

}  // namespace patina::cli
