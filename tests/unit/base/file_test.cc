// Files: gzip with every kind of damage, atomic writes that leave nothing behind, content hashes.
#include "patina/base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <fstream>

#include "tests/support/errors.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

void write(const fs::path& path, const Bytes& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size()));
}

Bytes numbers(size_t count) {
  Bytes bytes;
  for (size_t i = 0; i < count; ++i) bytes.push_back(uint8_t(i * i >> 3));
  return bytes;
}

Bytes gzip(const Bytes& bytes) {
  const auto path = scratch_folder("gzip") / "file.gz";
  const gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, bytes.data(), unsigned(bytes.size()));
  gzclose(file);
  return read_file(path);
}

Bytes joined(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(ReadMaybeGzip, InflatesOneMemberManyMembersAndPadding) {
  const auto path = scratch_folder("read_gzip") / "data";
  const Bytes plain = numbers(300000), packed = gzip(plain);
  write(path, plain);
  EXPECT_EQ(read_maybe_gzip(path), plain);
  write(path, packed);
  EXPECT_EQ(read_maybe_gzip(path), plain);
  write(path, joined(packed, gzip(numbers(7))));
  EXPECT_EQ(read_maybe_gzip(path), joined(plain, numbers(7)));
  write(path, joined(packed, Bytes(511, 0)));
  EXPECT_EQ(read_maybe_gzip(path), plain);
  write(path, gzip({}));
  EXPECT_EQ(read_maybe_gzip(path), Bytes());
}

TEST(ReadMaybeGzip, RefusesDamage) {
  const auto path = scratch_folder("bad_gzip") / "data.gz";
  const Bytes packed = gzip(numbers(5000));
  for (const size_t length : {size_t{2}, size_t{9}, size_t{100}, packed.size() - 1}) {
    write(path, Bytes(packed.begin(), packed.begin() + std::ptrdiff_t(length)));
    EXPECT_PRED2(contains, error_of([&] { read_maybe_gzip(path); }), "data.gz: truncated gzip");
  }
  write(path, joined(packed, {0, 0, 1}));
  EXPECT_PRED2(contains, error_of([&] { read_maybe_gzip(path); }), "damaged gzip file");
  Bytes flipped = packed;
  flipped[packed.size() - 6] ^= 1;  // the checksum
  write(path, flipped);
  EXPECT_PRED2(contains, error_of([&] { read_maybe_gzip(path); }), "damaged gzip file");
}

TEST(ReadMaybeGzip, StopsAtItsLimit) {
  const auto path = scratch_folder("big_gzip") / "data.gz";
  write(path, gzip(Bytes(1 << 20, 7)));
  EXPECT_EQ(read_maybe_gzip(path, 1 << 20).size(), size_t{1} << 20);
  EXPECT_PRED2(contains, error_of([&] { read_maybe_gzip(path, (1 << 20) - 1); }),
               "inflates to more than 1048575 bytes");
}

TEST(ReadFile, SaysWhatIsWrong) {
  const auto folder = scratch_folder("read_file");
  EXPECT_PRED2(contains, error_of([&] { read_file(folder / "none"); }), "none: cannot open");
  EXPECT_PRED2(contains, error_of([&] { read_file(folder); }), "not a regular file");
  write(folder / "ten", numbers(10));
  EXPECT_EQ(read_file(folder / "ten", 10), numbers(10));
  EXPECT_PRED2(contains, error_of([&] { read_file(folder / "ten", 9); }),
               "more than the limit of 9");
}

TEST(MappedFile, ShowsTheBytes) {
  const auto folder = scratch_folder("mapped");
  write(folder / "some", numbers(1000));
  write(folder / "empty", {});
  const MappedFile some(folder / "some"), empty(folder / "empty");
  EXPECT_EQ(Bytes(some.bytes().begin(), some.bytes().end()), numbers(1000));
  EXPECT_TRUE(empty.bytes().empty());
}

TEST(AtomicFile, AppearsOnlyWhenCommitted) {
  const auto folder = scratch_folder("atomic");
  write_text(folder / "file", "old");
  {
    AtomicFile file(folder / "file");
    file.write("half of the new");
    EXPECT_EQ(read_text(folder / "file"), "old");
  }
  EXPECT_EQ(read_text(folder / "file"), "old");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), {}), 1);
  AtomicFile file(folder / "file");
  file.write("new");
  file.commit();
  EXPECT_EQ(read_text(folder / "file"), "new");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), {}), 1);
}

TEST(AtomicFile, FollowsALinkAndLeavesDevicesAndPipesWhatTheyAre) {
  const fs::path folder = scratch_folder("links");
  write_text(folder / "old", "old");
  fs::create_symlink("old", folder / "link");
  fs::create_symlink("link", folder / "second");
  write_text(folder / "second", "new");
  EXPECT_TRUE(fs::is_symlink(folder / "second") && fs::is_symlink(folder / "link"));
  EXPECT_EQ(read_text(folder / "old"), "new");
  fs::create_symlink("not there", folder / "dangling");
  write_text(folder / "dangling", "made");
  EXPECT_EQ(read_text(folder / "not there"), "made");
  fs::create_symlink("round", folder / "round");
  EXPECT_TRUE(contains(error_of([&] { write_text(folder / "round", "x"); }), "leads to itself"));

  write_text("/dev/null", "nothing");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  const fs::path pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  write_text(pipe, "through");
  char got[16] = {};
  EXPECT_EQ(::read(reader, got, sizeof got), 7);
  ::close(reader);
  EXPECT_TRUE(fs::is_fifo(pipe));
  // The pipe has no reader and no writer; neither call may wait for one.
  EXPECT_NE(error_of([&] { write_text(pipe, "x"); }), "");
  EXPECT_TRUE(contains(error_of([&] { read_file(pipe); }), "not a regular file"));
  EXPECT_TRUE(contains(error_of([&] { write_text(folder, "x"); }), "it is a folder"));
}

TEST(AtomicFile, SaysWhatIsWrong) {
  const auto folder = scratch_folder("atomic_errors");
  EXPECT_PRED2(contains, error_of([&] { write_text(folder / "none" / "file", ""); }),
               "cannot create");
  fs::create_directories(folder / "taken" / "inside");
  EXPECT_PRED2(contains, error_of([&] { write_text(folder / "taken", "x"); }), "it is a folder");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), {}), 1);
  write_text(folder / "file", "");
  EXPECT_PRED2(contains, error_of([&] { make_folder(folder / "file"); }), "file");
}

TEST(ContentHash, SeesEveryByteAndEveryBoundary) {
  const auto hash = [](std::initializer_list<std::string_view> parts) {
    ContentHash h;
    for (const auto part : parts) h.add(part);
    return h.hex();
  };
  EXPECT_EQ(hash({"abc"}).size(), 32u);
  EXPECT_EQ(hash({"abc"}), hash({"abc"}));
  EXPECT_NE(hash({"abc"}), hash({"abd"}));
  EXPECT_NE(hash({"ab", "c"}), hash({"a", "bc"}));
  EXPECT_NE(hash({"abc"}), hash({std::string_view("abc\0", 4)}));
  EXPECT_NE(hash({"12345678abcdefgh"}), hash({"abcdefgh12345678"}));
}

TEST(FolderLock, HoldsAFolderForOneAtATime) {
  const auto folder = scratch_folder("lock");
  {
    const FolderLock held(folder);
    const std::string message = error_of([&] { const FolderLock second(folder); });
    EXPECT_PRED2(contains, message, folder.string() + ": another patina is running here");
    EXPECT_PRED2(contains, message, fmt::format("process {}", ::getpid()));
  }
  const FolderLock again(folder);
}

}  // namespace
}  // namespace patina
