// One safetensors file: everything that is refused, the writer's bytes, and files that other
// programs wrote.
#include "patina/checkpoint/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>

#include "patina/base/error.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

Bytes file_bytes(const std::string& header, size_t data = 0, uint64_t length = 0) {
  Bytes bytes;
  if (length == 0) length = header.size();
  for (int i = 0; i < 8; ++i) bytes.push_back(uint8_t(length >> 8 * i));
  bytes.insert(bytes.end(), header.begin(), header.end());
  for (size_t i = 0; i < data; ++i) bytes.push_back(uint8_t(i));
  return bytes;
}

Bytes raw(std::string_view text) {
  return {text.begin(), text.end()};
}

std::string safetensors_refusal(const Bytes& bytes) {
  try {
    SafetensorsFile::parse(bytes, "f");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::format);
    return error.what();
  }
  return "accepted";
}

std::string safetensors_refusal(const std::string& header, size_t data = 0) {
  return safetensors_refusal(file_bytes(header, data));
}

TEST(Safetensors, ReadsShapesScalarsEmptyTensorsAndMetadata) {
  const Bytes bytes =
      file_bytes(R"({"__metadata__":{"format":"pt"},)"
                 R"("b":{"dtype":"U8","shape":[3],"data_offsets":[4,7]},)"
                 R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
                 R"("e":{"dtype":"F64","shape":[2,0,9000000000],"data_offsets":[4,4]}}   )",
                 7);
  const SafetensorsFile file = SafetensorsFile::parse(bytes, "f");
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "pt"}}));
  ASSERT_EQ(file.tensors().size(), 3u);
  EXPECT_EQ(file.at("a").dtype, DType::f32);
  EXPECT_EQ(file.at("a").shape, std::vector<int64_t>{});
  EXPECT_EQ(file.at("a").data.size(), 4u);
  EXPECT_EQ(Bytes(file.at("b").data.begin(), file.at("b").data.end()), (Bytes{4, 5, 6}));
  EXPECT_EQ(file.at("e").shape, (std::vector<int64_t>{2, 0, 9000000000}));
  EXPECT_EQ(file.at("e").data.size(), 0u);
  EXPECT_TRUE(file.has("a"));
  EXPECT_FALSE(file.has("c"));
  EXPECT_EQ(safetensors_refusal("{}"), "accepted");
}

TEST(Safetensors, MissingTensorSuggestsANearName) {
  const Bytes bytes =
      file_bytes(R"({"blocks.0.weight":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1);
  const SafetensorsFile file = SafetensorsFile::parse(bytes, "f");
  try {
    file.at("block.0.weight");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::format);
    EXPECT_STREQ(error.what(), "no tensor \"block.0.weight\", did you mean \"blocks.0.weight\"?");
  }
}

TEST(Safetensors, RefusesBrokenFrames) {
  const std::string not_safetensors = "f: not a safetensors file: ";
  EXPECT_EQ(safetensors_refusal(Bytes{}),
            not_safetensors + "0 bytes, shorter than the 8-byte header length");
  EXPECT_EQ(safetensors_refusal(Bytes(7)),
            not_safetensors + "7 bytes, shorter than the 8-byte header length");
  EXPECT_EQ(safetensors_refusal(file_bytes("{}", 0, 3)),
            not_safetensors + "a header of 3 bytes in a file of 10; is the file complete?");
  EXPECT_EQ(
      safetensors_refusal(file_bytes("{}", 0, ~uint64_t{0})),
      not_safetensors + "a header of 18446744073709551615 bytes, more than the limit of 100000000");
  EXPECT_EQ(safetensors_refusal(Bytes(8)), not_safetensors + "the header does not begin with '{'");
  EXPECT_EQ(safetensors_refusal(" {}"), not_safetensors + "the header does not begin with '{'");
  EXPECT_EQ(safetensors_refusal("[]"), not_safetensors + "the header does not begin with '{'");
}

TEST(Safetensors, RecognisesOtherFiles) {
  EXPECT_NE(safetensors_refusal(raw("PK\x03\x04 and a pickle inside"))
                .find("PyTorch (zip) file; convert it"),
            std::string::npos);
  EXPECT_NE(safetensors_refusal(raw("PK\x03\x04 and then, from byte 30 on: cls.npy, data, PK"))
                .find("NumPy archive (.npz)"),
            std::string::npos);
  EXPECT_NE(safetensors_refusal(raw("GGUF\x03 and more")).find("this is a GGUF file"),
            std::string::npos);
  EXPECT_NE(safetensors_refusal(raw("\x89HDF\r\n\x1a\n and more")).find("this is an HDF5 file"),
            std::string::npos);
  EXPECT_NE(safetensors_refusal(raw("\x80\x02}q\x01(more than eight bytes"))
                .find("PyTorch pickle; convert it"),
            std::string::npos);
  EXPECT_NE(safetensors_refusal(raw("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"))
                .find("Git LFS pointer, not the weights; fetch them with git lfs pull"),
            std::string::npos);
  EXPECT_NE(safetensors_refusal(raw("<!DOCTYPE html><html>")).find("HTML page"), std::string::npos);
  EXPECT_NE(safetensors_refusal(raw("Entry not found")).find("looks like text"), std::string::npos);
  EXPECT_NE(safetensors_refusal(raw("short")).find("looks like text"), std::string::npos);
}

TEST(Safetensors, RefusesBrokenHeaders) {
  EXPECT_NE(safetensors_refusal("{\"a\":").find("f: not valid JSON: "), std::string::npos);
  EXPECT_NE(safetensors_refusal("{\"\xff\":1}").find("ill-formed UTF-8"), std::string::npos)
      << safetensors_refusal("{\"\xff\":1}");
  EXPECT_NE(safetensors_refusal("{}x").find("not valid JSON"), std::string::npos);
  EXPECT_EQ(safetensors_refusal(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
                                1),
            "f: JSON object has the key \"a\" twice");
  EXPECT_NE(safetensors_refusal("{\"a\":" + std::string(200, '[') + std::string(200, ']') + "}")
                .find("nested deeper"),
            std::string::npos);
  EXPECT_EQ(safetensors_refusal(R"({"a":1})"), "f: tensor \"a\": is not a JSON object");
  EXPECT_EQ(safetensors_refusal(R"({"__metadata__":1})"), "f: __metadata__ is not a JSON object");
  EXPECT_EQ(safetensors_refusal(R"({"__metadata__":{"k":1}})"),
            "f: __metadata__ \"k\" is not a string");
  EXPECT_EQ(safetensors_refusal(R"({"a\u001b":1})"),
            "f: tensor \"a\\u001b\": is not a JSON object");
}

TEST(Safetensors, RefusesBrokenTensors) {
  EXPECT_EQ(safetensors_refusal(R"({"a":{"shape":[1],"data_offsets":[0,1]}})", 1),
            "f: tensor \"a\": has no dtype");
  EXPECT_EQ(
      safetensors_refusal(R"({"a":{"dtype":"F8","shape":[1],"data_offsets":[0,1]}})", 1),
      "f: tensor \"a\": unknown dtype \"F8\", known are F64, F32, F16, BF16, I64, I32, I16, I8, "
      "U8, BOOL");
  EXPECT_EQ(safetensors_refusal(R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", 1),
            "f: tensor \"a\": has no shape");
  for (const char* shape : {"[-1]", "[1.0]", "[\"1\"]", "[9223372036854775808]", "[[1]]"})
    EXPECT_EQ(
        safetensors_refusal(
            fmt::format(R"({{"a":{{"dtype":"U8","shape":{},"data_offsets":[0,1]}}}})", shape), 1),
        fmt::format(
            "f: tensor \"a\": shape {} is not a list of whole numbers >= 0",
            std::string_view(shape) == "[9223372036854775808]" ? "[9223372036854775808]" : shape));
  EXPECT_EQ(safetensors_refusal(
                R"({"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})"),
            "f: tensor \"a\": shape [4294967296,4294967296] overflows");
  EXPECT_EQ(safetensors_refusal(
                R"({"a":{"dtype":"F64","shape":[1152921504606846976],"data_offsets":[0,0]}})"),
            "f: tensor \"a\": shape [1152921504606846976] overflows");
  for (const char* offsets :
       {"[0]", "[0,1,2]", "[-1,0]", "[0,1.5]", "0", "[0,18446744073709551616]"})
    EXPECT_EQ(
        safetensors_refusal(
            fmt::format(R"({{"a":{{"dtype":"U8","shape":[1],"data_offsets":{}}}}})", offsets), 1),
        "f: tensor \"a\": data_offsets are not two whole numbers >= 0")
        << offsets;
  EXPECT_EQ(safetensors_refusal(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}})", 1),
            "f: tensor \"a\": data offsets [1, 0] end before they begin");
  EXPECT_EQ(
      safetensors_refusal(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 1),
      "f: tensor \"a\": data offsets [0, 2] lie beyond the file's 1 bytes of data; is the file "
      "complete?");
  EXPECT_EQ(safetensors_refusal(R"({"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,8]}})", 8),
            "f: tensor \"a\": BF16 [2,3] needs 12 bytes, but data offsets [0, 8] hold 8");
}

TEST(Safetensors, RefusesDataThatIsNotCoveredOnce) {
  const auto two = [](const char* a, const char* b) {
    return fmt::format(R"({{"a":{{"dtype":"U8","shape":[2],"data_offsets":{}}},)"
                       R"("b":{{"dtype":"U8","shape":[2],"data_offsets":{}}}}})",
                       a, b);
  };
  EXPECT_EQ(safetensors_refusal(two("[2,4]", "[0,2]"), 4), "accepted");
  EXPECT_EQ(safetensors_refusal(two("[0,2]", "[1,3]"), 3), "f: tensor \"b\" overlaps another");
  EXPECT_EQ(safetensors_refusal(two("[0,2]", "[0,2]"), 2), "f: tensor \"b\" overlaps another");
  EXPECT_EQ(safetensors_refusal(two("[0,2]", "[3,5]"), 5), "f: 1 unused bytes before tensor \"b\"");
  EXPECT_EQ(safetensors_refusal(two("[0,2]", "[2,4]"), 7), "f: 3 bytes after the last tensor");
  EXPECT_EQ(safetensors_refusal("{}", 1), "f: 1 bytes after the last tensor");
  // A tensor without elements must not lie inside another.
  EXPECT_EQ(safetensors_refusal(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                                R"("b":{"dtype":"U8","shape":[0],"data_offsets":[1,1]}})",
                                2),
            "f: tensor \"b\" overlaps another");
}

TEST(Safetensors, WritesTheSameAlignedBytesEveryTime) {
  const auto folder = scratch_folder("safetensors");
  const Bytes odd{1, 2, 3}, wide{0, 0, 128, 63, 0, 0, 0, 64}, none;
  const std::map<std::string, StoredTensor> tensors{{"a.odd", {DType::u8, {3}, odd}},
                                                    {"b.wide", {DType::f32, {2, 1}, wide}},
                                                    {"c.none", {DType::i64, {0, 4}, none}}};
  const std::map<std::string, std::string> metadata{{"made by", "patina \"x\"\n"}, {"bad", "\xff"}};
  write_safetensors(folder / "one.safetensors", tensors, metadata);
  write_safetensors(folder / "two.safetensors", tensors, metadata);
  const Bytes bytes = read_file(folder / "one.safetensors");
  EXPECT_EQ(bytes, read_file(folder / "two.safetensors"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 2);

  const std::string text(bytes.begin() + 8, bytes.end());
  EXPECT_EQ(bytes[0] % 8, 0);
  EXPECT_EQ(text.find(R"({"__metadata__":{"bad":)"), 0u);
  EXPECT_LT(text.find("a.odd"), text.find("b.wide"));
  EXPECT_LT(text.find("b.wide"), text.find("c.none"));

  const SafetensorsFile file = SafetensorsFile::open(folder / "one.safetensors");
  EXPECT_EQ(file.files(), std::vector<fs::path>{folder / "one.safetensors"});
  EXPECT_EQ(file.metadata().at("made by"), "patina \"x\"\n");
  EXPECT_EQ(file.metadata().at("bad"), "\xef\xbf\xbd");
  ASSERT_EQ(file.tensors().size(), 3u);
  for (const auto& [name, tensor] : tensors) {
    const StoredTensor& read = file.at(name);
    EXPECT_EQ(read.dtype, tensor.dtype);
    EXPECT_EQ(read.shape, tensor.shape);
    EXPECT_TRUE(
        std::equal(read.data.begin(), read.data.end(), tensor.data.begin(), tensor.data.end()));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(read.data.data()) % size_of(read.dtype), 0u) << name;
  }
}

TEST(Safetensors, WritesExactBytes) {
  const auto folder = scratch_folder("safetensors_exact");
  const Bytes data{7};
  write_safetensors(folder / "f", {{"x", {DType::boolean, {1}, data}}});
  const Bytes bytes = read_file(folder / "f");
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()),
            std::string("\x38\0\0\0\0\0\0\0", 8) +
                R"({"x":{"data_offsets":[0,1],"dtype":"BOOL","shape":[1]}} )" + "\x07");
}

TEST(Safetensors, AFailedWriteLeavesNothing) {
  const auto folder = scratch_folder("safetensors_failed");
  EXPECT_THROW(write_safetensors(folder / "absent" / "f.safetensors", {}), Error);
  EXPECT_TRUE(fs::is_empty(folder));
}

TEST(Safetensors, DTypeNames) {
  EXPECT_EQ(name(DType::bf16), "BF16");
  EXPECT_EQ(size_of(DType::bf16), 2u);
  EXPECT_EQ(name(DType::boolean), "BOOL");
  EXPECT_EQ(size_of(DType::f64), 8u);
}

TEST(Safetensors, ReadsPermutationsThatNumPyWrote) {
  const auto path = fixture_folder(Fixtures::small) / "vision/class_order.expected.safetensors";
  const SafetensorsFile file = SafetensorsFile::open(path);
  const StoredTensor& order = file.at("perm_seed1993_10");
  ASSERT_EQ(order.dtype, DType::i64);
  ASSERT_EQ(order.shape, std::vector<int64_t>{10});
  std::vector<int64_t> values(10);
  std::memcpy(values.data(), order.data.data(), order.data.size());
  std::sort(values.begin(), values.end());
  for (int64_t i = 0; i < 10; ++i) EXPECT_EQ(values[i], i);
}

TEST(Safetensors, ReadsTheFixtures) {
  const auto vision = fixture_folder(Fixtures::small) / "vision";
  int files = 0;
  for (const auto& entry : fs::directory_iterator(vision))
    if (entry.path().extension() == ".safetensors") {
      EXPECT_FALSE(SafetensorsFile::open(entry.path()).tensors().empty()) << entry.path();
      ++files;
    }
  EXPECT_EQ(files, 7);
  const SafetensorsFile vit = SafetensorsFile::open(vision / "vit_random.safetensors");
  EXPECT_EQ(vit.tensors().size(), 32u);
  EXPECT_EQ(vit.at("patch_embed.proj.weight").shape, (std::vector<int64_t>{16, 3, 4, 4}));
}

TEST(Safetensors, ReadsBf16) {
  const auto path = fixture_folder(Fixtures::small) / "language/llama/model_bf16.safetensors";
  const SafetensorsFile file = SafetensorsFile::open(path);
  const StoredTensor& embedding = file.at("model.embed_tokens.weight");
  EXPECT_EQ(embedding.dtype, DType::bf16);
  EXPECT_EQ(embedding.shape, (std::vector<int64_t>{40, 16}));
  EXPECT_EQ(embedding.data.size(), 1280u);
}

}  // namespace
}  // namespace patina
