// How a process learns that it is one of several workers: from the variables that launchers set.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "patina/dist/workers.h"

namespace patina {

/// A worker's place among the workers of a run, and where they meet.
struct Membership {
  int rank = 0, size = 1;
  std::string host;  // the first worker listens here
  int port = 0;
  std::string file;           // or: all workers run on this machine, and meet in a file
  std::string interface;      // of the network, "eth0"; "": the one that has the host's name
  int64_t timeout_s = 600;    // after which a worker that does not answer is given up
  std::string told_by = "";   // whose variables said so: "torchrun"
  std::string attempt = "0";  // how often the launcher has started the workers again
};

/// What the variables say, `value_of(name)` being null for one that is not set:
/// PATINA_WORKER_RANK and PATINA_WORKERS (`patina run --workers`), RANK and WORLD_SIZE (torchrun),
/// OMPI_COMM_WORLD_RANK and _SIZE (Open MPI), PMI_RANK and PMI_SIZE (MPICH), SLURM_PROCID and
/// SLURM_NTASKS. But for the first, MASTER_ADDR and MASTER_PORT say where the first worker is;
/// without them Slurm's variables count for nothing, as they are also set where nothing was started
/// several times. Nothing if there is one worker only. Throws Error(usage) for variables that
/// contradict each other.
std::optional<Membership> membership(const std::function<const char*(const char* name)>& value_of);

/// Whether this build can have several workers: LibTorch's Gloo was found.
bool workers_available();

/// Meets the others, through c10d, LibTorch's own library. Throws Error(workers) if not all come in
/// time, and Error(usage) if this build cannot.
std::unique_ptr<Workers> join(const Membership& membership);

/// Workers that are threads of this process, each of which calls from one thread. For tests.
std::vector<std::unique_ptr<Workers>> workers_in_threads(int size);

}  // namespace patina
