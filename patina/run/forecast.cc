#include "patina/run/forecast.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include "patina/base/error.h"
#include "patina/base/work.h"
#include "patina/run/machine.h"
#include "patina/run/run.h"
#include "patina/session/rig.h"

namespace patina {

namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// What was seen of the first task: the seconds of a step, after the first ones, which also
// allocate; and of the whole task, if it ended within the limit.
struct FirstTask {
  std::optional<double> step, whole;
};

class Attempt {
 public:
  explicit Attempt(double limit) : limit_(limit) {}

  // Between two steps, and between two batches of a closed form.
  bool late() const { return since(begin_) > limit_; }
  void count_step() {
    if (++steps_ == kFirst) warm_ = Clock::now();
    if (steps_ > kFirst && late()) fail(ErrorKind::stopped, "tried long enough");
  }

  FirstTask learn(Rig& rig, const Task& task, const Grant& grant) {
    begin_ = Clock::now();
    FirstTask took;
    try {
      rig.trainer().learn(rig.learner(), task, grant);
      took.whole = since(begin_);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::stopped || !late()) throw;  // the caller stopped it
    }
    if (steps_ > kFirst) took.step = since(warm_) / (steps_ - kFirst);
    return took;
  }

 private:
  static constexpr int kFirst = 2;
  double limit_;
  int steps_ = 0;
  Clock::time_point begin_ = Clock::now(), warm_ = begin_;
};

int64_t steps_of(const TrainingOptions& training, const Grant& grant, int64_t samples) {
  const int64_t a_pass = (samples + training.batch_size - 1) / training.batch_size;
  return a_pass * (grant.many_passes ? training.epochs : 1);
}

// The seconds of a sample's features; nothing without samples.
std::optional<double> time_of_features(Rig& rig, const Backbone& backbone, const Dataset& data) {
  constexpr int64_t kTried = 256;
  std::vector<int64_t> first(size_t(std::min(kTried, data.size())));
  if (first.empty()) return std::nullopt;
  std::iota(first.begin(), first.end(), int64_t{0});
  const auto begin = Clock::now();
  rig.trainer().features(backbone, data.select(first));
  return since(begin) / double(first.size());
}

std::vector<Forecast::Part> parts_of(const Scenario& scenario) {
  std::vector<Forecast::Part> parts;
  for (int task = 0; task < scenario.tasks(); ++task)
    parts.push_back({.name = scenario.task_name(task),
                     .classes = int64_t(scenario.task_classes(task).size()),
                     .fresh = int64_t(scenario.fresh_classes(task).size()),
                     .train = scenario.train(task).size(),
                     .test = scenario.test(task).size()});
  return parts;
}

}  // namespace

Forecast forecast(Recipe& recipe, double seconds) {
  Attempt attempt(seconds);
  Work work(current_work() ? current_work()->observer : nullptr);
  const auto should_stop = current_work() ? current_work()->should_stop : nullptr;
  const WorkScope scope(&work);

  const bool generates = recipe.learner.row().generates;
  const DataSplits data = open_data(recipe.data);
  const auto backbone = backbone_of(recipe);
  const Scenario scenario = granted_scenario(recipe, data);
  backbone->to(place_of(recipe.engine.device));
  backbone->set_engine(make_engine(recipe.engine));
  RigOptions options = rig_options(recipe, scenario.grant());
  options.images = std::make_shared<ImageCache>(recipe.engine.image_cache_bytes);
  options.between_steps = [&] { attempt.count_step(); };
  Rig rig(*backbone, *data.train, *data.test, options);

  Forecast expected{.network = backbone->about(),
                    .parameters = nn::count(nn::tensors(*backbone)),
                    .scenario = scenario.name(),
                    .grant = scenario.grant(),
                    .parts = parts_of(scenario)};
  std::optional<double> scored;
  // Texts that are answered are scored by probes, whose time is another.
  if (!generates) scored = time_of_features(rig, *backbone, scenario.test(0));
  Stream stream = scenario.stream();
  const auto first = stream.next();
  PATINA_CHECK(first, "a stream without tasks");
  rig.show(scenario.train(0));
  work.should_stop = [&] { return attempt.late() || (should_stop && should_stop()); };
  const FirstTask took = attempt.learn(rig, *first, scenario.grant());

  int64_t samples = 0, seen_tests = 0, asked = 0;
  for (const auto& part : expected.parts) {
    expected.steps += steps_of(recipe.training, scenario.grant(), part.train);
    samples += part.train;
    asked += seen_tests += part.test;
  }
  if (took.whole && expected.parts[0].train > 0)
    expected.learning = *took.whole * double(samples) / double(expected.parts[0].train);
  else if (took.step)
    expected.learning = *took.step * double(expected.steps);
  else if (scored)
    expected.learning = *scored * double(samples);  // a closed form reads every sample once
  if (scored) expected.evaluation = *scored * double(asked);
  expected.memory_bytes = peak_memory_bytes();
  return expected;
}

}  // namespace patina
