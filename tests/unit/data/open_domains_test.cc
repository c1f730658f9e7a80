// Opening data of several domains: sets joined by name, folders of domains, the options that make
// and cut domains, and every error.
#include <set>

#include "patina/config/recipe_file.h"
#include "patina/data/catalog.h"
#include "tests/support/data_files.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

using Strings = std::vector<std::string>;
using Counts = std::vector<int64_t>;

// ---- joined sets by name

// Twenty 4x4 images in ten classes, or `empty` without its images.
void write_usps(const fs::path& folder, int empty = -1) {
  for (const std::string split : {"usps-train", "usps-test"}) {
    Bytes labels, pixels;
    for (uint8_t i = 0; i < 20; ++i)
      if (i % 10 != empty) {
        labels.push_back(i % 10);
        pixels.insert(pixels.end(), 16, uint8_t(100 + i));
      }
    const auto count = uint32_t(labels.size());
    write(folder / (split + "-images-idx3-ubyte"), idx(8, {count, 4, 4}, pixels));
    write(folder / (split + "-labels-idx1-ubyte"), idx(8, {count}, labels));
  }
}

DataOptions digits_of(const fs::path& folder) {
  DataOptions options;
  options.name = "mnist+usps";
  options.path = folder.string();
  return options;
}

TEST(JoinedSets, AreFoundInOneFolder) {
  const auto folder = scratch_folder("digits");
  write_mnist(folder / "mnist", true);
  EXPECT_TRUE(contains(error_of([&] { open_data(digits_of(folder)); }),
                       "data set usps not found; searched\n  " + (folder / "usps").string()));
  write_usps(folder / "usps");
  const auto data = open_data(digits_of(folder));
  EXPECT_EQ(data.name, "mnist+usps");
  EXPECT_EQ(data.train->domains(), (Strings{"mnist", "usps"}));
  EXPECT_EQ(count_domains(*data.train), (std::vector<Counts>{Counts(10, 2), Counts(10, 2)}));
  EXPECT_EQ(data.test->image(20 + 13).pixels[0], 113);

  ::setenv("PATINA_DATA", folder.c_str(), 1);
  EXPECT_EQ(open_data({.name = "usps+mnist"}).train->domains(), (Strings{"usps", "mnist"}));
  ::unsetenv("PATINA_DATA");

  auto apart = digits_of(folder);
  apart.shared_classes = false;
  EXPECT_EQ(open_data(apart).train->classes().at(13), "usps: 3");

  write_usps(folder / "usps", 6);
  EXPECT_TRUE(contains(error_of([&] { open_data(digits_of(folder)); }),
                       "usps, train split: class \"6\" has no images"))
      << "though mnist has some";
}

TEST(JoinedSets, ShareAFolderWhereSetsDo) {
  const auto folder = scratch_folder("five");
  for (const std::string name : {"agnews", "yelp"}) {
    const auto shelf = folder / "five_textcls";
    const std::string line = "{\"text\": \"" + name + "\", \"label\": 0}\n";
    fs::create_directories(shelf);
    write_text(shelf / (name + ".train.jsonl"), line);
    write_text(shelf / (name + ".test.jsonl"), line);
    write_text(shelf / (name + ".labels.json"), "[\"class of " + name + "\"]");
  }
  DataOptions options;
  options.name = "agnews+yelp";
  options.path = folder.string();
  const auto data = open_data(options);
  EXPECT_EQ(data.train->classes(), (Strings{"class of agnews", "class of yelp"}));
  EXPECT_EQ(data.train->text(1).first, "yelp");
  EXPECT_EQ(data.train->domain(1), 1);

  write_usps(folder / "usps");
  options.name = "yelp+usps";
  EXPECT_TRUE(contains(error_of([&] { open_data(options); }), "yelp has texts, usps has images"));
}

TEST(JoinedSets, LimitsCutEachDomain) {
  const auto folder = scratch_folder("digits");
  write_mnist(folder / "mnist", false);
  write_usps(folder / "usps");
  auto options = digits_of(folder);
  options.train_per_class = 1;
  const auto data = open_data(options);
  EXPECT_EQ(data.train->domains(), (Strings{"mnist", "usps"}));
  EXPECT_EQ(count_domains(*data.train), (std::vector<Counts>{Counts(10, 1), Counts(10, 1)}));
  EXPECT_EQ(data.train->image(13).pixels[0], 103) << "the first of its class";
  EXPECT_EQ(data.test->size(), 40);
}

// ---- options

TEST(DomainOptions, ContradictionsAreNamed) {
  const auto error = [](std::string_view text) {
    DataOptions options;
    return error_of([&] {
      auto file = RecipeFile::parse(text, "r.toml");
      file.bind(options);
      file.finish();
    });
  };
  EXPECT_EQ(error("name = \"mnist+usps\"\nshared_classes = false\ntrain_per_domain = 9"), "");
  EXPECT_EQ(error("name = \"mnist\"\ndomains = \"rotated\"\nangles = [0, 45.5]"), "");
  EXPECT_TRUE(contains(error("name = \"mnist+usp\""), "did you mean \"usps\"?"));
  EXPECT_TRUE(contains(error("name = \"mnist+\""), "\"mnist+\" lacks a data set"));
  EXPECT_TRUE(contains(error("name = \"mnist+usps+mnist\""), "mnist is there twice"));
  EXPECT_TRUE(contains(error("name = \"mnist+folder\""), "\"folder\" stands alone"));
  EXPECT_TRUE(contains(error("name = \"mnist\"\ndomains = \"turned\""), "domains"));
  EXPECT_TRUE(contains(error("name = \"mnist\"\ndomains = \"folders\""), "data.name = \"folder\""));
  EXPECT_TRUE(contains(error("name = \"mnist+usps\"\ndomains = \"permuted\""),
                       "domains are made of one data set"));
  EXPECT_TRUE(contains(error("name = \"mnist\"\nangles = [1]"), "\"rotated\""));
  EXPECT_TRUE(contains(error("name = \"mnist\"\ndomains = \"rotated\"\nangles = [1, 2, 1]"),
                       "1 is there twice"));
  EXPECT_TRUE(contains(error("name = \"mnist\"\ndomains = \"rotated\"\nangles = [nan]"), "angles"));
  EXPECT_TRUE(contains(error("domain_count = 0"), "domain_count"));
  EXPECT_TRUE(contains(error("name = \"mnist\"\ndomain_padding = 2"), "\"permuted\""));
  EXPECT_TRUE(contains(error("domains = \"permuted\"\ndomain_padding = 65"), "domain_padding"));
  EXPECT_TRUE(contains(error("imbalance = 0.0"), "imbalance"));
  EXPECT_TRUE(contains(error("imbalance = 1.5"), "imbalance"));
  EXPECT_TRUE(contains(error("train_per_domain = -1"), "train_per_domain"));
  const auto both = error("name = \"minst\"\nangles = [1]");
  EXPECT_TRUE(contains(both, "minst") && contains(both, "rotated")) << "all mistakes at once";

  EXPECT_TRUE(contains(error_of([] { open_data({.name = "usps+usps"}); }),
                       "data.name: usps is there twice"));
}

TEST(DomainOptions, ImbalanceLeavesTestingAlone) {
  const auto folder = scratch_folder("digits");
  write_mnist(folder / "mnist", false);
  const auto digits =
      open_data({.name = "mnist", .path = (folder / "mnist").string(), .imbalance = 0.5});
  Counts expected(10, 1);
  expected[0] = 2;
  EXPECT_EQ(count_labels(*digits.train), expected);
  EXPECT_EQ(digits.test->size(), 20);
}

TEST(DomainOptions, FingerprintsDoNotDecode) {
  // A file's fingerprint is computed from its bytes, so a damaged file has one too.
  const auto root = scratch_folder("fingerprints");
  for (const char* name : {"train/a", "train/b", "test/a", "test/b"}) write_images(root / name, 1);
  DataOptions options;
  options.domains = "permuted";
  options.domain_count = 2;
  options.name = "folder";
  options.path = root.string();
  write_text(root / "train/b/000.png", "garbage");
  const auto data = open_data(options);
  EXPECT_FALSE(error_of([&] { data.train->image(3); }).empty());
  EXPECT_NE(data.train->fingerprint(3), data.train->fingerprint(1));
}

TEST(TrainPerDomain, LeavesTestingAloneAndNeedsEveryClass) {
  const auto folder = scratch_folder("digits");
  write_mnist(folder, false);
  DataOptions options;
  options.domains = "permuted";
  options.domain_count = 5;
  options.name = "mnist";
  options.path = folder.string();
  options.train_per_class = 1;
  options.train_per_domain = 9;
  const auto data = open_data(options);
  EXPECT_EQ(data.train->size(), 45);
  EXPECT_EQ(data.test->size(), 100);
  EXPECT_EQ(data.train->domain(44), 4);
  options.domain_count = 1;
  const auto error = error_of([&] { open_data(options); });
  EXPECT_TRUE(contains(error, "data.train_per_domain draws 9 samples a domain")) << error;
}

// ---- folders of domains

DataOptions domains_in(const fs::path& root) {
  DataOptions options;
  options.name = "folder";
  options.path = root.string();
  options.domains = "folders";
  return options;
}

TEST(DomainFolders, AreSplitEachByItself) {
  const auto root = scratch_folder("domains");
  write_images(root / "sketch/dog", 10, 10);
  write_images(root / "sketch/cat", 5, 50);
  write_images(root / "photo/dog/", 20, 100);
  write_images(root / "photo/cat", 10, 150);
  write_images(root / "art/train/dog", 3, 200);  // has splits of its own
  write_images(root / "art/train/cat", 2, 210);
  write_images(root / "art/val/dog", 1, 220);
  write_images(root / "art/val/cat", 4, 230);
  write_text(root / "classes.tsv", "0\tcat\ttabby\n");
  auto options = domains_in(root);
  const auto data = open_data(options);
  EXPECT_EQ(data.name, "folder");
  EXPECT_EQ(data.train->domains(), (Strings{"art", "photo", "sketch"}));
  EXPECT_EQ(data.test->domains(), data.train->domains());
  EXPECT_EQ(data.train->classes(), (Strings{"tabby", "dog"}));
  EXPECT_EQ(count_domains(*data.train), (std::vector<Counts>{{2, 3}, {8, 16}, {4, 8}}));
  EXPECT_EQ(count_domains(*data.test), (std::vector<Counts>{{4, 1}, {2, 4}, {1, 2}}));
  EXPECT_EQ(data.train->image(4).pixels[0], 202);
  EXPECT_EQ(data.train->origin(4), (root / "art/train/dog/002.png").string());
  std::set<std::string> origins;
  for (const auto* split : {data.train.get(), data.test.get()})
    for (int64_t i = 0; i < split->size(); ++i) origins.insert(split->origin(i));
  EXPECT_EQ(origins.size(), 55u) << "each image in one split";

  options.train_per_class = 3;
  EXPECT_EQ(count_domains(*open_data(options).train),
            (std::vector<Counts>{{2, 3}, {3, 3}, {3, 3}}));
  write_text(root / "photo/cat/003.png", "garbage");
  options.skip_bad_images = true;
  const auto checked = open_data(options);
  EXPECT_EQ(checked.train->skipped() + checked.test->skipped(), 1);
}

TEST(DomainFolders, ErrorsNameTheDomain) {
  const auto root = scratch_folder("domains");
  const auto open = [&] { return error_of([&] { open_data(domains_in(root)); }); };
  EXPECT_TRUE(contains(open(), "expects one a domain"));
  fs::create_directories(root / "photo");
  EXPECT_TRUE(contains(open(), (root / "photo").string() + ": no class folders"));
  for (const char* domain : {"photo", "sketch"}) {
    write_images(root / domain / "cat", 2);
    write_images(root / domain / "dog", 2);
  }
  EXPECT_EQ(open(), "");
  write_images(root / "photo/horse", 2);
  EXPECT_TRUE(contains(open(), (root / "sketch").string() + ": class \"horse\" is missing"));
  fs::rename(root / "photo/horse", root / "sketch/cow");
  EXPECT_TRUE(contains(open(), (root / "photo").string() + ": class \"cow\" is missing"));
  fs::remove_all(root / "sketch/cow");
  fs::remove(root / "sketch/cat/000.png");
  EXPECT_TRUE(contains(open(), "sketch/cat: a class of one image cannot be split"));
  write_images(root / "sketch/train/cat", 2);
  EXPECT_TRUE(contains(open(), "sketch: has train/ but no test/"));
  fs::remove_all(root / "sketch");
  write_images(root / "test/cat", 2);
  EXPECT_TRUE(contains(open(), "test: is here, where a folder a domain is expected"));
  fs::remove_all(root / "test");
  fs::rename(root / "photo", root / "photo\xff");
  EXPECT_TRUE(contains(open(), "a domain name is not UTF-8"));
}

// ---- the real ones

TEST(RealDigits, Join) {
  PATINA_NEED_SHARED(folder, "data/usps");
  const auto root = folder.parent_path();
  if (!fs::exists(root / "mnist")) GTEST_SKIP() << "needs data/mnist";
  auto options = digits_of(root);
  options.train_per_class = 100;
  const auto data = open_data(options);
  EXPECT_EQ(count_domains(*data.train), (std::vector<Counts>{Counts(10, 100), Counts(10, 100)}));
  EXPECT_EQ(data.test->size(), 10000 + 2007);
  EXPECT_EQ(data.train->image(999).height, 28);
  EXPECT_EQ(data.train->image(1000).height, 16);
}

}  // namespace
}  // namespace patina
