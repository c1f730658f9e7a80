// `patina`: answers fixed questions itself, and starts the engine, the same program with LibTorch,
// for everything else. Loading LibTorch takes most of a second.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "apps/patina/answers.h"

extern const unsigned char patina_answers[];
extern const unsigned char patina_answers_end[];

namespace {

// Sets how long waiting OpenMP threads spin before they sleep: a few microseconds. Longer spinning
// takes cores from other processes: with 100000 rounds, two runs at once on two cores were each
// more than four times slower than with this value, while a single run gains up to a third.
// Sleeping at once makes operations of a few microseconds ten times slower. OpenMP reads this
// variable when it is loaded.
void settle_waiting() {
  if (!std::getenv("OMP_WAIT_POLICY")) ::setenv("GOMP_SPINCOUNT", "1000", 0);
}

}  // namespace

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  const std::string_view known(reinterpret_cast<const char*>(patina_answers),
                               size_t(patina_answers_end - patina_answers));
  if (const auto text = patina::cli::answer_to(known, {argv + 1, argv + argc})) {
    const bool printed = std::fwrite(text->data(), 1, text->size(), stdout) == text->size();
    return std::fflush(stdout) == 0 && printed ? 0 : 1;
  }
  settle_waiting();
  std::error_code error;
  const fs::path own = fs::read_symlink("/proc/self/exe", error);
  const fs::path engine = own.parent_path().parent_path() / "libexec/patina/patina-engine";
  ::execv(engine.c_str(), argv);
  std::fprintf(stderr, "patina: cannot start %s: %s\n", engine.c_str(), std::strerror(errno));
  return 1;
}
