// Archives: contents are restored exactly, and a damaged archive is always refused.
#include "patina/checkpoint/archive.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "patina/base/json.h"
#include "patina/checkpoint/safetensors.h"
#include "patina/nn/block.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/tensors.h"

namespace patina {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// One value of every kind that an archive holds.
struct Everything {
  bool flag = false;
  int small = 0;
  int64_t large = 0;
  double real = 0, infinite = 0, undefined = 0;
  std::string text, empty = "was not empty";
  std::vector<int64_t> integers;
  std::vector<double> reals;
  std::vector<Tensor> list;
  Json json;
  Tensor floats, doubles, longs, bytes, halves, none = at::ones({1}), hollow;
  nn::Linear module{2, 3};

  void state(Archive& a) {
    a("flag", flag);
    a("small", small);
    a("large", large);
    a("real", real);
    a("infinite", infinite);
    a("undefined", undefined);
    a("text", text);
    a("empty", empty);
    a("integers", integers);
    a("reals", reals);
    a("list", list);
    a("json", json);
    a("floats", floats);
    a("doubles", doubles);
    a("longs", longs);
    a("bytes", bytes);
    a("halves", halves);
    a("none", none);
    a("hollow", hollow);
    a("module", module);
  }
};

Everything filled() {
  Everything e;
  e.flag = true;
  e.small = -7;
  e.large = std::numeric_limits<int64_t>::min();
  e.real = 0.1 + 0.2;
  e.infinite = -kInfinity;
  e.undefined = std::nan("");
  e.text = std::string("bytes \0 \xff of any kind", 21);
  e.empty = "";
  e.integers = {std::numeric_limits<int64_t>::max(), 0, -1};
  e.reals = {1e-300, -0.0, 5e-324, kInfinity};
  e.list = {random_tensor({2}, 1), Tensor(), at::ones({1}, at::kLong)};
  e.json = parse_json(R"({"z": [1, {"a": null}], "b": "nan"})", "test");
  e.floats = random_tensor({3, 4}, 2).requires_grad_(true);
  e.doubles = random_tensor({2}, 3).to(at::kDouble);
  e.longs = at::arange(5);
  e.bytes = at::ones({3}, at::kByte);
  e.halves = random_tensor({4}, 4).to(at::kBFloat16);
  e.none = Tensor();
  e.hollow = at::empty({0, 3});
  e.module.weight.copy_(random_tensor({3, 2}, 5));
  return e;
}

fs::path written(Everything e, const std::string& folder) {
  auto path = scratch_folder(folder) / "state";
  Archive archive;
  e.state(archive);
  archive.write(path);
  return path;
}

TEST(Archive, BringsEverythingBack) {
  const auto path = written(filled(), "archive");
  Everything back, wanted = filled();
  Archive archive = Archive::read(path);
  EXPECT_TRUE(archive.loading());
  back.state(archive);
  EXPECT_TRUE(back.flag);
  EXPECT_EQ(back.small, wanted.small);
  EXPECT_EQ(back.large, wanted.large);
  EXPECT_EQ(back.real, wanted.real);
  EXPECT_EQ(back.infinite, -kInfinity);
  EXPECT_TRUE(std::isnan(back.undefined));
  EXPECT_EQ(back.text, wanted.text);
  EXPECT_EQ(back.empty, "");
  EXPECT_EQ(back.integers, wanted.integers);
  EXPECT_EQ(back.reals, wanted.reals);
  EXPECT_TRUE(std::signbit(back.reals[1]));
  EXPECT_EQ(back.json, wanted.json);
  ASSERT_EQ(back.list.size(), 3u);
  EXPECT_TRUE(at::equal(back.list[0], wanted.list[0]));
  EXPECT_FALSE(back.list[1].defined());
  EXPECT_EQ(back.list[2].scalar_type(), at::kLong);
  for (const auto& [a, b] : {std::pair{back.floats, wanted.floats},
                             {back.doubles, wanted.doubles},
                             {back.longs, wanted.longs},
                             {back.bytes, wanted.bytes},
                             {back.halves, wanted.halves},
                             {back.hollow, wanted.hollow}}) {
    EXPECT_EQ(a.scalar_type(), b.scalar_type());
    EXPECT_TRUE(at::equal(a, b));
    EXPECT_EQ(a.requires_grad(), b.requires_grad());
  }
  EXPECT_FALSE(back.none.defined());
  EXPECT_TRUE(at::equal(back.module.weight, wanted.module.weight));
}

TEST(Archive, HoldsListsLongerThanEverythingBesides) {
  const auto folder = scratch_folder("archive_list");
  std::vector<Tensor> list(100, at::ones({1})), back;
  Archive save;
  save("list", list);
  save.write(folder / "state");
  Archive load = Archive::read(folder / "state");
  load("list", back);
  EXPECT_EQ(back.size(), 100u);
}

TEST(Archive, LoadsInPlaceAndSavesACopy) {
  const auto folder = scratch_folder("archive_place");
  Tensor source = at::ones({2});
  Archive save;
  save("t", source);
  source.fill_(9);
  save.write(folder / "state");
  EXPECT_EQ(save.tensors().at("t").numel(), 2);

  Tensor target = at::zeros({2}), shared = target, other = at::zeros({3});
  Archive load = Archive::read(folder / "state");
  load("t", target);
  load("t", other);
  EXPECT_TRUE(at::equal(shared, at::ones({2})));
  EXPECT_TRUE(at::equal(other, at::ones({2})));
}

TEST(Archive, SameStateSameHash) {
  const auto hash = [](float value) {
    Archive archive;
    Tensor t = at::full({2}, value);
    archive("t", t);
    return archive.hash();
  };
  EXPECT_EQ(hash(1), hash(1));
  EXPECT_NE(hash(1), hash(2));
}

TEST(Archive, NamesWhatIsMissingOrOfAnotherType) {
  const auto path = written(filled(), "archive_types");
  Archive a = Archive::read(path);
  const auto message = [&](const char* key, auto value) {
    return error_of([&] { a(key, value); });
  };
  EXPECT_PRED2(contains, message("gone", int64_t{}), "holds no value \"gone\"");
  EXPECT_PRED2(contains, message("gone", Tensor()), "holds no tensor \"gone\"");
  EXPECT_PRED2(contains, message("large", Tensor()), "holds no tensor \"large\"");
  EXPECT_PRED2(contains, message("gone", std::string()), "holds no tensor \"gone\"");
  EXPECT_PRED2(contains, message("floats", std::string()), "\"floats\" is not text");
  EXPECT_PRED2(contains, message("none", std::string()), "\"none\" is not text");
  for (const std::string& text :
       {message("flag", int64_t{}), message("large", true), message("real", int64_t{}),
        message("large", int{}), message("json", double{}), message("integers", int64_t{}),
        message("reals", std::vector<int64_t>()), message("json", std::vector<double>()),
        message("undefined", int64_t{}), message("floats", double{})})
    EXPECT_PRED2(contains, text, "is not of the expected type");
  EXPECT_EQ(message("small", double{}), "");  // a whole number is a number
  EXPECT_PRED2(contains, message("integers", std::vector<Tensor>()), "integers.count");

  struct Inner {
    void state(Archive& archive) {
      int64_t value;
      archive("value", value);
    }
  } inner;
  EXPECT_PRED2(contains, error_of([&] { a("inner", inner); }), "\"inner.value\"");
}

TEST(Archive, NoticesAFlippedByteAnywhere) {
  const auto path = written(filled(), "archive_damage");
  const Bytes good = read_file(path);
  const std::string hash = Archive::read(path).hash();
  const auto damaged = path.parent_path() / "damaged";
  int refused = 0;
  for (size_t at = 0; at < good.size(); at += at < 2500 ? 7 : 3) {
    for (const uint8_t mask : {0x01, 0x80}) {
      Bytes bad = good;
      bad[at] ^= mask;
      std::ofstream(damaged, std::ios::binary)
          .write(reinterpret_cast<const char*>(bad.data()), std::streamsize(bad.size()));
      // Only a change without meaning (white space in the header) may be accepted.
      const std::string text =
          error_of([&] { EXPECT_EQ(Archive::read(damaged).hash(), hash) << at; });
      refused += !text.empty();
      if (!text.empty()) {
        EXPECT_PRED2(contains, text, "damaged") << at;
      }
    }
  }
  EXPECT_GT(refused, 500);
  for (size_t length = 0; length < good.size(); length += 97) {
    fs::remove(damaged);
    std::ofstream(damaged, std::ios::binary)
        .write(reinterpret_cast<const char*>(good.data()), std::streamsize(length));
    EXPECT_NE(error_of([&] { Archive::read(damaged); }), "") << length;
  }
}

TEST(Archive, RefusesOtherFiles) {
  const auto folder = scratch_folder("archive_other");
  write_safetensors(folder / "weights", {});
  EXPECT_PRED2(contains, error_of([&] { Archive::read(folder / "weights"); }),
               "weights: not a checkpoint of patina");
  EXPECT_PRED2(contains, error_of([&] { Archive::read(folder / "none"); }), "none");
}

TEST(Archive, LeavesTheOldFileWhenItCannotWrite) {
  const auto folder = scratch_folder("archive_atomic");
  Archive archive;
  int64_t value = 1;
  archive("value", value);
  const uint64_t bytes = archive.write(folder / "state");
  EXPECT_EQ(bytes, fs::file_size(folder / "state"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), {}), 1);

  // A folder at the path of the temporary file.
  const auto obstacle = folder / fmt::format("state.{}.tmp", ::getpid());
  fs::create_directories(obstacle);
  Archive later;
  value = 2;
  later("value", value);
  EXPECT_PRED2(contains, error_of([&] { later.write(folder / "state"); }), "state: cannot create");
  fs::remove(obstacle);
  Archive::read(folder / "state")("value", value);
  EXPECT_EQ(value, 1);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), {}), 1);
}

}  // namespace
}  // namespace patina
