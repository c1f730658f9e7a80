// The program with LibTorch: parses the command line, runs one subcommand, turns errors into one
// readable message. `patina` (main.cc) starts it.
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <memory>

#include "apps/patina/answers.h"
#include "apps/patina/blas.h"
#include "apps/patina/commands.h"
#include "patina/base/error.h"
#include "patina/base/file.h"
#include "patina/base/progress.h"
#include "patina/tensor.h"
#include "patina/version.h"

namespace patina::cli {

namespace {

struct Program {
  CLI::App app{"patina: continual learning on pre-trained models", "patina"};
  int threads = 0;
  bool quiet = false;

  Program() {
    app.set_version_flag("--version",
                         fmt::format("patina {} (LibTorch {})", kVersion, libtorch_version()));
    app.require_subcommand(1);
    app.set_help_all_flag("--help-all", "Help of every subcommand");
    app.fallthrough();
    app.add_option("--threads", threads,
                   "Threads for computing; 0: as OMP_NUM_THREADS says, else one per core")
        ->check(CLI::Range(0, 4096));
    app.add_flag("--quiet", quiet, "No progress lines");
    app.parse_complete_callback([this] {
      prepare_cpu(threads);
      Progress::enable(!quiet);
    });
    for (const auto add : {add_run, add_sweep, add_report, add_list, add_features, add_generate,
                           add_inspect, add_pretrain, add_bench})
      add(app);
  }
};

int run(int argc, const char* const* argv) {
  Program program;
  try {
    program.app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return program.app.exit(error) == 0 ? 0 : 2;
  } catch (const Error& error) {
    std::fprintf(stderr, "patina: %s\n", error.what());
    return error.kind() == ErrorKind::stopped ? 128 + stopped_by() : 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "patina: internal error: %s\nThis is a bug in patina. Please report it.\n",
                 error.what());
    return 1;
  }
  return 0;
}

// What the program prints to its standard output.
std::string printed(const Arguments& arguments) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), std::fclose);
  PATINA_CHECK(file, "no temporary file");
  std::fflush(stdout);
  const int out = ::dup(STDOUT_FILENO);
  ::dup2(::fileno(file.get()), STDOUT_FILENO);
  std::vector<const char*> argv = {"patina"};
  for (const auto& argument : arguments) argv.push_back(argument.c_str());
  const int status = run(int(argv.size()), argv.data());
  std::cout.flush();
  std::fflush(stdout);
  ::dup2(out, STDOUT_FILENO);
  ::close(out);
  PATINA_CHECK(status == 0, "no answer to {}", arguments.front());
  std::string text(size_t(std::ftell(file.get())), '\0');
  std::rewind(file.get());
  PATINA_CHECK(std::fread(text.data(), 1, text.size(), file.get()) == text.size(), "lost output");
  return text;
}

std::vector<Arguments> questions() {
  std::vector<Arguments> asked = {{"--version"}, {"--help-all"}};
  const Program program;
  for (const std::string help : {"--help", "-h"}) {
    asked.push_back({help});
    for (const auto* command : program.app.get_subcommands(nullptr))
      asked.push_back({command->get_name(), help});
  }
  for (const auto& list : list_names()) {
    asked.push_back({"list", list});
    asked.push_back({"list", list, "--json"});
  }
  for (const auto& name : explained_names()) asked.push_back({"explain", name});
  return asked;
}

}  // namespace

}  // namespace patina::cli

int main(int argc, char** argv) {
  using namespace patina;
  // Part of the build: see answers.h.
  if (argc == 3 && std::string_view(argv[1]) == "--write-answers") {
    write_text(argv[2], cli::write_answers(cli::questions(), cli::printed));
    return 0;
  }
#if PATINA_CHOOSE_OPENBLAS
  cli::settle_blas(argv);
#endif
  return cli::run(argc, argv);
}
