// `patina doctor`: what this machine has and what patina makes of it.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <cstdlib>

#include "apps/patina/commands.h"
#include "patina/base/progress.h"
#include "patina/data/catalog.h"
#include "patina/kernels/isa.h"
#include "patina/models/catalog.h"
#include "patina/place.h"
#include "patina/run/machine.h"
#include "patina/tensor.h"
#include "patina/version.h"

namespace patina::cli {

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? fmt::format("{}={}", name, value) : fmt::format("{} is not set", name);
}

std::string free_space(const fs::path& folder) {
  std::error_code error;
  const auto space = fs::space(folder, error);
  return error ? "not known" : format_bytes(space.available) + " free";
}

std::vector<std::string> models_built_in() {
  std::vector<std::string> names;
  for (const auto& model : model_list())
    if (built_in_weights(model.name)) names.push_back(model.name);
  return names;
}

void examine() {
  const Machine machine = this_machine();
  fmt::print("patina {}, {}, LibTorch {}\n", kVersion, compiler_version(), libtorch_version());
  fmt::print("processor: {}, {} usable cores, {}\n", machine.cpu, machine.cores,
             format_bytes(uint64_t(machine.memory_bytes)));
  fmt::print("instructions: {}; {} ({})\n", kernels::name(kernels::isa()),
             kernels::bf16_is_faster() ? "precision auto is bf16, which is faster here"
                                       : "precision auto is fp32, as bf16 is not faster here",
             variable("PATINA_ISA"));
  fmt::print("threads: {} ({})\n", tensor_threads(), variable("OMP_NUM_THREADS"));
  fmt::print("devices: {}\n", fmt::join(devices(), ", "));
  fmt::print("this folder: {}\n", free_space(fs::current_path()));
  fmt::print("models in the program: {}\n", fmt::join(models_built_in(), ", "));
  const auto found = data_sets_found();
  fmt::print("data sets found ({}): {}\n", variable("PATINA_DATA"),
             found.empty() ? "none" : fmt::format("{}", fmt::join(found, ", ")));
  fmt::print(
      "  `patina list datasets` says what else there is and how to get it; PATINA_DATA names a "
      "folder that holds some, data.path one of them\n");
  if (machine.cores > tensor_threads())
    fmt::print("advice: {} of {} cores compute; --threads 0 without OMP_NUM_THREADS takes all\n",
               tensor_threads(), machine.cores);
}

}  // namespace

void add_doctor(Command& program) {
  const auto command = program.command(
      "doctor",
      "Show what this machine has: instructions, threads, devices, models and data found");
  command.footer("example: patina doctor");
  command.action(examine);
}

}  // namespace patina::cli
