// Guarantees of every learner, checked over the registry on a tiny ViT and a toy stream of three
// tasks. There is no code per method: a new line in learners.def is a new row of every test here.
// How well methods learn is tested in learning_test.cc.
#include <gtest/gtest.h>

#include <atomic>
#include <set>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/config/recipe_file.h"
#include "patina/data/sample_access.h"
#include "patina/ops.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/stopped_runs.h"
#include "tests/support/toy_world.h"

namespace patina {
namespace {

constexpr int64_t kEpochs = 4;
// For a run that is stopped after every step: like a longer one it has first, middle and last steps
// of a first and of a last epoch, and of every task.
constexpr int64_t kFewEpochs = 2;

Json run_toy(const std::string& learner, const fs::path& where, const RunControl& control = {},
             int64_t epochs = kEpochs, int64_t seed = 7) {
  Recipe recipe = toy_recipe(learner, epochs);
  recipe.seed = seed;
  const DataSplits data = world_of(learner).data();
  const auto network = world_of(learner).network(learner);
  return run(recipe, data, *network, where, control);
}

auto toy_runner(const std::string& learner, const fs::path& where, int64_t epochs = kEpochs) {
  return [=](const RunControl& control) { return run_toy(learner, where, control, epochs); };
}

fs::path fresh_folder(const std::string& learner, const std::string& what) {
  return scratch_folder("conformance-" + learner) / what;
}

// A learner's undisturbed run, made once and compared with others by several tests.
struct Undisturbed : WholeRun {
  fs::path folder;
};
const Undisturbed& undisturbed(const std::string& learner, int64_t epochs = kEpochs) {
  static std::map<std::pair<std::string, int64_t>, Undisturbed> made;
  const auto found = made.find({learner, epochs});
  if (found != made.end()) return found->second;
  const fs::path where =
      scratch_folder(fmt::format("conformance-{}-{}-epochs", learner, epochs)) / "run";
  const WholeRun whole = run_whole(toy_runner(learner, where, epochs), where, {.data_threads = 1});
  return made[{learner, epochs}] = {whole, where};
}

class Conformance : public testing::TestWithParam<std::string> {
 protected:
  const LearnerRow& row() const { return *find_learner(GetParam()); }
  bool knows_names() const { return row().network == Network::clip; }

  // Tasks that were not learned yet can be evaluated by their classes' names only.
  void expect_entries(const Json& matrix) const {
    for (int after = 0; after <= ToyWorld::kTasks; ++after)
      for (int task = 0; task < ToyWorld::kTasks; ++task)
        EXPECT_EQ(matrix[size_t(after)][size_t(task)].is_null(), task >= after && !knows_names())
            << "task " << task + 1 << " after " << after;
  }
};

TEST_P(Conformance, same_seed_same_bits) {
  const auto& first = undisturbed(GetParam());
  EXPECT_EQ(first.record["status"], "complete");
  for (const char* name : {"matrix", "top5_matrix"}) expect_entries(first.record[name]);
  for (const char* name :
       {"forward_transfer", "zero_shot_transfer", "mtil_average", "forward_transfer_no_baseline"})
    EXPECT_EQ(first.record["metrics"][name].is_null(), !knows_names()) << name;
  const fs::path where = fresh_folder(GetParam(), "second");
  const Json second = run_toy(GetParam(), where, {.data_threads = 3});
  EXPECT_EQ(first.record["matrix"], second["matrix"]);
  EXPECT_EQ(first.learned, learned(where));
}

TEST_P(Conformance, resumes_after_every_step_to_the_same_bits) {
  const auto& whole = undisturbed(GetParam(), kFewEpochs);
  const fs::path where = fresh_folder(GetParam(), "pieces");
  const auto [pieces, stops] = run_in_pieces(toy_runner(GetParam(), where, kFewEpochs), 1);
  EXPECT_EQ(stops, whole.asks);
  EXPECT_GE(stops, ToyWorld::kTasks - 1);  // a closed form has no steps, only tasks
  EXPECT_EQ(whole.record["matrix"], pieces["matrix"]);
  EXPECT_EQ(whole.learned, learned(where));
}

// From then on in one piece: through the rest of a task and the whole of another.
TEST_P(Conformance, resumes_from_the_checkpoint_before_a_damaged_one) {
  const auto& whole = undisturbed(GetParam());
  const fs::path where = fresh_folder(GetParam(), "damaged");
  const Json record = run_over_damage(toy_runner(GetParam(), where), where, whole.asks);
  EXPECT_EQ(whole.record["matrix"], record["matrix"]);
  EXPECT_EQ(whole.learned, learned(where));
}

TEST_P(Conformance, refuses_a_folder_that_holds_another_run) {
  const fs::path& taken = undisturbed(GetParam()).folder;
  EXPECT_TRUE(contains(error_of([&] { run_toy(GetParam(), taken); }), "--resume"));
  const std::string text =
      error_of([&] { run_toy(GetParam(), taken, {.mode = RunMode::resume}, kEpochs, /*seed=*/8); });
  EXPECT_TRUE(contains(text, "seed = 7") && contains(text, "seed = 8")) << text;
  EXPECT_EQ(learned(taken), undisturbed(GetParam()).learned);
}

// Which samples were decoded.
struct Touched {
  virtual ~Touched() = default;
  int64_t untouch() const {  // how many were
    int64_t count = 0;
    for (auto& flag : touched) count += flag.exchange(false);
    return count;
  }
  mutable std::array<std::atomic<bool>, 1024> touched{};
};
class WatchedImages : public ToySource, public Touched {
 public:
  using ToySource::ToySource;
  Image image(int64_t i) const override {
    touched[size_t(i)] = true;
    return ToySource::image(i);
  }
};
class WatchedTexts : public ToyTexts, public Touched {
 public:
  using ToyTexts::ToyTexts;
  Text text(int64_t i) const override {
    touched[size_t(i)] = true;
    return ToyTexts::text(i);
  }
};
template <class Watched>
DataSplits watched() {
  return {"toy", std::make_unique<Watched>(ToyWorld::kClasses, 12, 1),
          std::make_unique<Watched>(ToyWorld::kClasses, 6, 2)};
}

// The tensors that an optimizer is given, and which of them and of the network's a loss reaches.
class GradientWatch {
 public:
  void look(Learner& learner, Backbone& network) {
    std::set<const void*> handed;
    // A language model's head for words is no part of its features.
    for (const auto& item : nn::tensors(network))
      if (item.name.starts_with("word_head.")) reached_[item.tensor.unsafeGetTensorImpl()] = true;
    for (const auto& group : learner.trainable())
      for (const auto& tensor : group.tensors) {
        EXPECT_TRUE(tensor.requires_grad()) << shape_text(tensor.sizes());
        handed.insert(tensor.data_ptr());
        bool& reached = reached_[tensor.unsafeGetTensorImpl()];
        kept_.push_back(tensor);
        if (tensor.numel() == 0) reached = true;
        if (tensor.numel() > 0 && tensor.grad().defined() &&
            tensor.grad().abs().max().item<float>() > 0)
          reached = true;
      }
    for (const auto& item : nn::tensors(network))
      if (item.tensor.requires_grad() && item.tensor.grad().defined() &&
          !handed.count(item.tensor.data_ptr()))
        unread_.insert(item.name);
  }
  const std::set<std::string>& unread() const { return unread_; }
  std::vector<std::string> unreached() const {
    std::vector<std::string> shapes;
    for (const auto& tensor : kept_)
      if (!reached_.at(tensor.unsafeGetTensorImpl())) shapes.push_back(shape_text(tensor.sizes()));
    return shapes;
  }

 private:
  std::map<const void*, bool> reached_;
  std::vector<Tensor> kept_;  // so that no address is used twice
  std::set<std::string> unread_;
};

// One pass over the stream, inspected after every step and task. Of earlier tasks, a learner with a
// memory reads as many samples as it may store: one per class.
TEST_P(Conformance, reads_trains_and_scores_only_what_it_may) {
  constexpr int64_t kMemory = ToyWorld::kClasses;
  std::function<void()> look;
  const auto network = kImages.network(GetParam());
  ToyDrive drive(GetParam(), toy_recipe(GetParam(), kEpochs, kMemory),
                 reads_texts(GetParam())        ? watched<WatchedTexts>()
                 : learns_questions(GetParam()) ? watched<Asked<WatchedImages>>()
                                                : watched<WatchedImages>(),
                 *network, [&] { look(); });
  const int64_t samples = drive.data.train->size();
  const auto& train = dynamic_cast<const Touched&>(*drive.data.train);
  const auto& test = dynamic_cast<const Touched&>(*drive.data.test);
  FrozenWatch frozen(*network);
  std::set<int64_t> allowed;
  while (const auto task = drive.stream.next()) {
    GradientWatch gradients;
    look = [&] {
      frozen.note();
      gradients.look(*drive.learner, *network);
    };
    if (!row().needs.past_data) allowed.clear();
    for (int64_t i = 0; i < task->train->size(); ++i)
      allowed.insert(SampleAccess::position(*task->train, i));
    train.untouch();
    test.untouch();
    drive.learn(*task);

    const auto at = fmt::format("task {}", task->index + 1);
    int64_t others = 0;
    for (int64_t i = 0; i < samples; ++i) others += train.touched[size_t(i)] && !allowed.count(i);
    EXPECT_LE(others, row().keeps_samples ? task->index * kMemory : 0) << at;
    EXPECT_EQ(test.untouch(), 0) << at << ": test samples were read";
    EXPECT_EQ(frozen.broken(), std::vector<std::string>{}) << at << ": frozen, and changed";
    EXPECT_EQ(gradients.unread(), std::set<std::string>{}) << at << ": no optimizer reads these";
    EXPECT_EQ(gradients.unreached(), std::vector<std::string>{}) << at << ": no loss reaches these";

    const Question batch = drive.question(drive.test_batch(0), 0);
    const Tensor together = drive.learner->scores(batch);
    ASSERT_EQ(together.dim(), 2);
    EXPECT_EQ(together.size(0), batch.size());
    EXPECT_EQ(together.size(1), int64_t(task->seen.size()));
    EXPECT_FALSE(together.requires_grad());
    EXPECT_TRUE(at::equal(together, drive.learner->scores(batch))) << "scoring has a side effect";
    for (const int64_t i : {int64_t{0}, batch.size() - 1}) {
      EXPECT_LT(
          relative_error(drive.learner->scores(batch.slice(i, i + 1)), together.slice(0, i, i + 1)),
          1e-4);
    }
  }
}

TEST_P(Conformance, says_what_it_is) {
  EXPECT_FALSE(row().paper.empty());
  EXPECT_FALSE(row().about.empty());
  const auto options = row().options();
  const std::string toml = to_toml(*options);
  auto file = RecipeFile::parse(toml, "defaults.toml");  // the defaults are allowed values
  file.bind(*options);
  EXPECT_EQ(error_of([&] { file.finish(); }), "");
}

INSTANTIATE_TEST_SUITE_P(Learners, Conformance, testing::ValuesIn(classifier_names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace patina
