// A long stream on one machine: what a sample costs after ten thousand, a hundred thousand and a
// million, in time and memory, through the feature store, a reservoir and RanPAC.
//
//   long_stream FOLDER [SAMPLES]
//
// FOLDER holds the feature store; it must not exist. Images are drawn from their number and are
// kept nowhere. Times are processor time of all threads. The network is a small perceptron, so that
// what is measured is the machinery.
#include <fmt/core.h>
#include <malloc.h>
#include <time.h>  // NOLINT(modernize-deprecated-headers): POSIX's, with clock_gettime

#include <charconv>
#include <cstdio>
#include <fstream>
#include <utility>

#include "bench/stopwatch.h"
#include "patina/base/error.h"
#include "patina/config/recipe_file.h"
#include "patina/learn/trainer.h"
#include "patina/memory/sample_memory.h"
#include "patina/run/recipe.h"
#include "patina/session/feed.h"
#include "patina/store/feature_store.h"

namespace patina::bench {

namespace {

constexpr int64_t kClasses = 100, kTaskSamples = 10000, kReservoir = 2000;
constexpr int kPixels = 8;

/// Images of a class's colour with noise, made whenever they are read.
class EndlessSource : public Source {
 public:
  explicit EndlessSource(int64_t size) : size_(size) {
    for (int64_t c = 0; c < kClasses; ++c) classes_.push_back(fmt::format("class {}", c));
  }
  int64_t size() const override { return size_; }
  int64_t label(int64_t i) const override { return i % kClasses; }
  std::string origin(int64_t i) const override { return fmt::format("sample {}", i); }
  const std::vector<std::string>& classes() const override { return classes_; }
  Image image(int64_t i) const override {
    Image image(kPixels, kPixels);
    Random colour = seeds_("colour", uint64_t(label(i))), noise = seeds_("noise", uint64_t(i));
    const std::array<uint64_t, 3> base = {colour.below(200), colour.below(200), colour.below(200)};
    for (size_t at = 0; at < image.pixels.size(); ++at)
      image.pixels[at] = uint8_t(base[at % 3] + noise.below(56));
    return image;
  }
  Fingerprint fingerprint(int64_t i) const override {
    ContentHash hash;
    hash.add(fmt::format("endless {}", i));
    return hash.words();
  }

 private:
  int64_t size_;
  std::vector<std::string> classes_;
  Seeds seeds_{1};
};

// Processor time of all threads, in seconds: other programs on the machine do not change it much.
double used_time() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return double(time.tv_sec) + double(time.tv_nsec) * 1e-9;
}

// Of this process, in MiB: what it allocated, without the pages of mapped files, which the kernel
// takes back when it needs them. Freed memory is given back first.
double allocated() {
  ::malloc_trim(0);
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("RssAnon:")) return std::stod(line.substr(8)) / 1024;
  fail(ErrorKind::file, "/proc/self/status does not say RssAnon");
}

Recipe recipe_of_stream(const std::string& folder) {
  Recipe recipe;
  auto file = RecipeFile::parse(
      "", "the stream's recipe",
      {"model.name=mlp", fmt::format("model.image_size={}", kPixels), "model.hidden=[256,256]",
       "learner.name=ranpac", "learner.projection=500", "learner.adaptation=none",
       fmt::format("engine.cache_folder=\"{}\"", folder), "engine.cache_bytes=16777216",
       "engine.cache_disk_bytes=1000000000000"});
  file.bind(recipe);
  file.finish();
  return recipe;
}

class LongStream {
 public:
  LongStream(int64_t samples, const std::string& folder)
      : source_(samples),
        recipe_(recipe_of_stream(folder)),
        backbone_(backbone_of(recipe_)),
        memory_(kReservoir, SampleMemory::Policy::reservoir, Seeds(1)("memory")) {
    backbone_->set_engine(make_engine(recipe_.engine));
    open();
    feed_ = make_feed(*backbone_, source_, recipe_.test_transform);
    trainer_ = std::make_unique<Trainer>(recipe_.training, *feed_, *feed_, pool_, Seeds(1));
    learner_ = recipe_.learner.row().make({*backbone_, Seeds(1), grant_}, *recipe_.learner.options);
  }

  void go() {
    fmt::print("{:>9}  {:>13} {:>13} {:>13} {:>13}  {:>11} {:>14}\n", "samples", "features, us",
               "RanPAC, us", "reservoir, us", "again, us", "memory, MiB", "bytes a sample");
    double first = 0, features = 0, learning = 0, offering = 0, reading = 0;
    int64_t told = 0;  // samples of the rows so far; times are means since then
    for (int64_t task = 0; task * kTaskSamples < source_.size(); ++task) {
      const Dataset data = of_task(task);
      features += seconds([&] { trainer_->features(*backbone_, data); }, used_time);
      learning += seconds([&] { learn(int(task), data); }, used_time);
      offering += seconds(
          [&] {
            for (int64_t i = 0; i < data.size(); ++i) memory_.offer(data.handle(i));
          },
          used_time);
      reading += seconds([&] { trainer_->features(*backbone_, data); }, used_time);
      const int64_t seen = (task + 1) * kTaskSamples;
      if (seen != 10000 && seen != 100000 && seen != source_.size()) continue;
      store_->flush();
      const double memory = allocated();
      if (task == 0) first = memory;
      const auto us = [&](double& time) {
        return std::exchange(time, 0) * 1e6 / double(seen - told);
      };
      const double bytes = task == 0 ? 0 : (memory - first) * 1048576 / double(seen - kTaskSamples);
      fmt::print("{:>9}  {:>13.2f} {:>13.2f} {:>13.3f} {:>13.2f}  {:>11.1f} {:>14.1f}\n", seen,
                 us(features), us(learning), us(offering), us(reading), memory, bytes);
      std::fflush(stdout);
      told = seen;
    }
    const int64_t computed = store_->counts().encoded;
    open();
    const double again = seconds([&] { trainer_->features(*backbone_, of_task(0)); }, used_time);
    fmt::print("passed the network: {}; in the reservoir: {} of {} offered\n", computed,
               memory_.size(), memory_.offered());
    fmt::print("another store on the folder: {:.2f} s to the first task's features, {} computed\n",
               again, store_->counts().encoded);
  }

 private:
  void open() {
    backbone_->set_cache(nullptr);
    store_.reset();
    store_ = std::make_shared<FeatureStore>(recipe_.engine);
    backbone_->set_cache(store_);
  }
  Dataset of_task(int64_t task) const {
    std::vector<int64_t> positions, targets;
    for (int64_t i = task * kTaskSamples; i < std::min((task + 1) * kTaskSamples, source_.size());
         ++i) {
      positions.push_back(i);
      targets.push_back(source_.label(i));
    }
    return {source_, std::move(positions), std::move(targets)};
  }
  // All classes in every task: what grows with the classes is not what is measured.
  void learn(int index, const Dataset& data) {
    Task task{.index = index, .classes = {}, .fresh = {}, .seen = {}, .names = {}, .train = &data};
    for (int64_t c = 0; c < kClasses; ++c) {
      task.classes.push_back(c);
      task.seen.push_back(c);
      if (index == 0) {
        task.fresh.push_back(c);
        task.names.push_back(source_.classes()[size_t(c)]);
      }
    }
    trainer_->learn(*learner_, task, grant_);
  }

  EndlessSource source_;
  Recipe recipe_;
  const Grant grant_{.task_id_at_train = true, .boundaries = true, .many_passes = true};
  std::unique_ptr<Backbone> backbone_;
  std::shared_ptr<FeatureStore> store_;
  SampleMemory memory_;
  std::unique_ptr<Feed> feed_;
  ThreadPool pool_;
  std::unique_ptr<Trainer> trainer_;
  std::unique_ptr<Learner> learner_;
};

int main_of(int argc, char** argv) try {
  int64_t samples = 1000000;
  const std::string_view count = argc == 3 ? argv[2] : "";
  if (argc < 2 || argc > 3 ||
      (argc == 3 &&
       (std::from_chars(count.data(), count.data() + count.size(), samples).ec != std::errc() ||
        samples < kTaskSamples || samples % kTaskSamples != 0)))
    fail(ErrorKind::usage, "long_stream FOLDER [SAMPLES, a multiple of {}]", kTaskSamples);
  if (fs::exists(argv[1])) fail(ErrorKind::usage, "{} exists", argv[1]);
  prepare_cpu(0);
  NoGrad no_grad;
  LongStream(samples, argv[1]).go();
  return 0;
} catch (const Error& error) {
  fmt::print(stderr, "long_stream: {}\n", error.what());
  return 2;
}

}  // namespace

}  // namespace patina::bench

int main(int argc, char** argv) {
  return patina::bench::main_of(argc, argv);
}
