#include "patina/base/file_lock.h"

#include <gtest/gtest.h>

#include <optional>

#include "tests/support/errors.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

TEST(FileLock, tells_others_what_its_holder_does) {
  const auto folder = scratch_folder("file_lock");
  const fs::path file = folder / "pets.patina";
  std::optional<FileLock> first(std::in_place, file, "it is served");
  const auto again = [&](const fs::path& path) { FileLock lock(path, "learning"); };
  EXPECT_EQ(error_of(ErrorKind::state, [&] { again(file); }), file.string() + ": it is served");
  EXPECT_NO_THROW(again(folder / "birds.patina"));
  first.reset();
  EXPECT_NO_THROW(again(file));
  EXPECT_TRUE(fs::is_empty(folder)) << "nothing is left beside the file";
}

TEST(FileLock, holds_while_the_file_is_replaced_and_under_its_other_names) {
  const auto folder = scratch_folder("file_lock_replaced");
  const fs::path file = folder / "pets.patina";
  write_text(file, "one");
  fs::create_symlink(file, folder / "other.patina");
  const FileLock lock(file, "it is served");
  write_text(file, "two");  // by renaming
  EXPECT_THROW(FileLock(file, ""), Error);
  EXPECT_THROW(FileLock(folder / "other.patina", ""), Error);
}

// A process that was killed leaves the file, but no lock.
TEST(FileLock, takes_what_a_killed_process_left) {
  const auto folder = scratch_folder("file_lock_left");
  write_text(folder / ".pets.patina.lock", "it is served (process 1)");
  EXPECT_NO_THROW(FileLock(folder / "pets.patina", "learning"));
}

}  // namespace
}  // namespace patina
