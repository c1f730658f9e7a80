// Merging: sessions that learned apart and were merged predict what one session does that learned
// all of their samples.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "patina/data/views.h"
#include "patina/session/session.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/toy_world.h"

namespace patina {
namespace {

constexpr int64_t kOfClass = 12;
using Samples = std::vector<int64_t>;

// Sums cannot be compared if every session draws its own samples.
std::shared_ptr<const Source> shared_samples() {
  static const auto source = std::make_shared<const ToySource>(ToyWorld::kClasses, kOfClass, 1);
  return source;
}

// Samples `from` to `end` of each of some classes.
Samples share_of(const Samples& classes, int64_t from, int64_t end) {
  Samples chosen;
  std::map<int64_t, int64_t> met;
  for (int64_t i = 0; i < shared_samples()->size(); ++i) {
    const int64_t c = shared_samples()->label(i), of_class = met[c]++;
    if (std::ranges::count(classes, c) > 0 && of_class >= from && of_class < end)
      chosen.push_back(i);
  }
  return chosen;
}

struct MergeCase {
  std::string name, learner;
  Settings options;
  double tolerance = 1e-5;  // relative to the largest score
};

void PrintTo(const MergeCase& one, std::ostream* out) {
  *out << one.name;
}

Session session_for(const MergeCase& one, int64_t seed = 7) {
  EngineOptions engine;
  engine.precision = "fp32";
  return Session::create(
      kImages.network(one.learner),
      {.learner = one.learner, .options = one.options, .seed = seed, .engine = engine});
}

Session taught(const MergeCase& one, const std::vector<Samples>& tasks) {
  Session session = session_for(one);
  for (const auto& samples : tasks)
    session.learn(std::make_shared<Selection>(shared_samples(), samples));
  return session;
}

// Of other samples, by the names of the classes, and each sample's best class.
struct NamedScores {
  std::map<std::string, std::vector<double>> scores;
  std::vector<std::string> best;
  bool operator==(const NamedScores&) const = default;
};

NamedScores named_scores(const Session& session) {
  const ToySource asked(ToyWorld::kClasses, 4, 2);
  NamedScores all;
  for (const auto& sample : session.predict(asked, {.top = 100})) {
    all.best.push_back(sample.front().name);
    for (const auto& one : sample) all.scores[one.name].push_back(one.score);
  }
  return all;
}

void expect_alike(const MergeCase& one, const Session& found, const Session& wanted) {
  const NamedScores a = named_scores(found), b = named_scores(wanted);
  EXPECT_EQ(a.best, b.best);
  double apart = 0, largest = 0;
  ASSERT_EQ(a.scores.size(), b.scores.size());
  for (const auto& [name, scores] : b.scores) {
    ASSERT_TRUE(a.scores.contains(name)) << name;
    for (size_t i = 0; i < scores.size(); ++i) {
      apart = std::max(apart, std::abs(a.scores.at(name)[i] - scores[i]));
      largest = std::max(largest, std::abs(scores[i]));
    }
  }
  EXPECT_LT(apart, one.tolerance * largest);
}

class Merging : public testing::TestWithParam<MergeCase> {};

TEST_P(Merging, OfDifferentClassesIsOneSessionOfAll) {
  const Samples a = share_of({0, 3}, 0, 12), b = share_of({1, 5}, 0, 12);
  Session merged = taught(GetParam(), {a});
  merged.merge(taught(GetParam(), {b}));
  EXPECT_EQ(merged.classes(), (std::vector<std::string>{"toy 0", "toy 3", "toy 1", "toy 5"}));
  EXPECT_EQ(merged.tasks(), 2);
  expect_alike(GetParam(), merged, taught(GetParam(), {share_of({0, 1, 3, 5}, 0, 12)}));
}

TEST_P(Merging, OfClassesInBothIsOneSessionOfAll) {
  Samples a = share_of({0, 1, 2, 3}, 0, 5), b = share_of({5, 2, 3}, 5, 12);
  const Samples single = share_of({4}, 0, 1), others = share_of({4}, 1, 6);
  a.insert(a.end(), single.begin(), single.end());  // one sample has no covariance
  b.insert(b.end(), others.begin(), others.end());
  Samples all = a;
  all.insert(all.end(), b.begin(), b.end());
  Session merged = taught(GetParam(), {a});
  merged.merge(taught(GetParam(), {b}));
  expect_alike(GetParam(), merged, taught(GetParam(), {all}));
}

TEST_P(Merging, OfThreePartsHasNoOrder) {
  const std::vector<Samples> parts = {share_of({0, 1, 2, 3, 4, 5}, 0, 2),
                                      share_of({1, 2, 4}, 2, 12), share_of({0, 2, 3}, 2, 8)};
  Samples all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  const Session wanted = taught(GetParam(), {all});
  std::vector<size_t> order = {0, 1, 2};
  do {
    Session merged = session_for(GetParam());  // which knows nothing yet
    for (const size_t i : order) merged.merge(taught(GetParam(), {parts[i]}));
    expect_alike(GetParam(), merged, wanted);
  } while (std::ranges::next_permutation(order).found);
  // What two made of their parts is a part again.
  Session last = taught(GetParam(), {parts[1]}), merged = taught(GetParam(), {parts[0]});
  last.merge(taught(GetParam(), {parts[2]}));
  merged.merge(last);
  expect_alike(GetParam(), merged, wanted);
}

TEST_P(Merging, IsSavedAndLearnsOn) {
  const Samples a = share_of({0, 1}, 0, 6), b = share_of({2, 1}, 6, 12),
                later = share_of({4, 5}, 0, 9);
  Session merged = taught(GetParam(), {a});
  merged.merge(taught(GetParam(), {b}));
  const auto path = scratch_folder("merge") / (GetParam().name + ".patina");
  merged.save(path);
  OpenOptions options;
  options.backbone = kImages.network(GetParam().learner);
  options.engine.precision = "fp32";
  Session again = Session::open(path, std::move(options));
  EXPECT_EQ(named_scores(again), named_scores(merged)) << "the same bits";
  again.learn(std::make_shared<Selection>(shared_samples(), later));
  Samples all = a;
  all.insert(all.end(), b.begin(), b.end());
  expect_alike(GetParam(), again, taught(GetParam(), {all, later}));
}

TEST_P(Merging, RefusesOtherSettingsAndTheSameSamples) {
  const Samples a = share_of({0, 1}, 0, 6);
  Session session = taught(GetParam(), {a});
  const auto before = named_scores(session);
  const auto refused = [&](const Session& other) {
    return error_of(ErrorKind::usage, [&] { session.merge(other); });
  };
  EXPECT_TRUE(contains(refused(session_for(GetParam(), 8)), "seed is 7 in one and 8 in the other"));
  EXPECT_TRUE(contains(refused(taught(GetParam(), {a})), "count twice"));
  EXPECT_TRUE(contains(refused(session), "count twice"));
  EXPECT_EQ(named_scores(session), before);
}

INSTANTIATE_TEST_SUITE_P(
    Learners, Merging,
    testing::Values(
        MergeCase{"simplecil", "simplecil", {}, 1e-6}, MergeCase{"fecam", "fecam", {}},
        MergeCase{
            "fecam_off_diagonal", "fecam", {{"shrinkage", 2.0}, {"off_diagonal_shrinkage", 0.5}}},
        MergeCase{"fecam_pilot", "fecam", {{"compat", "pilot"}}},
        MergeCase{"ranpac_of_few_samples",
                  "ranpac",
                  {{"adaptation", "none"}, {"projection", 200}, {"grid_low", 0}, {"grid_high", 0}}},
        // Some parts have more samples than dimensions, others fewer.
        MergeCase{"ranpac_of_many_samples",
                  "ranpac",
                  {{"adaptation", "none"}, {"projection", 20}, {"grid_low", 0}, {"grid_high", 0}}},
        MergeCase{"recursive_ridge", "recursive_ridge", {{"projection", 40}, {"penalty", 2.0}}},
        MergeCase{"rail", "rail", {{"projection", 20}}},
        MergeCase{"rail_dual", "rail", {{"form", "dual"}}}),
    [](const auto& test) { return test.param.name; });

// No sum is rounded: classes apart are those of the same tasks in one session, bit for bit.
TEST(MergingOfClasses, KeepsTheBits) {
  for (const std::string learner : {"simplecil", "fecam"}) {
    const MergeCase one{learner, learner, {}};
    const Samples a = share_of({0, 3}, 0, 12), b = share_of({1, 5}, 0, 12);
    Session merged = taught(one, {a});
    merged.merge(taught(one, {b}));
    EXPECT_EQ(named_scores(merged), named_scores(taught(one, {a, b}))) << learner;
    merged.forget("toy 3");
    merged.merge(taught(one, {share_of({3}, 0, 4)}));
    EXPECT_EQ(named_scores(merged),
              named_scores(taught(one, {share_of({0}, 0, 12), b, share_of({3}, 0, 4)})))
        << learner;
  }
}

TEST(MergingOfOthers, IsRefusedWithTheReason) {
  const auto refused = [](const MergeCase& one, const Session& other) {
    Session session = taught(one, {share_of({0, 1}, 0, 6)});
    return error_of(ErrorKind::usage, [&] { session.merge(other); });
  };
  const Samples b = share_of({2, 3}, 0, 6);
  const MergeCase slda{"", "slda", {}}, wise{"", "heads", {}}, ranpac{"", "ranpac", {}},
      few{"", "ranpac", {{"adaptation", "none"}, {"projection", 30}}},
      more{"", "ranpac", {{"adaptation", "none"}, {"projection", 40}}}, simple{"", "simplecil", {}};
  const std::string order = refused(slda, taught(slda, {b}));
  EXPECT_TRUE(contains(order, "slda") && contains(order, "depends on their order")) << order;
  const std::string plain = refused(wise, taught(wise, {b}));
  EXPECT_TRUE(contains(plain, "heads") && contains(plain, "not a sum over samples")) << plain;
  EXPECT_TRUE(contains(refused(ranpac, taught(ranpac, {b})), "learner.adaptation = \"none\""));
  EXPECT_TRUE(contains(refused(few, taught(more, {b})), "learner.projection is 30"));
  EXPECT_TRUE(contains(refused(simple, taught(few, {b})), "simplecil"));
  const Session elsewhere = Session::create(kImages.network("rail"), {.seed = 7});
  EXPECT_TRUE(contains(refused(simple, elsewhere), "their weights differ"));
}

}  // namespace
}  // namespace patina
