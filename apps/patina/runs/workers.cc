#include "apps/patina/runs/workers.h"

#include <signal.h>  // NOLINT(modernize-deprecated-headers): POSIX's, with kill
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <thread>

#include "apps/patina/commands.h"
#include "apps/patina/runs/child.h"
#include "patina/base/cores.h"
#include "patina/base/error.h"

namespace patina::cli {

namespace {

using Clock = std::chrono::steady_clock;

// A worker that lost another one hears of it at once, so those that still live then hang.
constexpr auto kGrace = std::chrono::seconds(20);

std::vector<std::string> own_arguments() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);  // its size is said to be 0
  const std::string all(std::istreambuf_iterator<char>(file), {});
  std::vector<std::string> words;
  for (size_t at = 0; at < all.size();) {
    const size_t end = all.find('\0', at);
    words.push_back(all.substr(at, end - at));
    at = end == std::string::npos ? all.size() : end + 1;
  }
  if (words.empty()) fail(ErrorKind::file, "/proc/self/cmdline cannot be read");
  words.erase(words.begin());
  return words;
}

// A folder that is deleted in the end.
struct Scratch {
  fs::path path;
  Scratch() {
    std::string name = (fs::temp_directory_path() / "patina-workers-XXXXXX").string();
    if (!::mkdtemp(name.data()))
      fail(ErrorKind::file, "cannot make a folder in {}: {}", fs::temp_directory_path().string(),
           std::strerror(errno));
    path = name;
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
};

class Children {
 public:
  explicit Children(int64_t count) : pids_(size_t(count), 0) {
    const auto words = own_arguments();
    const int threads = std::max(1, usable_cores() / int(count));
    for (int64_t rank = 0; rank < count; ++rank) {
      ChildOptions options{.variables = {fmt::format("PATINA_WORKER_RANK={}", rank),
                                         fmt::format("PATINA_WORKERS={}", count),
                                         "PATINA_WORKERS_MEET=" + (scratch_.path / "meet").string(),
                                         fmt::format("PATINA_LAUNCHER={}", ::getpid())},
                           .own_group = true};
      if (!std::getenv("OMP_NUM_THREADS"))
        options.variables.push_back(fmt::format("OMP_NUM_THREADS={}", threads));
      if (rank > 0) options.log = log(rank);
      pids_[size_t(rank)] = start_child(words, options);
    }
  }
  ~Children() { tell(SIGKILL); }
  Children(const Children&) = delete;
  Children& operator=(const Children&) = delete;

  // The first that ended other than well; nothing if all ended well.
  struct Failure {
    int64_t rank;
    int status;
  };
  std::optional<Failure> wait() {
    std::optional<Failure> first;
    std::optional<Clock::time_point> until;
    bool told = false;
    while (const auto ended = next()) {
      if (ended->rank >= 0 && ended->status != 0 && !first) {
        first = ended;
        until = Clock::now() + kGrace;
      }
      if (ended->rank >= 0) continue;
      if (stopped_by() != 0 && !told) {
        tell(stopped_by());
        told = true;
      }
      if (until && Clock::now() > *until) tell(SIGKILL);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return first;
  }

  std::string said_by(const Failure& failure, size_t count) const {
    const std::string who = fmt::format("worker {} of {}", failure.rank, count);
    if (WIFSIGNALED(failure.status))
      return fmt::format("{} was ended by signal {} ({})", who, WTERMSIG(failure.status),
                         ::strsignal(WTERMSIG(failure.status)));
    // The first one has said itself what was wrong.
    return failure.rank == 0 ? who + " failed"
                             : fmt::format("{}: {}", who, last_message(log(failure.rank)));
  }

 private:
  fs::path log(int64_t rank) const { return scratch_.path / fmt::format("worker_{}.log", rank); }

  // One that ended, rank -1 if none has since, nothing if all have.
  std::optional<Failure> next() {
    bool any = false;
    for (size_t rank = 0; rank < pids_.size(); ++rank) {
      if (pids_[rank] == 0) continue;
      any = true;
      int status = 0;
      if (::waitpid(pids_[rank], &status, WNOHANG) == 0) continue;
      pids_[rank] = 0;
      return Failure{int64_t(rank), status};
    }
    if (!any) return std::nullopt;
    return Failure{-1, 0};
  }

  void tell(int signal) const {
    for (const pid_t pid : pids_)
      if (pid != 0) ::kill(pid, signal);
  }

  Scratch scratch_;
  std::vector<pid_t> pids_;  // 0: ended
};

}  // namespace

void follow_launcher() {
  const char* launcher = std::getenv("PATINA_LAUNCHER");
  if (!launcher) return;
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (std::to_string(::getppid()) != launcher) ::raise(SIGTERM);  // it has ended already
}

void run_with_workers(int64_t count) {
  Children children(count);
  const auto failure = children.wait();
  if (!failure) return;
  if (stopped_by() != 0)
    fail(ErrorKind::stopped, "stopped; the same command with --resume goes on");
  fail(ErrorKind::workers, "{}; the same command with --resume goes on",
       children.said_by(*failure, size_t(count)));
}

}  // namespace patina::cli
