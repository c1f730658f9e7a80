#include "patina/dist/membership.h"

#include <charconv>
#include <string_view>

#include "patina/base/error.h"

namespace patina {

namespace {

using ValueOf = std::function<const char*(const char*)>;

int number(const ValueOf& value_of, const char* name, int least, int most) {
  const char* text = value_of(name);
  if (!text) fail(ErrorKind::usage, "the variable {} is not set", name);
  const std::string_view digits = text;
  int value = 0;
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), value);
  if (error != std::errc() || end != digits.end() || value < least || value > most)
    fail(ErrorKind::usage, "{} is \"{}\", not a number from {} to {}", name, text, least, most);
  return value;
}

struct Launcher {
  const char *name, *rank, *size;
};

// torchrun first: within a Slurm job or under mpirun, it is what started this process.
constexpr Launcher kLaunchers[] = {
    {"patina run --workers", "PATINA_WORKER_RANK", "PATINA_WORKERS"},
    {"torchrun", "RANK", "WORLD_SIZE"},
    {"Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
    {"MPICH", "PMI_RANK", "PMI_SIZE"},
    {"Slurm", "SLURM_PROCID", "SLURM_NTASKS"},
};

constexpr int kMostWorkers = 1 << 16;

}  // namespace

std::optional<Membership> membership(const ValueOf& value_of) {
  const auto set = [&](const char* name) { return value_of(name) != nullptr; };
  for (const Launcher& launcher : kLaunchers) {
    if (!set(launcher.rank) || !set(launcher.size)) continue;
    const bool met = set("MASTER_ADDR") && set("MASTER_PORT");
    if (launcher.name == std::string_view("Slurm") && !met) continue;
    Membership found{.told_by = launcher.name};
    found.size = number(value_of, launcher.size, 1, kMostWorkers);
    found.rank = number(value_of, launcher.rank, 0, kMostWorkers);
    if (found.rank >= found.size)
      fail(ErrorKind::usage, "{}={} with {}={}: ranks count from 0", launcher.rank, found.rank,
           launcher.size, found.size);
    if (found.size == 1) return std::nullopt;
    if (set("GLOO_SOCKET_IFNAME")) found.interface = value_of("GLOO_SOCKET_IFNAME");
    if (set("PATINA_WORKER_TIMEOUT"))
      found.timeout_s = number(value_of, "PATINA_WORKER_TIMEOUT", 1, 1 << 20);
    if (set("TORCHELASTIC_RESTART_COUNT")) found.attempt = value_of("TORCHELASTIC_RESTART_COUNT");
    if (set("PATINA_WORKERS_MEET")) {
      found.file = value_of("PATINA_WORKERS_MEET");
      return found;
    }
    if (!met)
      fail(ErrorKind::usage,
           "{} says that this is worker {} of {}, but not where the first one is: set MASTER_ADDR "
           "to its machine and MASTER_PORT to a free port there",
           launcher.name, found.rank, found.size);
    found.host = value_of("MASTER_ADDR");
    found.port = number(value_of, "MASTER_PORT", 1, 65535);
    // At the port itself torchrun's agent listens, in the language of its own version.
    if (set("TORCHELASTIC_USE_AGENT_STORE") && found.port < 65535) ++found.port;
    return found;
  }
  return std::nullopt;
}

}  // namespace patina
