// GGUF files: every type against gguf-py's numbers, settings, and every refusal.
#include "patina/checkpoint/gguf.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "patina/base/error.h"
#include "patina/checkpoint/safetensors.h"
#include "tests/support/gguf_writing.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

GgufFile parsed(const GgufWriting& file) {
  return GgufFile::parse(file.bytes, "f");
}

std::string gguf_refusal(const GgufWriting& file) {
  try {
    parsed(file);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::format);
    return error.what();
  }
  return "accepted";
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(Gguf, ReadsEveryTypeAsItsReferenceDoes) {
  const fs::path folder = fixture_folder(Fixtures::small) / "gguf";
  const GgufFile file = GgufFile::open(folder / "types.gguf");
  const auto expected = SafetensorsFile::open(folder / "types.expected.safetensors");
  ASSERT_EQ(file.tensors().size(), 13u);
  ASSERT_EQ(expected.tensors().size(), file.tensors().size());
  for (const auto& [name, wanted] : expected.tensors()) {
    const GgufTensor& tensor = file.at(name);
    ASSERT_EQ(tensor.shape, wanted.shape) << name;
    std::vector<float> numbers(size_t(tensor.count()));
    dequantize_rows(tensor, 0, tensor.shape[0], numbers);
    EXPECT_EQ(std::memcmp(numbers.data(), wanted.data.data(), wanted.data.size()), 0) << name;
    const auto width = size_t(tensor.shape[1]);
    std::vector<float> row(width);
    dequantize_rows(tensor, 1, 2, row);
    EXPECT_EQ(std::memcmp(row.data(), &numbers[width], width * sizeof(float)), 0) << name;
  }
}

TEST(Gguf, ReadsSettingsOfEveryType) {
  const GgufFile file = GgufFile::open(fixture_folder(Fixtures::small) / "gguf" / "types.gguf");
  EXPECT_EQ(file.text("general.architecture"), "llama");
  EXPECT_EQ(file.whole("llama.block_count"), 2);
  EXPECT_EQ(file.whole("test.negative"), -5);
  EXPECT_FLOAT_EQ(float(file.number("llama.attention.layer_norm_rms_epsilon")), 1e-5f);
  EXPECT_TRUE(file.flag("tokenizer.ggml.add_bos_token"));
  EXPECT_EQ(file.texts("tokenizer.ggml.tokens"), (std::vector<std::string>{"<s>", "é", "a b"}));
  EXPECT_EQ(file.numbers("tokenizer.ggml.scores"), (std::vector<double>{0, -1.5, 2.25}));
  EXPECT_EQ(file.numbers("tokenizer.ggml.token_type"), (std::vector<double>{3, 1, 1}));
  EXPECT_FALSE(file.sets("general.license"));
  for (const auto& misuse : std::vector<std::function<void()>>{
           [&] { file.whole("general.architecture"); }, [&] { file.text("llama.block_count"); },
           [&] { file.texts("tokenizer.ggml.scores"); }, [&] { file.flag("test.negative"); },
           [&] { file.numbers("general.architecture"); }, [&] { file.text("general.license"); },
           [&] { file.at("q4"); }})
    EXPECT_THROW(misuse(), Error);

  GgufWriting all;
  all.start(0, 11).setting("u8", 0).number(uint8_t(200)).setting("i8", 1).number(int8_t(-2));
  all.setting("u16", 2).number(uint16_t(60000)).setting("i16", 3).number(int16_t(-3));
  all.setting("u64", 10).number(~uint64_t{0}).setting("i64", 11).number(int64_t(-4));
  all.setting("f64", 12).number(0.1).setting("flag", 7).number(uint8_t(0));
  all.setting("empty", 9).number(uint32_t(4)).number(uint64_t(0));
  all.setting("nested", 9).number(uint32_t(9)).number(uint64_t(1));
  all.number(uint32_t(0)).number(uint64_t(2)).number(uint8_t(1)).number(uint8_t(2));
  all.setting("text", 8).text("two\nlines");
  const GgufFile types = parsed(all);
  EXPECT_EQ(types.whole("u8"), 200);
  EXPECT_EQ(types.whole("i8"), -2);
  EXPECT_EQ(types.whole("u16"), 60000);
  EXPECT_EQ(types.whole("i16"), -3);
  EXPECT_EQ(types.whole("i64"), -4);
  EXPECT_THROW(types.whole("u64"), Error);
  EXPECT_EQ(types.number("f64"), 0.1);
  EXPECT_FALSE(types.flag("flag"));
  EXPECT_TRUE(types.numbers("empty").empty());
  EXPECT_EQ(types.settings().at("nested").text(), "[1 values]");
  EXPECT_EQ(types.settings().at("u64").text(), "18446744073709551615");
  EXPECT_EQ(types.text("text"), "two\nlines");
}

TEST(Gguf, RefusesWhatIsNoWholeFile) {
  GgufWriting whole;
  whole.start(1, 1).setting("a", 4).number(uint32_t(1)).tensor("x", {4, 2}, 0).data(32);
  EXPECT_EQ(gguf_refusal(whole), "accepted");
  for (size_t size = 0; size < whole.bytes.size(); ++size) {
    GgufWriting cut;
    cut.bytes.assign(whole.bytes.begin(), whole.bytes.begin() + std::ptrdiff_t(size));
    EXPECT_NE(gguf_refusal(cut), "accepted") << size;
  }
}

TEST(Gguf, SaysWhatIsWrong) {
  const auto of_tensor = [](const std::vector<uint64_t>& dimensions, uint32_t type,
                            uint64_t offset = 0, size_t data = 64) {
    return gguf_refusal(GgufWriting().start(1, 0).tensor("x", dimensions, type, offset).data(data));
  };
  const std::vector<std::pair<std::string, std::string>> cases = {
      {gguf_refusal(GgufWriting().raw("GGML").number(uint64_t(0))), "does not begin with \"GGUF\""},
      {gguf_refusal(GgufWriting().start(0, 0, 1)), "version 1"},
      {gguf_refusal(GgufWriting().start(0, 0, 3u << 24)), "big-endian"},
      {gguf_refusal(GgufWriting().start(uint64_t{1} << 60, 0)), "more than 1000000"},
      {gguf_refusal(GgufWriting().start(1000, 0)), "1000 tensors in 24 bytes"},
      {gguf_refusal(GgufWriting().start(0, 1).setting("a\n", 4).number(uint64_t(1))), "a?"},
      {gguf_refusal(GgufWriting().start(0, 1).setting("a", 13).number(uint64_t(1))), "type 13"},
      {gguf_refusal(GgufWriting().start(0, 1).setting("flag", 7).number(uint8_t(2))), "flag of 2"},
      {gguf_refusal(GgufWriting().start(0, 1).setting("t", 8).number(~uint64_t{0})),
       "bytes, more than"},
      {gguf_refusal(GgufWriting()
                        .start(0, 2)
                        .setting("a", 0)
                        .number(uint8_t(1))
                        .setting("a", 0)
                        .number(uint8_t(1))),
       "a is there twice"},
      {gguf_refusal(
           GgufWriting().start(0, 1).setting("l", 9).number(uint32_t(0)).number(uint64_t(1000))),
       "1000 values"},
      {gguf_refusal(GgufWriting().start(0, 1).setting("general.alignment", 4).number(uint32_t(12))),
       "multiple of 8"},
      {of_tensor({}, 0), "0 dimensions"},
      {of_tensor({1, 1, 1, 1, 1}, 0), "5 dimensions"},
      {of_tensor({uint64_t{1} << 63}, 0), "a dimension of"},
      {of_tensor({uint64_t{1} << 40, uint64_t{1} << 40}, 0), "overflows"},
      {of_tensor({uint64_t{1} << 62}, 0), "overflows"},
      {of_tensor({32}, 23), "IQ4_XS"},
      {of_tensor({32}, 99), "number 99"},
      {of_tensor({33}, 2), "not whole blocks of Q4_0 (32 numbers)"},
      {of_tensor({4}, 0, 8), "no multiple of 32"},
      {of_tensor({4}, 0, 64), "beyond the file's 64 bytes"},
      {of_tensor({4}, 0, ~uint64_t{31}), "beyond"},
      {gguf_refusal(
           GgufWriting().start(2, 0).tensor("x", {16}, 0).tensor("y", {4}, 0, 32).data(64)),
       "y overlaps"},
      {gguf_refusal(GgufWriting().start(2, 0).tensor("x", {1}, 0).tensor("x", {1}, 0, 32).data(64)),
       "x is there twice"},
  };
  for (const auto& [said, expected] : cases) EXPECT_TRUE(has(said, expected)) << said;
  GgufWriting deep;
  deep.start(0, 1).setting("deep", 9);
  for (int i = 0; i < 9; ++i) deep.number(uint32_t(9)).number(uint64_t(1));
  EXPECT_TRUE(has(gguf_refusal(deep), "more than 4 arrays")) << gguf_refusal(deep);
}

TEST(Blocks, RefuseNumbersThatAreNotWholeBlocks) {
  std::vector<uint8_t> bytes(36);
  std::vector<float> numbers(64);
  using kernels::BlockType;
  kernels::dequantize(BlockType::q4_0, bytes, numbers);
  EXPECT_THROW(kernels::dequantize(BlockType::q4_0, bytes, std::span(numbers).first(63)), Error);
  EXPECT_THROW(kernels::dequantize(BlockType::q4_0, std::span(bytes).first(18), numbers), Error);
  EXPECT_THROW(kernels::dequantize(BlockType(4), bytes, numbers), Error);
}

}  // namespace
}  // namespace patina
