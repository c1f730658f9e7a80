#include "bench/forward_scenario.h"

#include "bench/products.h"
#include "bench/turns.h"
#include "patina/kernels/flops.h"
#include "patina/ops.h"

namespace patina::bench {

namespace {

Case measure(const Network& network, int64_t batch, const Pace& pace) {
  NoGrad no_grad;
  const auto vit = random_vit(network.shape);
  const Tensor images = random_images(network.shape, batch);
  const auto plain = nn::plain_engine(), fp32 = nn::packed_engine(nn::Precision::fp32),
             bf16 = nn::packed_engine(nn::Precision::bf16);
  const auto features = [&](const auto& engine) {
    vit->set_engine(engine);
    return vit->features(images);
  };
  const auto gflop = [&](const auto& engine) {
    const int64_t before = flops().forward;
    features(engine);
    return double(flops().forward - before) / 1e9;
  };
  const KernelProducts kernel_products(network.shape, batch);
  const LibTorchProducts libtorch_products(network.shape, batch);

  const auto times = times_in_turn(
      pace, {[&] { features(plain); },
             [&] {
               MixedPrecision mixed(true);
               features(plain);
             },
             [&] { features(fp32); }, [&] { features(bf16); }, [&] { kernel_products.multiply(); },
             [&] { libtorch_products.multiply(); }});
  const double all = gflop(plain), frugal = gflop(bf16),
               products = double(flops_of(products_of(network.shape)) * batch) / 1e9;
  Case result{case_name(network, batch), {}, {}};
  const auto add = [&](const std::string& name, double seconds, double work, bool images) {
    result.values.push_back({name, seconds, "s"});
    if (images) result.values.push_back({name, double(batch) / seconds, "images/s"});
    result.values.push_back({name, work / seconds, "GFLOP/s"});
  };
  add("eager fp32", times[0], all, true);
  add("autocast bf16", times[1], all, true);
  add("packed fp32", times[2], frugal, true);
  add("packed bf16", times[3], frugal, true);
  add("products by patina", times[4], products, false);
  add("products by LibTorch", times[5], products, false);
  const Tensor cosines = at::cosine_similarity(features(bf16), features(plain), 1);
  result.values.push_back(
      {"least cosine of bf16 to fp32 features", cosines.min().item<double>(), ""});
  result.ratios = {{"packed bf16 against eager fp32", times[0] / times[3], 5},
                   {"packed bf16 against autocast bf16", times[1] / times[3], 2},
                   {"packed bf16 as a part of the products by patina", times[4] / times[3], 0.6},
                   {"packed fp32 against eager fp32", times[0] / times[2], 1.15},
                   {"products by patina against products by LibTorch", times[5] / times[4]}};
  return result;
}

}  // namespace

std::vector<Case> measure_forward(bool quick) {
  std::vector<Case> cases;
  for (const auto& network : networks())
    cases.push_back(quick ? measure(network, network.quick_batch, kOnce)
                          : measure(network, network.forward_batch, {}));
  return cases;
}

}  // namespace patina::bench
