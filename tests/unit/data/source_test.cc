// Opening data sets: small ones written here, the real ones if they are present, and every error.
#include "patina/data/catalog.h"

#include <set>
#include <thread>

#include "patina/base/error.h"
#include "patina/config/recipe_file.h"
#include "patina/data/formats/idx.h"
#include "patina/data/image_folder.h"
#include "tests/support/data_files.h"
#include "tests/support/errors.h"
#include "tests/support/heard.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

// ---- IDX

TEST(Idx, ReadsEveryTypeOfLabel) {
  EXPECT_EQ(idx_labels(parse_idx(idx(0x08, {3}, {1, 0, 9}), "l"), 10, "l"),
            (std::vector<int64_t>{1, 0, 9}));
  EXPECT_EQ(idx_labels(parse_idx(idx(0x0b, {2}, {3, 0xc4, 0, 7}), "l"), 965, "l"),
            (std::vector<int64_t>{964, 7}));
  EXPECT_EQ(idx_labels(parse_idx(idx(0x0c, {1}, {0, 1, 0, 2}), "l"), 70000, "l"),
            (std::vector<int64_t>{65538}));
}

TEST(Idx, RefusesWhatDoesNotFit) {
  const auto parse = [](const Bytes& bytes) { return error_of([&] { parse_idx(bytes, "x.gz"); }); };
  EXPECT_TRUE(contains(parse({}), "x.gz: not an IDX file"));
  EXPECT_TRUE(contains(parse({1, 0, 8, 1}), "not an IDX file"));
  EXPECT_TRUE(contains(parse(idx(0x0d, {1}, {0, 0, 0, 0})), "type 0x0d"));
  EXPECT_TRUE(contains(parse({0, 0, 8, 0}), "0 dimensions"));
  EXPECT_TRUE(contains(parse({0, 0, 8, 9}), "9 dimensions"));
  EXPECT_TRUE(contains(parse({0, 0, 8, 3, 0, 0}), "truncated in its header"));
  EXPECT_TRUE(contains(parse(idx(8, {4}, {1, 2, 3})), "truncated"));
  EXPECT_TRUE(contains(parse(idx(8, {2}, {1, 2, 3})), "3 bytes of data, but its header says 2"));
  EXPECT_TRUE(contains(parse(idx(8, {0}, {})), "without elements"));
  // The product of these sizes is 0 in 64 bits.
  EXPECT_TRUE(contains(parse(idx(8, {1u << 31, 1u << 31, 4}, {1, 2, 3})), "truncated"));

  const auto labels = [](const Bytes& bytes) {
    return error_of([&] { idx_labels(parse_idx(bytes, "l"), 10, "l"); });
  };
  EXPECT_TRUE(contains(labels(idx(8, {2}, {3, 10})), "label 10 at [1]"));
  EXPECT_TRUE(contains(labels(idx(0x0b, {1}, {0xff, 0xff})), "label -1"));
  EXPECT_TRUE(contains(labels(idx(8, {1, 1, 1}, {0})), "are these images?"));
  EXPECT_TRUE(contains(error_of([] { idx_images(parse_idx(idx(8, {1}, {0}), "i"), "i"); }),
                       "are these labels?"));
}

TEST(Mnist, OpensPlainAndGzipped) {
  for (const bool gzip : {false, true}) {
    const auto folder = scratch_folder("mnist");
    write_mnist(folder, gzip);
    const auto data = open_data({.name = "mnist", .path = folder.string()});
    EXPECT_EQ(data.name, "mnist");
    ASSERT_EQ(data.train->size(), 20);
    EXPECT_EQ(data.train->label(13), 3);
    EXPECT_EQ(data.train->classes().at(3), "3");
    const Image image = data.train->image(13);
    EXPECT_EQ(image.height, 2);
    EXPECT_EQ(image.width, 3);
    EXPECT_EQ(image.pixels, std::vector<uint8_t>(18, 13));
    EXPECT_TRUE(data.test->origin(5).ends_with(gzip ? "t10k-images-idx3-ubyte.gz[5]"
                                                    : "t10k-images-idx3-ubyte[5]"));
  }
}

TEST(Mnist, TakesTheFirstOfEachClass) {
  const auto folder = scratch_folder("mnist");
  write_mnist(folder, false);
  const auto data = open_data({.name = "mnist", .path = folder.string(), .train_per_class = 1});
  ASSERT_EQ(data.train->size(), 10);
  EXPECT_EQ(data.test->size(), 20);
  for (int64_t i = 0; i < 10; ++i) EXPECT_EQ(data.train->image(i).pixels[0], i);
}

TEST(Mnist, ErrorsNameTheFile) {
  const auto folder = scratch_folder("mnist");
  const DataOptions options{.name = "mnist", .path = folder.string()};
  const auto open = [&] { return error_of([&] { open_data(options); }); };

  write_mnist(folder, false);
  fs::remove(folder / "t10k-labels-idx1-ubyte");
  EXPECT_TRUE(contains(open(), "t10k-labels-idx1-ubyte: missing"));

  write(folder / "t10k-labels-idx1-ubyte", idx(8, {3}, {0, 1, 2}));
  EXPECT_TRUE(contains(open(), "3 labels for the 20 images"));

  write(folder / "t10k-labels-idx1-ubyte", idx(8, {20}, Bytes(20, 4)));
  EXPECT_TRUE(contains(open(), "mnist, test split: class \"0\" has no images"));

  write_gzip(folder / "t10k-labels-idx1-ubyte", idx(8, {20}, Bytes(20, 4)));
  Bytes cut = read_file(folder / "t10k-labels-idx1-ubyte");
  cut.resize(cut.size() - 9);
  write(folder / "t10k-labels-idx1-ubyte", cut);
  EXPECT_TRUE(contains(open(), "t10k-labels-idx1-ubyte: truncated gzip"));
}

// ---- CIFAR

// `count` records whose label is i % classes and whose planes are filled with i, i+1, i+2.
Bytes cifar_records(int count, int classes, bool coarse) {
  Bytes bytes;
  for (int i = 0; i < count; ++i) {
    if (coarse) bytes.push_back(uint8_t(i % 20));
    bytes.push_back(uint8_t(i % classes));
    for (int c = 0; c < 3; ++c) bytes.insert(bytes.end(), 1024, uint8_t(i + c));
  }
  return bytes;
}

TEST(Cifar10, JoinsItsBatches) {
  const auto folder = scratch_folder("cifar10");
  for (int b = 1; b <= 5; ++b)
    write(folder / "cifar-10-batches-bin" / fmt::format("data_batch_{}.bin", b),
          cifar_records(10 + b, 10, false));
  write(folder / "cifar-10-batches-bin/test_batch.bin", cifar_records(10, 10, false));
  const DataOptions options{.name = "cifar10", .path = folder.string()};
  const auto data = open_data(options);
  ASSERT_EQ(data.train->size(), 11 + 12 + 13 + 14 + 15);
  EXPECT_EQ(data.train->classes().at(9), "truck");
  EXPECT_TRUE(data.train->origin(11 + 4).ends_with("data_batch_2.bin[4]"));
  EXPECT_EQ(data.train->label(11 + 4), 4);
  const Image image = data.train->image(11 + 4);
  EXPECT_EQ(std::vector(image.pixels.end() - 3, image.pixels.end()),
            (std::vector<uint8_t>{4, 5, 6}));

  write_text(folder / "cifar-10-batches-bin/batches.meta.txt", "a\nb\n\n");
  EXPECT_TRUE(contains(error_of([&] { open_data(options); }), "2 class names, 10 expected"));
}

TEST(Cifar100, ReadsFineLabelsAndEitherTableOfNames) {
  const auto folder = scratch_folder("cifar100");
  write(folder / "train.bin", cifar_records(200, 100, true));
  write(folder / "test.bin", cifar_records(100, 100, true));
  const DataOptions options{.name = "cifar100", .path = folder.string()};
  auto data = open_data(options);
  EXPECT_EQ(data.train->size(), 200);
  EXPECT_EQ(data.train->label(142), 42);
  EXPECT_EQ(data.train->classes().at(42), "class 42");

  std::string table, lines;
  for (int i = 99; i >= 0; --i) table += fmt::format("{}\tname {}\t0\tx\n", i, i);
  write_text(folder / "classes.tsv", table);
  EXPECT_EQ(open_data(options).test->classes().at(42), "name 42");
  for (int i = 0; i < 100; ++i) lines += fmt::format("fine {}\n", i);
  write_text(folder / "fine_label_names.txt", lines);
  EXPECT_EQ(open_data(options).test->classes().at(42), "fine 42");
}

TEST(Cifar100, RefusesTruncationAndStrangeLabels) {
  const auto folder = scratch_folder("cifar100");
  const DataOptions options{.name = "cifar100", .path = folder.string()};
  const auto open = [&] { return error_of([&] { open_data(options); }); };
  Bytes records = cifar_records(100, 100, true);
  write(folder / "test.bin", records);
  records.pop_back();
  write(folder / "train.bin", records);
  EXPECT_TRUE(contains(open(), "train.bin: 307399 bytes, not a number of 3074-byte records"));
  records = cifar_records(100, 100, true);
  records[3074 * 7 + 1] = 100;
  write(folder / "train.bin", records);
  EXPECT_TRUE(contains(open(), "label 100 in record 7"));
  write(folder / "train.bin", {});
  EXPECT_TRUE(contains(open(), "train.bin: 0 bytes"));
}

// ---- image folders

TEST(Folder, ReadsSplitsAndReadableNames) {
  for (const char* test : {"test", "val", "valid"}) {
    const auto root = scratch_folder("folder");
    write_images(root / "train/n02", 3, 20);
    write_images(root / "train/n01", 2, 10);
    write_images(root / test / "n01", 1, 60);
    write_images(root / test / "n02", 1, 70);
    write_text(root / "train/n01/notes.txt", "not an image");
    write_text(root / "classes.tsv", "0\tn02\tgoldfish, Carassius\n");
    const auto data = open_data({.name = "folder", .path = root.string()});
    EXPECT_EQ(data.train->classes(), (std::vector<std::string>{"n01", "goldfish, Carassius"}));
    EXPECT_EQ(data.test->classes(), data.train->classes());
    EXPECT_EQ(count_labels(*data.train), (std::vector<int64_t>{2, 3}));
    EXPECT_EQ(data.train->image(4).pixels[0], 22);
    EXPECT_EQ(data.train->origin(4), (root / "train/n02/002.png").string());
    EXPECT_EQ(data.test->image(1).pixels[0], 70);
  }
}

TEST(Folder, ClassesOfOneNameAreToldApart) {
  const auto root = scratch_folder("folder");
  write_images(root / "n1", 2);
  write_images(root / "n2", 2);
  write_text(root / "classes.tsv", "0\tn1\tcrane\n1\tn2\tcrane\n");
  EXPECT_EQ(open_data({.name = "folder", .path = root.string()}).train->classes(),
            (std::vector<std::string>{"crane (n1)", "crane (n2)"}));
}

TEST(Folder, AFileIsMarkedByItsSize) {
  const auto root = scratch_folder("folder");
  write_images(root / "a", 2, 30);
  write_images(root / "b", 2);
  const auto before = open_data({.name = "folder", .path = root.string()}).train;
  const auto mark = before->mark(0);
  EXPECT_EQ(mark, fs::file_size(before->origin(0)));
  fs::resize_file(before->origin(0), mark + 1);
  EXPECT_EQ(open_data({.name = "folder", .path = root.string()}).train->mark(0), mark + 1);
  fs::remove(before->origin(0));
  EXPECT_TRUE(contains(error_of([&] { before->mark(0); }), before->origin(0)));
}

TEST(Folder, IsReadByManyThreads) {
  const auto root = scratch_folder("folder");
  write_images(root / "a", 8, 30);
  const auto source = open_data({.name = "folder", .path = root.string()}).train;
  std::vector<Fingerprint> alone;
  for (int64_t i = 0; i < source->size(); ++i) alone.push_back(source->fingerprint(i));
  // A new source, whose files nobody has read yet.
  const auto shared = open_data({.name = "folder", .path = root.string()}).train;
  std::vector<std::vector<Fingerprint>> found(4);
  std::vector<std::thread> threads;
  for (auto& list : found)
    threads.emplace_back([&] {
      for (int64_t i = 0; i < shared->size(); ++i) {
        list.push_back(shared->fingerprint(i));
        shared->image(i);
      }
    });
  for (auto& thread : threads) thread.join();
  for (const auto& list : found) EXPECT_EQ(list, alone);
}

std::set<std::string> origins(const Source& source) {
  std::set<std::string> result;
  for (int64_t i = 0; i < source.size(); ++i) result.insert(source.origin(i));
  return result;
}

TEST(Folder, SplitsEachClassBySeed) {
  const auto root = scratch_folder("folder");
  write_images(root / "cat", 10);
  write_images(root / "train", 20);  // a class, as it holds images
  write_images(root / "two", 2);
  DataOptions options{.name = "folder", .path = root.string(), .test_fraction = 0.3};
  const auto data = open_data(options);
  EXPECT_EQ(data.train->classes(), (std::vector<std::string>{"cat", "train", "two"}));
  EXPECT_EQ(count_labels(*data.train), (std::vector<int64_t>{7, 14, 1}));
  EXPECT_EQ(count_labels(*data.test), (std::vector<int64_t>{3, 6, 1}));

  auto all = origins(*data.train);
  const auto tested = origins(*data.test);
  all.insert(tested.begin(), tested.end());
  EXPECT_EQ(all.size(), 32u);
  EXPECT_EQ(origins(*open_data(options).test), tested);
  options.split_seed = 7;
  EXPECT_NE(origins(*open_data(options).test), tested);
}

TEST(Folder, BadImagesRaiseOrAreSkipped) {
  const auto root = scratch_folder("folder");
  write_images(root / "train/a", 3);
  write_images(root / "train/b", 2);
  write_images(root / "test/a", 1);
  write_images(root / "test/b", 1);
  write_text(root / "train/a/001.png", "garbage");
  DataOptions options{.name = "folder", .path = root.string()};
  const auto lazy = open_data(options);
  EXPECT_EQ(lazy.train->size(), 5);
  EXPECT_TRUE(contains(error_of([&] { lazy.train->image(1); }), "train/a/001.png: neither JPEG"));

  options.skip_bad_images = true;
  options.train_per_class = 2;
  const auto checked = open_data(options);
  EXPECT_EQ(count_labels(*checked.train), (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(checked.train->skipped(), 1);
  EXPECT_EQ(checked.test->skipped(), 0);
  EXPECT_TRUE(checked.train->origin(1).ends_with("002.png"));

  write_text(root / "test/b/000.png", "garbage");
  EXPECT_TRUE(
      contains(error_of([&] { open_data(options); }), "test split: class \"b\" has no images"));
}

TEST(Folder, ImagesThatAreNotReadAreTold) {
  const auto root = scratch_folder("folder");
  for (const std::string split : {"train", "test"})
    for (const std::string name : {"a", "b"}) write_images(root / split / name, 2);
  const auto open = [&] { return open_data({.name = "folder", .path = root.string()}); };
  {
    const Heard heard;
    write_text(root / "train/a/.DS_Store", "");
    write_text(root / "train/a/._000.png", "not an image");
    write_text(root / "train/a/Thumbs.db", "");
    write_images(root / "train/a/.ipynb_checkpoints", 1);
    write_images(root / "train/__MACOSX", 1);
    EXPECT_EQ(open().train->size(), 4);
    EXPECT_EQ(heard.text(), "");
  }
  write_text(root / "train/a/1.webp", "");
  write_text(root / "train/a/2.WEBP", "");
  write_text(root / "test/b/1.bmp", "");
  write_images(root / "train/b/more/of them", 3);
  write_images(root / "elsewhere/c", 2);
  fs::create_directory_symlink(root / "elsewhere/c", root / "train/c");
  fs::create_directory_symlink(root / "elsewhere/c", root / "test/c");
  const Heard heard;
  const auto data = open();
  EXPECT_EQ(count_labels(*data.train), (std::vector<int64_t>{2, 2, 2}));
  EXPECT_EQ(heard.text(), fmt::format("{0}: not used: 1 .bmp and 2 .webp files (patina reads JPEG "
                                      "and PNG) and 3 images in folders inside class folders "
                                      "({0}/train/b/more)\n",
                                      root.string()));
}

TEST(Folder, ALinkThatLeadsBackEnds) {
  const auto root = scratch_folder("folder");
  write_images(root / "a", 2);
  fs::create_directory_symlink(root, root / "a/back");
  UnreadImages unread;
  EXPECT_TRUE(contains(error_of([&] { images_below(root, unread); }), "does a link lead back?"));
}

TEST(Folder, SplitsOfOtherNamesAreRecognised) {
  const auto open = [](const fs::path& root) {
    return error_of([&] { open_data({.name = "folder", .path = root.string()}); });
  };
  for (const std::string name : {"Train", "TRAIN", "training"}) {
    const auto root = scratch_folder("folder");
    write_images(root / name / "a", 2);
    write_images(root / "Test/a", 2);
    EXPECT_TRUE(contains(open(root), "holds " + name +
                                         "/ with folders in it: a split is called "
                                         "train/ and test/"));
    fs::rename(root / name, root / "train");
    EXPECT_TRUE(
        contains(open(root), "no test/, val/, valid/ or validation/ beside it; rename Test/"));
    fs::rename(root / "Test", root / "validation");
    EXPECT_EQ(open(root), "");
  }
  const auto root = scratch_folder("folder");
  write_images(root / "all/a", 2);
  EXPECT_TRUE(contains(open(root),
                       "all: a class folder without JPEG or PNG images, but with 2 "
                       "images in folders inside class folders"));
}

TEST(Folder, ANameInTwoNormalFormsIsTold) {
  const auto root = scratch_folder("folder");
  write_images(root / "train/caf\u00e9", 1);
  write_images(root / "test/cafe\u0301", 1);
  EXPECT_TRUE(contains(error_of([&] { open_data({.name = "folder", .path = root.string()}); }),
                       "looks the same, but is written with other characters"));
}

TEST(Folder, ErrorsSayWhatIsMissing) {
  const auto root = scratch_folder("folder");
  const auto open = [&] {
    return error_of([&] { open_data({.name = "folder", .path = root.string()}); });
  };
  EXPECT_TRUE(contains(open(), "no class folders"));
  write_images(root / "train/a", 1);
  EXPECT_TRUE(contains(open(), "has train/ but no test/"));
  write_images(root / "test/b", 1);
  EXPECT_TRUE(contains(open(), "test: class \"a\" is missing"));
  write_images(root / "test/a", 1);
  EXPECT_TRUE(contains(open(), "train: class \"b\" is missing"));
  fs::create_directory(root / "train/b");
  EXPECT_TRUE(contains(open(), "train/b: a class folder without JPEG or PNG images"));
  fs::remove_all(root);
  EXPECT_TRUE(contains(open(), "no such folder"));
  write_images(root / "a", 1);
  EXPECT_TRUE(contains(open(), "class of one image cannot be split"));
  fs::rename(root / "a", root / "a\xff");
  write_images(root / "a\xff", 2);
  EXPECT_TRUE(contains(open(), "not UTF-8"));
}

// ---- names and places

TEST(DataSets, UnknownNamesAndMissingFilesSayWhatToDo) {
  EXPECT_TRUE(contains(error_of([] { open_data({.name = "cifar00"}); }), "did you mean \"cifar1"));
  EXPECT_TRUE(contains(error_of([] { open_data({.name = "cifar00"}); }), "patina list datasets"));
  EXPECT_TRUE(contains(error_of([] { open_data({}); }), "data.name is empty"));
  EXPECT_TRUE(contains(error_of([] { open_data({.name = "folder"}); }), "data.path is empty"));

  const auto empty = scratch_folder("empty");
  const auto error =
      error_of([&] { open_data({.name = "fashion-mnist", .path = empty.string()}); });
  EXPECT_TRUE(contains(error, empty.string())) << error;
  EXPECT_TRUE(contains(error, "apt install dataset-fashion-mnist")) << error;
  EXPECT_FALSE(contains(error, "/usr/share")) << "a folder the user named is the only one searched";
}

TEST(DataSets, AreFoundInTheDataFolder) {
  const auto data = scratch_folder("data");
  ::setenv("PATINA_DATA", data.c_str(), 1);
  EXPECT_TRUE(contains(error_of([] { open_data({.name = "mnist"}); }), (data / "mnist").string()));
  write_mnist(data / "mnist", true);
  EXPECT_EQ(open_data({.name = "mnist"}).train->size(), 20);
  ::unsetenv("PATINA_DATA");
  EXPECT_TRUE(contains(error_of([] { open_data({.name = "mnist"}); }), "nowhere"));
}

TEST(DataSets, EveryRowIsComplete) {
  std::set<std::string> names;
  for (const auto& info : data_sets()) {
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_FALSE(info.about.empty() || info.files.empty() || info.how.empty()) << info.name;
  }
  EXPECT_TRUE(names.contains("folder"));
}

TEST(DataOptions, AreChecked) {
  const auto error = [](std::string_view text) {
    return error_of([&] {
      DataOptions options;
      auto file = RecipeFile::parse(text, "r.toml");
      file.bind(options);
      file.finish();
    });
  };
  EXPECT_EQ(error("name = \"mnist\"\ntrain_per_class = 5"), "");
  EXPECT_TRUE(contains(error("name = \"minst\""), "did you mean \"mnist\"?"));
  EXPECT_TRUE(contains(error("test_fraction = 1.0"), "test_fraction"));
  EXPECT_TRUE(contains(error("train_per_class = -1"), "train_per_class"));
}

// ---- the real ones

struct Real {
  const char *name, *folder;
  int64_t classes, train, test;
};

class RealData : public ::testing::TestWithParam<Real> {};

TEST_P(RealData, Opens) {
  const Real& real = GetParam();
  fs::path folder = real.folder;
  if (folder.is_relative()) folder = shared_folder() / folder;
  if (!fs::exists(folder)) GTEST_SKIP() << "needs " << real.folder;
  const auto data = open_data({.name = real.name, .path = folder.string()});
  EXPECT_EQ(data.train->size(), real.train);
  EXPECT_EQ(data.test->size(), real.test);
  EXPECT_EQ(int64_t(data.train->classes().size()), real.classes);
  for (const auto* split : {data.train.get(), data.test.get()}) {
    const Image image = split->image(split->size() - 1);
    EXPECT_GT(std::set(image.pixels.begin(), image.pixels.end()).size(), 2u);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Sets, RealData,
    ::testing::Values(Real{"fashion-mnist", "/usr/share/datasets/fashion-mnist", 10, 60000, 10000},
                      Real{"mnist", "data/mnist", 10, 60000, 10000},
                      Real{"usps", "data/usps", 10, 7291, 2007},
                      Real{"omniglot", "data/omniglot", 964, 14460, 4820},
                      Real{"cifar100", "data/cifar100_small", 100, 10000, 2000}),
    [](const auto& info) {
      std::string name = info.param.name;
      std::erase(name, '-');
      return name;
    });

TEST(Omniglot, TestsTheLastFiveDrawers) {
  PATINA_NEED_SHARED(folder, "data/omniglot");
  const auto data = open_data({.name = "omniglot", .path = folder.string()});
  for (const int64_t count : count_labels(*data.train)) ASSERT_EQ(count, 15);
  for (const int64_t count : count_labels(*data.test)) ASSERT_EQ(count, 5);
  EXPECT_TRUE(data.test->origin(0).ends_with("[15]"));
}

}  // namespace
}  // namespace patina
