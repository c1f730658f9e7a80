#include "bench/training_scenario.h"

#include <malloc.h>

#include <fstream>

#include "bench/training.h"
#include "bench/turns.h"
#include "patina/base/error.h"

namespace patina::bench {

namespace {

Case measure(const Network& network, ViT& vit, Adapting adapting, int64_t batch, const Pace& pace) {
  const Tensor images = random_images(network.shape, batch);
  Training plain(vit, adapting, eager_fp32()), autocast(vit, adapting, autocast_bf16()),
      fp32(vit, adapting, packed(nn::Precision::fp32)),
      bf16(vit, adapting, packed(nn::Precision::bf16));
  const auto times =
      times_in_turn(pace, {[&] { plain.step(images); }, [&] { autocast.step(images); },
                           [&] { fp32.step(images); }, [&] { bf16.step(images); }});
  return {fmt::format("{}, {}", case_name(network, batch), text(adapting)),
          {{"eager fp32", times[0], "s"},
           {"autocast bf16", times[1], "s"},
           {"packed fp32", times[2], "s"},
           {"packed bf16", times[3], "s"}},
          {{"packed bf16 against eager fp32", times[0] / times[3], 3.5},
           {"packed bf16 against autocast bf16", times[1] / times[3]},
           {"packed fp32 against eager fp32", times[0] / times[2]}}};
}

/// A size in /proc/self/status, in bytes.
double status_bytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(key + ":")) return std::stod(line.substr(key.size() + 1)) * 1024;
  fail(ErrorKind::file, "/proc/self/status has no {}: memory cannot be measured here", key);
}

/// The most memory that `work` holds beyond what was held before it, in bytes.
double peak_bytes(const std::function<void()>& work) {
  malloc_trim(0);
  // 5: the high-water mark begins anew (Linux, proc(5)).
  if (!(std::ofstream("/proc/self/clear_refs") << "5" << std::flush))
    fail(ErrorKind::file,
         "/proc/self/clear_refs cannot be written: memory cannot be measured here; leave it out "
         "with --only");
  const double before = status_bytes("VmRSS");
  work();
  return status_bytes("VmHWM") - before;
}

}  // namespace

std::vector<Case> measure_train_step(bool quick) {
  std::vector<Case> cases;
  for (const auto& network : networks()) {
    const auto vit = random_vit(network.shape);
    for (const auto adapting : {Adapting::prefix, Adapting::adapter})
      cases.push_back(quick ? measure(network, *vit, adapting, network.quick_batch, kOnce)
                            : measure(network, *vit, adapting, network.train_batch, {}));
  }
  return cases;
}

std::vector<Case> measure_memory(bool quick) {
  const Network& network = networks()[1];
  const int64_t batch = quick ? 4 : 64;
  const auto vit = random_vit(network.shape);
  const Tensor images = random_images(network.shape, batch);
  Training plain(*vit, Adapting::prefix, eager_fp32()),
      ours(*vit, Adapting::prefix, packed(nn::Precision::bf16));
  const auto peak = [&](Training& training) {
    return [&] { return peak_bytes([&] { training.step(images); }); };
  };
  const auto bytes = medians_in_turn({.rounds = 3, .seconds = 0}, {peak(plain), peak(ours)});
  return {{fmt::format("{}, {}", case_name(network, batch), text(Adapting::prefix)),
           {{"eager fp32", bytes[0], "bytes"}, {"packed bf16", bytes[1], "bytes"}},
           {{"packed bf16 as a part of eager fp32", bytes[1] / bytes[0], 0.6, true}}}};
}

}  // namespace patina::bench
