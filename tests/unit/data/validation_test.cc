// Samples held out for validation: of every class, in place of the test split, which nobody reads.
#include <atomic>
#include <set>

#include "patina/config/recipe_file.h"
#include "patina/data/catalog.h"
#include "patina/data/prepared.h"
#include "tests/support/data_files.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/toy_source.h"

namespace patina {
namespace {

using Counts = std::vector<int64_t>;

DataOptions holding_out(double percent, const std::string& domains = "") {
  DataOptions options;
  options.name = "toy";
  options.validation_percent = percent;
  options.domains = domains;
  options.domain_count = 3;
  return options;
}

// The images of a source, without the domain that "toy[17] (permutation 1)" names.
std::set<std::string> images_of(const Source& source) {
  std::set<std::string> images;
  for (int64_t i = 0; i < source.size(); ++i)
    images.insert(source.origin(i).substr(0, source.origin(i).find(' ')));
  return images;
}

std::vector<std::string> origins_of(const Source& source) {
  std::vector<std::string> origins;
  for (int64_t i = 0; i < source.size(); ++i) origins.push_back(source.origin(i));
  return origins;
}

bool disjoint(const std::set<std::string>& one, const std::set<std::string>& other) {
  return std::ranges::none_of(one, [&](const auto& item) { return other.contains(item); });
}

// Counts whatever is asked of it.
class Watched : public ToySource {
 public:
  Watched(std::atomic<int>& asked) : ToySource(4, 5), asked_(asked) {}
  int64_t size() const override { return ++asked_, ToySource::size(); }
  int64_t label(int64_t i) const override { return ++asked_, ToySource::label(i); }
  Image image(int64_t i) const override { return ++asked_, ToySource::image(i); }
  std::string origin(int64_t i) const override { return ++asked_, ToySource::origin(i); }
  Fingerprint fingerprint(int64_t i) const override { return ++asked_, ToySource::fingerprint(i); }
  uint64_t mark(int64_t i) const override { return ++asked_, ToySource::mark(i); }
  const std::vector<std::string>& classes() const override {
    return ++asked_, ToySource::classes();
  }

 private:
  std::atomic<int>& asked_;
};

TEST(Validation, HoldsOutAPartOfEveryClass) {
  const auto data = prepared(toy_data(4, 25, 5), holding_out(20));
  EXPECT_EQ(data.evaluated_on, "validation");
  EXPECT_EQ(count_labels(*data.train), Counts(4, 20));
  EXPECT_EQ(count_labels(*data.test), Counts(4, 5));
  const auto train = images_of(*data.train), held = images_of(*data.test);
  EXPECT_TRUE(disjoint(train, held));
  EXPECT_EQ(train.size() + held.size(), 100u) << "nothing is lost";
  EXPECT_TRUE(std::ranges::all_of(origins_of(*data.train), [](const std::string& origin) {
    return origin.starts_with("toy[");
  }));
  EXPECT_EQ(prepared(toy_data(4, 25, 5), holding_out(0)).evaluated_on, "test");
}

TEST(Validation, RoundsButTakesOneAndLeavesOne) {
  const auto held = [](int64_t samples, double percent) {
    return count_labels(*prepared(toy_data(2, samples, 1), holding_out(percent)).test)[0];
  };
  EXPECT_EQ(held(25, 10), 3);
  EXPECT_EQ(held(24, 10), 2);
  EXPECT_EQ(held(4, 10), 1);
  EXPECT_EQ(held(2, 99), 1);
  EXPECT_EQ(held(4, 99), 3);
}

TEST(Validation, TheTestSplitIsNotAskedForAnything) {
  std::atomic<int> asked = 0;
  for (const char* domains : {"", "permuted"}) {
    DataSplits splits = {"toy", std::make_unique<ToySource>(4, 10),
                         std::make_unique<Watched>(asked)};
    auto options = holding_out(10, domains);
    options.test_per_class = 1;
    options.train_per_class = 8;
    const auto data = prepared(std::move(splits), options);
    EXPECT_EQ(asked, 0);
    for (int64_t i = 0; i < data.test->size(); ++i) (void)data.test->image(i);
    EXPECT_EQ(asked, 0);
  }
  prepared({"toy", std::make_unique<ToySource>(4, 10), std::make_unique<Watched>(asked)},
           holding_out(0));
  EXPECT_GT(asked, 0) << "what this test counts is what a test split is asked for";
}

TEST(Validation, DependsOnTheSplitSeedAndTheClassAlone) {
  const auto held = [](const DataOptions& options, int64_t classes = 4) {
    return images_of(*prepared(toy_data(classes, 25, 5), options).test);
  };
  auto options = holding_out(20);
  const auto first = held(options);
  EXPECT_EQ(held(options), first);
  options.domain_seed = 7;
  options.test_per_class = 2;
  EXPECT_EQ(held(options), first);
  options.split_seed = 7;
  EXPECT_NE(held(options), first);
}

TEST(Validation, IsOfTheSamplesThatWouldBeTrainedOn) {
  auto options = holding_out(10);
  options.train_per_class = 20;
  const auto limited = prepared(toy_data(4, 50, 5), options);
  EXPECT_EQ(count_labels(*limited.train), Counts(4, 18));
  for (const auto& image : images_of(*limited.test))
    EXPECT_LT(std::stoi(image.substr(4)), 80) << "of the first 20 of each class";
  options = holding_out(10);
  options.imbalance = 0.1;
  const auto tail = prepared(toy_data(4, 100, 5), options);
  EXPECT_EQ(count_labels(*tail.test), (Counts{10, 5, 2, 1}));
}

TEST(Validation, AnImageIsHeldOutOfEveryDomain) {
  for (const char* domains : {"permuted", "rotated"}) {
    SCOPED_TRACE(domains);
    const auto data = prepared(toy_data(4, 25, 5), holding_out(20, domains));
    EXPECT_EQ(count_domains(*data.test), std::vector<Counts>(3, Counts(4, 5)));
    EXPECT_TRUE(disjoint(images_of(*data.train), images_of(*data.test)));
  }
}

TEST(Validation, IsOfTheSamplesDrawnOfEachDomain) {
  auto options = holding_out(20, "permuted");
  options.train_per_domain = 40;
  const auto all = [&] {
    auto tested = options;
    tested.validation_percent = 0;
    return origins_of(*prepared(toy_data(4, 25, 5), tested).train);
  }();
  const auto data = prepared(toy_data(4, 25, 5), options);
  auto both = origins_of(*data.train);
  const auto held = origins_of(*data.test);
  EXPECT_FALSE(held.empty());
  both.insert(both.end(), held.begin(), held.end());
  EXPECT_EQ(std::multiset(both.begin(), both.end()), std::multiset(all.begin(), all.end()));
  EXPECT_TRUE(disjoint(images_of(*data.train), images_of(*data.test)));
}

TEST(Validation, IsOfEveryClassInEveryDomain) {
  const auto domains = [](int64_t per_class) {
    return DataSplits{"toy", std::make_unique<ToyDomains>(3, per_class),
                      std::make_unique<ToyDomains>(3, 2)};
  };
  EXPECT_EQ(count_domains(*prepared(domains(20), holding_out(10)).test),
            std::vector<Counts>(2, Counts(3, 1)));
  EXPECT_EQ(
      error_of(ErrorKind::data, [&] { prepared(domains(2), holding_out(10)); }),
      "data.validation_percent = 10 holds out no sample of class \"toy 0\", which has too few "
      "(training samples: 2); use more samples of it, a larger percentage, or 0")
      << "one in each domain";
}

TEST(Validation, RefusesAClassThatIsTooSmall) {
  EXPECT_EQ(error_of(ErrorKind::data,
                     [] {
                       auto options = holding_out(5);
                       options.train_per_class = 1;
                       prepared(toy_data(4, 25, 5), options);
                     }),
            "data.validation_percent = 5 holds out no sample of class \"toy 0\", which has too few "
            "(training samples: 1); use more samples of it, a larger percentage, or 0");
  EXPECT_TRUE(contains(error_of(ErrorKind::data,
                                [] {
                                  auto options = holding_out(5, "permuted");
                                  options.train_per_domain = 12;
                                  options.domain_count = 40;
                                  prepared(toy_data(2, 100, 5), options);
                                }),
                       "holds out no sample of domain \"permutation "));
}

TEST(Validation, FoldersAreNotDecodedForIt) {
  const auto folder = scratch_folder("validation-folder");
  for (const char* name : {"a", "b"}) {
    write_images(folder / "train" / name, 10);
    write(folder / "test" / name / "0.png", {1, 2, 3});
  }
  DataOptions options;
  options.name = "folder";
  options.path = folder.string();
  options.skip_bad_images = true;
  options.validation_percent = 20;
  write(folder / "train/a/bad.png", {1, 2, 3});
  const auto data = open_data(options);
  EXPECT_EQ(count_labels(*data.test), Counts(2, 2));
  EXPECT_EQ(count_labels(*data.train), Counts(2, 8));
  EXPECT_EQ(data.train->skipped() + data.test->skipped(), 1)
      << "the damaged training image, once, and none of the test images";
  for (int64_t i = 0; i < data.test->size(); ++i)
    EXPECT_TRUE(contains(data.test->origin(i), "/train/"));
  options.validation_percent = 0;
  EXPECT_TRUE(contains(error_of([&] { open_data(options); }), "test split: class \"a\" has no"));
}

TEST(Validation, TextsHaveItToo) {
  const auto folder = scratch_folder("validation-texts");
  std::string lines;
  for (int i = 0; i < 20; ++i)
    lines +=
        fmt::format("{{\"text\": \"text {}\", \"label\": \"{}\"}}\n", i, i % 2 ? "odd" : "even");
  write_text(folder / "train.jsonl", lines);
  write_text(folder / "test.jsonl", "{\"text\": \"one\", \"label\": \"odd\"}\n");
  DataOptions options;
  options.name = "text";
  options.path = folder.string();
  EXPECT_TRUE(contains(error_of([&] { open_data(options); }), "class \"even\" has no texts"));
  options.validation_percent = 20;
  const auto data = open_data(options);
  EXPECT_EQ(count_labels(*data.train), Counts(2, 8));
  EXPECT_EQ(count_labels(*data.test), Counts(2, 2));
  EXPECT_TRUE(data.test->is_text());
}

TEST(Validation, ItsPercentageIsChecked) {
  const auto error = [](const char* value) {
    DataOptions options;
    return error_of([&] {
      auto file = RecipeFile::parse(fmt::format("validation_percent = {}", value), "r.toml");
      file.bind(options);
      file.finish();
    });
  };
  EXPECT_EQ(error("12.5"), "");
  EXPECT_EQ(error("100"), "r.toml:1: validation_percent: must be in [0, 100), is 100");
  EXPECT_TRUE(contains(error("-1"), "must be in [0, 100)"));
}

}  // namespace
}  // namespace patina
