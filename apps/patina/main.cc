// The program: parses the command line, runs one subcommand, turns errors into one readable
// message.
#include <cstdio>

#include "apps/patina/commands.h"
#include "apps/patina/environment.h"
#include "patina/base/error.h"
#include "patina/base/progress.h"
#include "patina/tensor.h"
#include "patina/version.h"

int main(int argc, char** argv) {
  using namespace patina;
  cli::settle_environment(argv);
  CLI::App app("patina: continual learning on pre-trained models");
  app.set_version_flag("--version",
                       fmt::format("patina {} (LibTorch {})", kVersion, libtorch_version()));
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "Help of every subcommand");
  app.fallthrough();
  int threads = 0;
  bool quiet = false;
  app.add_option("--threads", threads,
                 "Threads for computing; 0: as OMP_NUM_THREADS says, else one per core")
      ->check(CLI::Range(0, 4096));
  app.add_flag("--quiet", quiet, "No progress lines");
  app.parse_complete_callback([&] {
    prepare_cpu(threads);
    Progress::enable(!quiet);
  });
  cli::add_run(app);
  cli::add_sweep(app);
  cli::add_report(app);
  cli::add_list(app);
  cli::add_features(app);
  cli::add_generate(app);
  cli::add_inspect(app);
  cli::add_pretrain(app);
  cli::add_bench(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const Error& error) {
    std::fprintf(stderr, "patina: %s\n", error.what());
    return error.kind() == ErrorKind::stopped ? 128 + cli::stopped_by() : 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "patina: internal error: %s\nThis is a bug in patina. Please report it.\n",
                 error.what());
    return 1;
  }
  return 0;
}
