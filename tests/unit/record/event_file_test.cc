// TensorBoard's event files, byte by byte: the checksum against RFC 3720's values, the records
// against bytes that another program made from the format's description.
#include "patina/record/event_file.h"

#include <gtest/gtest.h>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/record/run_events.h"
#include "tests/support/shared.h"
#include "tests/unit/report/fake_record.h"

namespace patina {
namespace {

std::string hex(std::string_view bytes) {
  std::string text;
  for (const unsigned char c : bytes) text += fmt::format("{:02x}", c);
  return text;
}

// The data of every record, their checksums checked.
std::vector<std::string> records_of(const std::string& file) {
  std::vector<std::string> records;
  const auto word = [&](size_t at, size_t size) {
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;) value = value << 8 | uint8_t(file.at(at + i));
    return value;
  };
  for (size_t at = 0; at < file.size();) {
    const size_t length = word(at, 8);
    EXPECT_EQ(word(at + 8, 4), masked_crc32c(file.substr(at, 8)));
    records.push_back(file.substr(at + 12, length));
    EXPECT_EQ(word(at + 12 + length, 4), masked_crc32c(records.back()));
    at += 16 + length;
  }
  return records;
}

std::string only_file(const fs::path& folder) {
  const fs::directory_iterator files(folder);
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
  return read_text(fs::directory_iterator(folder)->path());
}

TEST(EventFile, TheChecksumIsCastagnolis) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(crc32c(""), 0u);
}

TEST(EventFile, AScalarIsTheseBytes) {
  const fs::path folder = scratch_folder("events-bytes");
  {
    EventFile events(folder, [] { return 1.5; });
    EXPECT_TRUE(events.path().filename().string().starts_with("events.out.tfevents.0000000001."));
    events.scalar("a", 300, 0.25);
  }
  EXPECT_EQ(hex(only_file(folder)),
            "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c"
            "1800000000000000a37f4b2209000000000000f83f10ac022a0a0a080a0161150000803eb4fa9511");
}

TEST(EventFile, TextsImagesAndRestartsHaveTheirFields) {
  const fs::path folder = scratch_folder("events-fields");
  {
    EventFile events(folder, [] { return 0.0; });
    events.text("t", 1, "*x*");
    const Bytes png = {1, 2, 3};
    events.png("i", 2, png, 200, 5);
    events.restarted(7);
  }
  const auto records = records_of(only_file(folder));
  ASSERT_EQ(records.size(), 4u);
  const std::string time = "090000000000000000";
  EXPECT_EQ(hex(records[1]), time +
                                 "1001"
                                 "2a1e"
                                 "0a1c"
                                 "0a0174"
                                 "4a08"
                                 "0a06"
                                 "0a04"
                                 "74657874"
                                 "420d"
                                 "0807"
                                 "1204"
                                 "1202"
                                 "0801"
                                 "4203"
                                 "2a782a");
  EXPECT_EQ(hex(records[2]), time +
                                 "1002"
                                 "2a13"
                                 "0a11"
                                 "0a0169"
                                 "220c"
                                 "0805"
                                 "10c801"
                                 "1803"
                                 "2203"
                                 "010203");
  EXPECT_EQ(hex(records[3]), time +
                                 "1007"
                                 "3a02"
                                 "0801");
}

TEST(EventFile, AFolderThatIsNotThereIsAnError) {
  EXPECT_THROW(EventFile(scratch_folder("events-none") / "nowhere"), Error);
}

TEST(RunEvents, WriteScoresAfterATaskAndTheLossOfTenSteps) {
  const fs::path folder = scratch_folder("events-run");
  {
    RunEvents events(folder, "seed = 1\n", /*resumed=*/false);
    for (int step = 0; step < 12; ++step) events.loss(step, step);
    events.task(fake_run("ranpac").record);
  }
  const auto records = records_of(only_file(folder));
  const auto with = [&](const std::string& tag) {
    std::vector<std::string> found;
    const std::string field = std::string("\x0a") + char(tag.size()) + tag;
    for (const auto& record : records)
      if (record.find(field) != std::string::npos) found.push_back(record);
    return found;
  };
  ASSERT_EQ(with("recipe").size(), 1u);
  EXPECT_NE(with("recipe")[0].find("```toml\nseed = 1\n```"), std::string::npos);
  const auto losses = with("loss");
  ASSERT_EQ(losses.size(), 2u) << "ten steps, and the two that are left when the task ends";
  EXPECT_TRUE(losses[0].ends_with(std::string("\x15\x00\x00\x90\x40", 5))) << "4.5";
  EXPECT_TRUE(losses[1].ends_with(std::string("\x15\x00\x00\x28\x41", 5))) << "10.5";
  EXPECT_EQ(with("accuracy/seen_classes").size(), 1u);
  for (const char* tag : {"accuracy/task_01", "accuracy/task_05", "forgetting", "seconds/train",
                          "memory/stored_bytes", "matrix"})
    EXPECT_EQ(with(tag).size(), 1u) << tag;
  EXPECT_NE(with("matrix")[0].find("\x89PNG"), std::string::npos);
  write_text(folder / "record.json", "{}");
  remove_events(folder);
  EXPECT_EQ(only_file(folder), "{}");
}

TEST(RunEvents, TheMatrixIsAnImageWhoseCellsAreItsScores) {
  Record record = fake_run("ranpac").record;
  record.matrix[5][4] = 1;
  record.matrix[5][3] = 0;
  const Image image = matrix_image(record);
  EXPECT_EQ(image.height, 6 * 42 + 2);
  EXPECT_EQ(image.width, 5 * 42 + 2);
  const auto at = [&](int after, int task) {
    return image.row(3 + 42 * after) + 3 * (3 + 42 * task);
  };
  EXPECT_EQ(at(5, 4)[0], 4);
  EXPECT_EQ(at(5, 4)[2], 58);
  EXPECT_EQ(at(5, 3)[0], 255);
  EXPECT_EQ(image.pixels[0], 255) << "the gap";
  EXPECT_EQ(image.row(2)[3 * 2], 214) << "hatched: nothing measured";
}

}  // namespace
}  // namespace patina
