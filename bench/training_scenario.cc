#include "bench/training_scenario.h"

#include <fmt/format.h>

#include "bench/memory.h"
#include "bench/training.h"
#include "bench/turns.h"
#include "patina/kernels/isa.h"

namespace patina::bench {

namespace {

Case measure(const Network& network, ViT& vit, Adapting adapting, int64_t batch, const Pace& pace) {
  const Tensor images = random_images(network.shape, batch);
  Training plain(vit, adapting, eager_fp32()), fp32(vit, adapting, packed(nn::Precision::fp32));
  const bool with_bf16 = kernels::bf16_is_faster();
  std::optional<Training> autocast, bf16;
  std::vector<std::function<void()>> steps = {[&] { plain.step(images); },
                                              [&] { fp32.step(images); }};
  if (with_bf16) {
    autocast.emplace(vit, adapting, autocast_bf16());
    bf16.emplace(vit, adapting, packed(nn::Precision::bf16));
    steps.insert(steps.end(), {[&] { autocast->step(images); }, [&] { bf16->step(images); }});
  }
  const auto times = times_in_turn(pace, steps);
  Case result{fmt::format("{}, {}", case_name(network, batch), text(adapting)),
              {{"eager fp32", times[0], "s"}, {"packed fp32", times[1], "s"}},
              {{"packed fp32 against eager fp32", times[0] / times[1], 1.3}}};
  if (!with_bf16) return result;
  result.values.push_back({"autocast bf16", times[2], "s"});
  result.values.push_back({"packed bf16", times[3], "s"});
  result.ratios.push_back(
      {"packed bf16 against eager fp32", times[0] / times[3],
       kernels::isa() == kernels::Isa::amx ? std::optional(3.5) : std::nullopt});
  result.ratios.push_back({"packed bf16 against autocast bf16", times[2] / times[3]});
  return result;
}

}  // namespace

void measure_train_step(bool quick, const Take& take) {
  constexpr Adapting kAll[] = {Adapting::prefix, Adapting::adapter, Adapting::network};
  std::vector<Network> trained;
  for (const auto& network : networks())
    if (network.train_batch > 0 && (!quick || network.quick_batch > 0)) trained.push_back(network);
  for (const auto& network : trained) {
    const auto vit = random_vit(network.shape);
    for (const auto adapting : kAll)
      take(quick ? measure(network, *vit, adapting, network.quick_batch, kOnce)
                 : measure(network, *vit, adapting, network.train_batch,
                           one_of(trained.size() * std::size(kAll))));
  }
}

void measure_memory(bool quick, const Take& take) {
  const Network& network = networks()[2];
  const int64_t batch = quick ? 4 : 64;
  const auto vit = random_vit(network.shape);
  const Tensor images = random_images(network.shape, batch);
  const bool with_bf16 = kernels::bf16_is_faster();
  const std::string ours_name = with_bf16 ? "packed bf16" : "packed fp32";
  Training plain(*vit, Adapting::prefix, eager_fp32()),
      ours(*vit, Adapting::prefix, packed(with_bf16 ? nn::Precision::bf16 : nn::Precision::fp32));
  const auto peak = [&](Training& training) {
    return [&] { return peak_bytes([&] { training.step(images); }); };
  };
  const auto bytes = medians_in_turn({.rounds = 3, .seconds = 0}, {peak(plain), peak(ours)});
  take({fmt::format("{}, {}", case_name(network, batch), text(Adapting::prefix)),
        {{"eager fp32", bytes[0], "bytes"}, {ours_name, bytes[1], "bytes"}},
        {{ours_name + " as a part of eager fp32", bytes[1] / bytes[0],
          kernels::isa() == kernels::Isa::amx ? std::optional(0.6) : std::nullopt, true}}});
}

}  // namespace patina::bench
