// What a download stands on without a network: checksums, the list, and archives that stay inside.
#include "patina/fetch/fetch.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <set>

#include "patina/fetch/sha256.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"

namespace patina::fetch {
namespace {

std::string hash_of(const std::string& text) {
  Sha256 hash;
  hash.add(text);
  return hash.hex();
}

// The examples of FIPS 180-4's appendix, and the empty message.
TEST(Sha256, is_that_of_the_standard) {
  EXPECT_EQ(hash_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hash_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hash_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hash_of(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, does_not_depend_on_how_the_bytes_come) {
  const std::string text(1000, 'x');
  for (const size_t step : {1u, 55u, 63u, 64u, 65u, 129u}) {
    Sha256 hash;
    for (size_t at = 0; at < text.size(); at += step)
      hash.add(std::string_view(text).substr(at, step));
    EXPECT_EQ(hash.hex(), hash_of(text)) << step;
  }
  const auto folder = scratch_folder("sha256");
  write_text(folder / "file", text);
  EXPECT_EQ(sha256_of(folder / "file"), hash_of(text));
}

TEST(TheList, is_whole) {
  std::set<std::string> names;
  for (const auto& one : known()) {
    SCOPED_TRACE(one.name);
    EXPECT_TRUE(names.insert(one.name).second);
    EXPECT_NE(one.use.find("{}"), std::string::npos);
    std::set<std::string> files;
    for (const auto& file : one.files) {
      EXPECT_TRUE(file.sha256.empty() || file.sha256.size() == 64);
      for (const auto& address : file.addresses) {
        EXPECT_TRUE(is_of_hub(address) || address.starts_with("https://")) << address;
        EXPECT_TRUE(files.insert(address).second) << address;
      }
    }
    EXPECT_FALSE(files.empty());
  }
}

TEST(TheList, is_asked_for_at_the_mirror) {
  ::unsetenv("HF_ENDPOINT");
  ::unsetenv("PATINA_MIRROR");
  const std::string weights = "hub:google/vit/model.safetensors", data = "https://a.b/c/d.gz";
  EXPECT_EQ(resolved(weights), "https://huggingface.co/google/vit/resolve/main/model.safetensors");
  EXPECT_EQ(resolved(data), data);
  ::setenv("HF_ENDPOINT", "http://localhost:1/hub/", 1);
  ::setenv("PATINA_MIRROR", "http://localhost:2/", 1);
  EXPECT_EQ(resolved(weights), "http://localhost:1/hub/google/vit/resolve/main/model.safetensors");
  EXPECT_EQ(resolved(data), "http://localhost:2/a.b/c/d.gz");
  ::unsetenv("HF_ENDPOINT");
  ::unsetenv("PATINA_MIRROR");
}

// An archive of POSIX's form with one file.
std::string tar_of(const std::string& name, const std::string& content) {
  std::string header(512, '\0');
  name.copy(header.data(), 100);
  std::memcpy(&header[100], "0000644\0000000000\0000000000\0", 24);
  fmt::format("{:011o}", content.size()).copy(&header[124], 11);
  std::memcpy(&header[136], "00000000000", 11);
  header[156] = '0';
  std::memcpy(&header[257], "ustar\00000", 8);
  std::memcpy(&header[148], "        ", 8);
  unsigned sum = 0;
  for (const char c : header) sum += uint8_t(c);
  fmt::format("{:06o}", sum).copy(&header[148], 6);
  header[154] = '\0';
  std::string padded = content;
  padded.resize((content.size() + 511) / 512 * 512);
  return header + padded + std::string(1024, '\0');
}

TEST(Unpack, stays_in_its_folder) {
  const auto folder = scratch_folder("unpack");
  write_text(folder / "good.tar", tar_of("inner/file.bin", "text"));
  unpack(folder / "good.tar", folder / "out");
  EXPECT_EQ(read_text(folder / "out/inner/file.bin"), "text");
  for (const std::string name : {"../escaped", "/tmp/patina-escaped", "a/../../escaped"}) {
    write_text(folder / "bad.tar", tar_of(name, "text"));
    EXPECT_NE(error_of(ErrorKind::format, [&] { unpack(folder / "bad.tar", folder / "bad/out"); }),
              "");
    EXPECT_FALSE(fs::exists(folder / "bad/escaped"));
    EXPECT_FALSE(fs::exists("/tmp/patina-escaped"));
  }
}

}  // namespace
}  // namespace patina::fetch
