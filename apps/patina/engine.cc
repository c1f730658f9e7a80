// The program with LibTorch: parses the command line, runs one subcommand, turns errors into one
// readable message. `patina` (main.cc) starts it.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>

#include "apps/patina/answers.h"
#include "apps/patina/blas.h"
#include "apps/patina/commands.h"
#include "apps/patina/options/option_structs.h"
#include "apps/patina/start/start_commands.h"
#include "patina/base/console.h"
#include "patina/base/error.h"
#include "patina/base/file.h"
#include "patina/learners/plugin.h"
#include "patina/tensor.h"
#include "patina/version.h"

namespace patina::cli {

namespace {

// A mistake of the user: the exit status.
int refused(const std::string& message) {
  std::fprintf(stderr, "patina: %s\n", message.c_str());
  return 2;
}

int out_of_memory(std::string_view allocator = "") {
  // LibTorch's allocator says how much was asked for.
  constexpr std::string_view kTried = "tried to allocate ";
  const size_t at = allocator.find(kTried);
  const std::string size =
      at == allocator.npos
          ? ""
          : fmt::format(" for {} bytes at once", std::atoll(allocator.data() + at + kTried.size()));
  return refused(fmt::format(
      "not enough memory{}: a size in the options is too large for this machine (batch_size, "
      "memory, sizes of the learner, model.hidden)",
      size));
}

// Whether an exception of LibTorch's is about memory.
bool about_memory(std::string_view text) {
  for (const char* part :
       {"can't allocate memory", "Storage size calculation overflowed", "out of memory"})
    if (text.find(part) != text.npos) return true;
  return false;
}

struct Program {
  CommandLine line{"patina: continual learning on pre-trained models",
                   fmt::format("patina {} (LibTorch {})", kVersion, libtorch_version())};
  int threads = 0;
  bool quiet = false;
  std::vector<std::string> plugins;
  std::optional<Console> console;
  Work work;
  WorkScope scope{&work};

  Program() {
    Command program = line.program();
    program
        .option("--threads", threads,
                "Computing threads; 0: OMP_NUM_THREADS, or one per core if that is not set")
        .range(0, 4096);
    program.flag("--quiet", quiet, "No progress lines");
    program
        .option("--plugin", plugins,
                "A shared library with further learners; it runs with your rights; may be repeated")
        .type("FILE")
        .one_at_a_time();
    line.when_parsed([this] {
      console.emplace(!quiet);
      work.observer = &*console;
      prepare_cpu(threads);
      for (const auto& file : plugins) load_plugin(file);
    });
    for (const auto add :
         {add_init,   add_get,    add_import_pilot, add_run,      add_check,    add_sweep,
          add_tune,   add_report, add_board,        add_learn,    add_predict,  add_eval,
          add_forget, add_list,   add_data,         add_features, add_generate, add_inspect,
          add_serve,  add_export, add_merge,        add_pretrain, add_bench,    add_doctor})
      add(program);
    add_own_descriptions(program);
  }

  // `completion` and `manual` describe all commands, themselves too.
  void add_own_descriptions(Command& program) {
    const auto completion = program.command(
        "completion", "Print what a shell reads to complete patina's commands, options and names");
    completion.option("shell", shell, "bash, zsh or fish").one_of(shells()).required();
    completion.footer("example: patina completion bash");
    completion.action([this] { fmt::print("{}", completion_script(line.info(), shell)); });
    const auto manual = program.command("manual", "Print the manual page, for man");
    manual.footer("example: patina manual");
    manual.action([this] { fmt::print("{}", manual_page(line.info(), kVersion)); });
  }

  std::string shell;
};

int run(int argc, const char* const* argv) {
  Program program;
  try {
    return program.line.run(argc, argv);
  } catch (const Error& error) {
    const int status = refused(error.what());
    return error.kind() == ErrorKind::stopped ? 128 + stopped_by() : status;
  } catch (const fs::filesystem_error& error) {
    return refused(fmt::format("{}: {}", error.path1().string(), error.code().message()));
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  } catch (const std::length_error&) {
    return out_of_memory();
  } catch (const std::exception& error) {
    if (about_memory(error.what())) return out_of_memory(error.what());
    std::fprintf(stderr, "patina: internal error: %s\nThis is a bug in patina. Please report it.\n",
                 error.what());
    return 1;
  }
}

// The program's standard output for some arguments.
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
    for (const auto& command : program.line.commands()) asked.push_back({command, help});
  }
  for (const auto& list : list_names()) {
    if (!is_fixed_list(list)) continue;
    asked.push_back({"list", list});
    asked.push_back({"list", list, "--json"});
  }
  for (const auto& name : explained_names()) asked.push_back({"explain", name});
  for (const auto& shell : shells()) asked.push_back({"completion", shell});
  asked.push_back({"manual"});
  return asked;
}

}  // namespace

}  // namespace patina::cli

int main(int argc, char** argv) {
  using namespace patina;
  // Used during the build: see answers.h.
  if (argc == 3 && std::string_view(argv[1]) == "--write-answers") {
    write_text(argv[2], cli::write_answers(cli::questions(), cli::printed));
    return 0;
  }
  if (argc == 3 && std::string_view(argv[1]) == "--write-options") {
    write_text(argv[2], cli::option_structs());
    return 0;
  }
#if PATINA_CHOOSE_OPENBLAS
  cli::settle_blas(argv);
#endif
  return cli::run(argc, argv);
}
