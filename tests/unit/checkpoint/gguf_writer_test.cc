// The GGUF writer: what it writes is read back, and misuse is refused.
#include "patina/checkpoint/gguf_writer.h"

#include <gtest/gtest.h>

#include <limits>

#include "patina/checkpoint/gguf.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

TEST(GgufWriter, IsReadBack) {
  const std::vector<float> first = {1, 2, 3, 4, 5, 6}, second = {7};
  GgufWriter writer;
  writer.set("general.architecture", "llama");
  writer.set("adapter.lora.alpha", 0.5f);
  writer.set("a.count", uint32_t{7});
  writer.set("a.flag", true);
  writer.add("blk.0.x", {2, 3}, first);
  writer.add("y", {1}, second);
  const fs::path path = scratch_folder("gguf_writer") / "a.gguf";
  writer.write(path);
  const auto file = GgufFile::open(path);
  EXPECT_EQ(file.text("general.architecture"), "llama");
  EXPECT_EQ(file.number("adapter.lora.alpha"), 0.5);
  EXPECT_EQ(file.whole("a.count"), 7);
  EXPECT_TRUE(file.flag("a.flag"));
  ASSERT_EQ(file.tensors().size(), 2u);
  EXPECT_EQ(file.at("blk.0.x").shape, (std::vector<int64_t>{2, 3}));
  std::vector<float> numbers(6);
  dequantize_rows(file.at("blk.0.x"), 0, 2, numbers);
  EXPECT_EQ(numbers, first);
  std::vector<float> one(1);
  dequantize_rows(file.at("y"), 0, 1, one);
  EXPECT_EQ(one, second);
  EXPECT_EQ(fs::file_size(path) % 32, 0u);
  const Bytes before = read_file(path);
  writer.write(path);
  EXPECT_EQ(read_file(path), before);
}

TEST(GgufWriter, RefusesMisuse) {
  GgufWriter writer;
  const std::vector<float> two(2);
  writer.set("a.b", true);
  writer.add("t", {2}, two);
  const auto refused = [](auto body) { return error_of(ErrorKind::usage, body); };
  EXPECT_EQ(refused([&] { writer.set("a.b", false); }), "the key a.b is set twice");
  EXPECT_EQ(refused([&] { writer.set("A b", false); }), "\"A b\" is no key of a GGUF file");
  EXPECT_EQ(refused([&] { writer.add("t", {2}, two); }), "the tensor t is added twice");
  EXPECT_EQ(refused([&] { writer.add("u", {3}, two); }), "u: 2 numbers do not fit the shape");
  EXPECT_EQ(refused([&] { writer.add("u", {1, 1, 1, 1, 2}, two); }), "u has 5 dimensions");
  EXPECT_EQ(refused([&] { writer.add("u", {-2}, two); }), "u has an extent of -2");
  EXPECT_EQ(refused([&] {
              writer.add("u", {std::numeric_limits<int64_t>::max(), 4}, two);
            }),
            "u has an extent of 4");
  EXPECT_EQ(refused([&] { writer.add(std::string(64, 'n'), {2}, two); }),
            "the name " + std::string(64, 'n') + " has more than 63 bytes");
}

}  // namespace
}  // namespace patina
