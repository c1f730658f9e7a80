// What TensorBoard shows of a run: scores and costs after each task, the loss, the recipe as a text
// and the accuracy matrix as an image.
#pragma once

#include "patina/image/image.h"
#include "patina/record/event_file.h"
#include "patina/record/record.h"

namespace patina {

class RunEvents {
 public:
  /// Writes into the run's folder. `resumed`: after an earlier process of the run.
  RunEvents(const fs::path& folder, std::string_view recipe, bool resumed);

  /// Scores and costs of a record after its newest task; the step is the number of tasks.
  void task(const Record& record);
  /// The loss of a gradient step. Written as the mean of ten.
  void loss(int64_t step, double loss);

 private:
  void write_loss();

  EventFile file_;
  bool resumed_;
  int64_t step_ = 0;  // of the newest loss
  double sum_ = 0;    // of the losses that are not written
  int64_t count_ = 0;
};

/// A picture of the matrix: a row per stage, a column per task, deeper is better; hatched where
/// nothing was measured.
Image matrix_image(const Record& record);

/// Deletes the event files of a run.
void remove_events(const fs::path& folder);

}  // namespace patina
