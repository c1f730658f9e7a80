// Zip archives: entries in place, 64-bit directories, and every refusal.
#include "patina/checkpoint/zip.h"

#include <gtest/gtest.h>

#include "patina/base/error.h"
#include "tests/support/zip_writing.h"

namespace patina {
namespace {

std::string entry_text(std::span<const uint8_t> bytes) {
  return {bytes.begin(), bytes.end()};
}

std::string zip_refusal(const Bytes& bytes) {
  try {
    ZipArchive::parse(bytes, "f");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::format);
    return error.what();
  }
  return "accepted";
}

ZipWriting two() {
  return ZipWriting().entry("a/one", "first").entry("a/two", "");
}

TEST(Zip, HandsOutEntriesInPlace) {
  for (const bool wide : {false, true}) {
    const Bytes bytes = two().bytes(wide);
    EXPECT_TRUE(ZipArchive::begins(bytes));
    const ZipArchive archive = ZipArchive::parse(bytes, "f");
    ASSERT_EQ(archive.entries().size(), 2u);
    EXPECT_EQ(entry_text(archive.at("a/one")), "first");
    EXPECT_GE(archive.at("a/one").data(), bytes.data());
    EXPECT_LE(archive.at("a/one").data() + 5, bytes.data() + bytes.size());
    EXPECT_TRUE(archive.at("a/two").empty());
    EXPECT_FALSE(archive.has("a"));
    EXPECT_THROW(archive.at("a"), Error);
  }
  Bytes commented = two().bytes();
  commented[commented.size() - 2] = 3;
  commented.insert(commented.end(), {'o', 'l', 'd'});
  EXPECT_TRUE(ZipArchive::parse(commented, "f").has("a/one"));
  EXPECT_TRUE(ZipArchive::parse(ZipWriting().bytes(), "f").entries().empty());
}

TEST(Zip, RefusesWhatIsNoWholeFile) {
  for (const bool wide : {false, true}) {
    const Bytes whole = two().bytes(wide);
    for (size_t size = 0; size < whole.size(); ++size)
      EXPECT_NE(zip_refusal(Bytes(whole.begin(), whole.begin() + std::ptrdiff_t(size))), "accepted")
          << size;
  }
}

// An entry that unpacks to more than the file is one of a bomb; nothing is unpacked at all.
TEST(Zip, CompressedEntriesAreNotRead) {
  const Bytes bytes = ZipWriting()
                          .entry({.name = "bomb", .data = "small", .method = 8, .says = 5})
                          .entry("stored", "x")
                          .bytes();
  const ZipArchive archive = ZipArchive::parse(bytes, "f");
  EXPECT_EQ(entry_text(archive.at("stored")), "x");
  try {
    archive.at("bomb");
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()),
              "f: bomb is compressed, which torch.save does not do: save the weights with it anew");
  }
}

TEST(Zip, SaysWhatIsWrong) {
  const auto one = [](ZipWriting::Entry entry) {
    return zip_refusal(ZipWriting().entry("a", "first").entry(std::move(entry)).bytes());
  };
  Bytes parts = two().bytes(), crowded = parts, moved = two().bytes(/*wide=*/true);
  parts[parts.size() - 18] = 1;
  crowded[crowded.size() - 12] = 200;
  moved[moved.size() - 22 - 12] += 1;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {zip_refusal(Bytes(30)), "no directory at its end"},
      {zip_refusal(Bytes(3)), "3 bytes, fewer than a directory has"},
      {zip_refusal(parts), "in several parts"},
      {zip_refusal(crowded), "200 entries lies beyond its end"},
      {zip_refusal(moved), "64-bit directory is not where it should be"},
      {one({.name = "a", .data = "again"}), "a is there twice"},
      {one({.name = "b\n", .data = ""}), "not named in ASCII"},
      {one({.name = std::string(5000, 'n'), .data = ""}), "name of 5000 bytes, more than 4096"},
      {one({.name = "b", .data = "x", .flags = 1}), "b is encrypted"},
      {one({.name = "b", .data = "x", .at = 3}), "b is not where the directory says"},
      {one({.name = "b", .data = "x", .at = 0xfffffff0}), "b is not where the directory says"},
      {one({.name = "b", .data = "x", .at = 0}), "overlaps another entry"},
      {one({.name = "b", .data = "x", .says = 5000}), "b lies beyond its end"},
      {one({.name = "b", .data = "x", .says = 40}), "b overlaps the directory"}};
  for (const auto& [actual, expected] : cases)
    EXPECT_NE(actual.find(expected), std::string::npos) << actual << "\nexpected: " << expected;
}

}  // namespace
}  // namespace patina
