// Evaluation during a run: predictions are stored, and all metrics are computed from them.
#pragma once

#include <vector>

#include "patina/eval/anytime.h"
#include "patina/eval/matrix.h"
#include "patina/learn/learner.h"

namespace patina {

/// The accuracy matrices of a run so far, and the predictions they are computed from.
class Evaluation {
 public:
  explicit Evaluation(const Scenario& scenario);

  /// Measures row `after`; row 0 once the first task was announced to the learner, before it
  /// learned. Entries of tasks that the learner has no scores for stay undefined: see `met`. Throws
  /// Error(model) if scores are not finite.
  void measure(Learner& learner, Trainer& trainer, int after);
  /// Measures a point of a single-pass stream, on the classes seen so far.
  void measure_now(Learner& learner, Trainer& trainer);
  /// Adds the final point of such a stream, after `samples` samples, from the last row.
  void end_curve(int64_t samples);

  int rows() const { return rows_; }  // measured so far
  const AccuracyMatrix& matrix() const { return matrix_; }
  const AccuracyMatrix& top5() const { return top5_; }
  const AnytimeCurve& curve() const { return curve_; }
  /// Accuracy over all samples of the classes seen after task `after` in [1,T].
  Score accuracy_after(int after) const;

  void state(Archive& a);
  /// Writes predictions.safetensors: `target` [N] over all test tasks in order, and `after_task_i`
  /// [N] with -1 for samples without a prediction.
  void write_predictions(const fs::path& path) const;

 private:
  // The best classes in `among` (at most five, best first) for every test sample of a task.
  void predict(Learner& learner, const Classifier& classifier, Trainer& trainer,
               const Dataset& test, int task, const std::string& label, const Tensor& among,
               const std::function<void(const Batch&, const Tensor&)>& best) const;
  Tensor best_domain(const Tensor& scores) const;
  bool met(const Learner& learner, int task, int after) const;
  Tensor competing(int task, int after) const;
  void fill(int after);  // computes a row of the matrices from its predictions

  const Scenario& scenario_;
  int rows_ = 0;
  std::vector<Tensor> predicted_;  // one [N] per row, class or -1: not asked
  std::vector<Tensor> in_top5_;    // one [N] per row, uint8
  AccuracyMatrix matrix_, top5_;
  AnytimeCurve curve_;
};

}  // namespace patina
