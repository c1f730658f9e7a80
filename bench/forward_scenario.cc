#include "bench/forward_scenario.h"

#include "bench/products.h"
#include "bench/turns.h"
#include "patina/kernels/flops.h"
#include "patina/kernels/isa.h"
#include "patina/ops.h"

namespace patina::bench {

namespace {

// The computations to time, in order.
class Ways {
 public:
  /// Returns its index among the times.
  size_t add(std::function<void()> way) {
    ways_.push_back(std::move(way));
    return ways_.size() - 1;
  }
  void run(const Pace& pace) { times_ = times_in_turn(pace, ways_); }
  double operator[](size_t i) const { return times_[i]; }

 private:
  std::vector<std::function<void()>> ways_;
  std::vector<double> times_;
};

// A case being measured: the times of each way, and its work.
class Result {
 public:
  Result(std::string name, int64_t batch) : case_{std::move(name), {}, {}}, batch_(batch) {}

  void add_pass(const std::string& name, double seconds, double gflop) {
    case_.values.push_back({name, seconds, "s"});
    case_.values.push_back({name, double(batch_) / seconds, "images/s"});
    case_.values.push_back({name, gflop / seconds, "GFLOP/s"});
  }
  void add_products(const std::string& name, double seconds, double gflop) {
    case_.values.push_back({name, seconds, "s"});
    case_.values.push_back({name, gflop / seconds, "GFLOP/s"});
  }
  void compare(Ratio ratio) { case_.ratios.push_back(std::move(ratio)); }
  Case& made() { return case_; }

 private:
  Case case_;
  int64_t batch_;
};

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
  // Without bf16 instructions, bf16 would take far too long.
  const bool with_bf16 = kernels::isa() >= kernels::Isa::avx512_bf16;
  const KernelProducts<float> kernel_products(network.shape, batch);
  const LibTorchProducts libtorch_products(network.shape, batch, at::kFloat);
  std::optional<KernelProducts<kernels::bf16>> bf16_products;

  Ways ways;
  const size_t eager = ways.add([&] { features(plain); });
  const size_t packed = ways.add([&] { features(fp32); });
  const size_t ours = ways.add([&] { kernel_products.multiply(); });
  const size_t theirs = ways.add([&] { libtorch_products.multiply(); });
  size_t autocast = 0, rounded = 0, ours_rounded = 0;
  if (with_bf16) {
    bf16_products.emplace(network.shape, batch);
    autocast = ways.add([&] {
      MixedPrecision mixed(true);
      features(plain);
    });
    rounded = ways.add([&] { features(bf16); });
    ours_rounded = ways.add([&] { bf16_products->multiply(); });
  }
  ways.run(pace);

  const double all = gflop(plain), frugal = gflop(fp32),
               products = double(flops_of(products_of(network.shape)) * batch) / 1e9;
  Result result(case_name(network, batch), batch);
  result.add_pass("eager fp32", ways[eager], all);
  result.add_pass("packed fp32", ways[packed], frugal);
  result.add_products("products in fp32 by patina", ways[ours], products);
  result.add_products("products in fp32 by LibTorch", ways[theirs], products);
  result.compare({"packed fp32 against eager fp32", ways[eager] / ways[packed], 1.3});
  result.compare({"packed fp32 as a part of the faster products",
                  std::min(ways[ours], ways[theirs]) / ways[packed], 0.8});
  result.compare({"products in fp32 by patina against LibTorch's", ways[theirs] / ways[ours]});
  if (!with_bf16) return result.made();

  const bool judged = kernels::isa() == kernels::Isa::amx;
  const auto bar = [&](double least) { return judged ? std::optional(least) : std::nullopt; };
  result.add_pass("autocast bf16", ways[autocast], all);
  result.add_pass("packed bf16", ways[rounded], frugal);
  result.add_products("products in bf16 by patina", ways[ours_rounded], products);
  result.compare({"packed bf16 against eager fp32", ways[eager] / ways[rounded], bar(5)});
  result.compare({"packed bf16 against autocast bf16", ways[autocast] / ways[rounded], bar(2)});
  result.compare({"packed bf16 against packed fp32", ways[packed] / ways[rounded]});
  result.compare({"packed bf16 as a part of the products by patina",
                  ways[ours_rounded] / ways[rounded], bar(0.6)});
  const Tensor cosines = at::cosine_similarity(features(bf16), features(plain), 1);
  result.made().values.push_back(
      {"least cosine of bf16 to fp32 features", cosines.min().item<double>(), ""});
  return result.made();
}

}  // namespace

void measure_forward(bool quick, const Take& take) {
  for (const auto& network : networks())
    if (!quick)
      take(measure(network, network.forward_batch, one_of(networks().size())));
    else if (network.quick_batch > 0)
      take(measure(network, network.quick_batch, kOnce));
}

}  // namespace patina::bench
