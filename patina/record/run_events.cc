#include "patina/record/run_events.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace patina {

namespace {

constexpr int64_t kStepsAPoint = 10;
constexpr std::string_view kEventFiles = "events.out.tfevents.";

}  // namespace

RunEvents::RunEvents(const fs::path& folder, std::string_view recipe, bool resumed)
    : file_(folder), resumed_(resumed) {
  if (!resumed) file_.text("recipe", 0, "```toml\n" + std::string(recipe) + "```\n");
}

void RunEvents::task(const Record& record) {
  write_loss();
  const ScoreMatrix matrix = accuracy_matrix(record);
  const int after = tasks_learned(matrix);
  if (after == 0) return;
  const auto at = size_t(after - 1);
  const auto scalar = [&](const std::string& tag, Score value) {
    if (value && std::isfinite(*value)) file_.scalar(tag, after, *value);
  };
  const std::string kind = record.is_of_texts() ? "score" : "accuracy";
  if (at < record.accuracy_after_task.size())
    scalar("accuracy/seen_classes", record.accuracy_after_task[at]);
  double forgotten = 0;
  int terms = 0;
  for (int task = 0; task < matrix.tasks(); ++task) {
    scalar(fmt::format("{}/task_{:02}", kind, task + 1), matrix.at(after, task));
    if (const Score lost = task_forgetting(matrix, after, task)) forgotten += *lost, ++terms;
  }
  if (terms > 0) scalar("forgetting", forgotten / terms);
  if (at < record.seconds.per_task.size()) {
    scalar("seconds/train", record.seconds.per_task[at].train);
    scalar("seconds/evaluate", record.seconds.per_task[at].evaluate);
  }
  const auto& stored = record.parameters.stored_bytes_after_task;
  if (at < stored.size()) scalar("memory/stored_bytes", double(stored[at]));
  scalar("memory/peak_bytes", double(record.peak_memory_bytes));
  if (size_t(after) < record.drift.size()) {
    scalar("drift/from_base", record.drift[size_t(after)].from_base);
    scalar("drift/general_bits_per_byte", record.drift[size_t(after)].general_bits_per_byte);
  }
  const Image image = matrix_image(record);
  file_.png("matrix", after, encode_png(image), image.width, image.height);
}

void RunEvents::loss(int64_t step, double loss) {
  // A resumed run repeats the steps since its last checkpoint. Steps count from the tasks' numbers
  // on, whose scalars must stay.
  if (std::exchange(resumed_, false) && step > int64_t(Record::kMostTasks)) file_.restarted(step);
  step_ = step;
  sum_ += loss;
  if (++count_ == kStepsAPoint) write_loss();
}

void RunEvents::write_loss() {
  if (count_ > 0) file_.scalar("loss", step_, sum_ / double(count_));
  sum_ = 0;
  count_ = 0;
}

Image matrix_image(const Record& record) {
  constexpr int kGap = 2, kLargestSide = 800, kLargestCell = 40, kSmallestCell = 4;
  constexpr int kDeep[3] = {4, 64, 58}, kGround[3] = {255, 255, 255}, kHatch[3] = {214, 221, 218};
  const ScoreMatrix matrix = accuracy_matrix(record);
  const int tasks = matrix.tasks(), rows = tasks + 1;
  const int cell = std::clamp(kLargestSide / rows - kGap, kSmallestCell, kLargestCell);
  const int pitch = cell + kGap;
  Image image(rows * pitch + kGap, tasks * pitch + kGap);
  std::ranges::fill(image.pixels, uint8_t{255});
  for (int after = 0; after < rows; ++after)
    for (int task = 0; task < tasks; ++task) {
      const Score score = matrix.at(after, task);
      const double depth = shade(record, matrix, after, task);
      for (int y = 0; y < cell; ++y)
        for (int x = 0; x < cell; ++x) {
          uint8_t* pixel = image.row(kGap + after * pitch + y) + 3 * (kGap + task * pitch + x);
          const bool hatched = !score && (x + y) % 4 == 0;
          for (int c = 0; c < 3; ++c)
            pixel[c] = uint8_t(
                std::lround(hatched ? kHatch[c] : kGround[c] + (kDeep[c] - kGround[c]) * depth));
        }
    }
  return image;
}

void remove_events(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().filename().string().starts_with(kEventFiles)) files.push_back(entry.path());
  for (const auto& file : files) fs::remove(file);
}

}  // namespace patina
