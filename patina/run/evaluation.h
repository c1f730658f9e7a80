// Evaluation during a run: raw predictions first, every number from them.
#pragma once

#include <vector>

#include "patina/eval/anytime.h"
#include "patina/eval/matrix.h"
#include "patina/learn/learner.h"

namespace patina {

/// The accuracy matrices of a run in progress, and the predictions they come from.
class Evaluation {
 public:
  explicit Evaluation(const Scenario& scenario);

  /// Measures row `after` (0: before any learning). A task none of whose classes have been seen is
  /// not run: scores exist for seen classes only, so every prediction on it is wrong.
  void measure(Learner& learner, Trainer& trainer, int after);
  /// Measures a moment of a stream that comes once, on the classes met so far.
  void measure_now(Learner& learner, Trainer& trainer);
  /// The moment when such a stream has ended, `samples` of it: by the last row, which is measured.
  void end_curve(int64_t samples);

  int rows() const { return rows_; }  // measured so far
  const AccuracyMatrix& matrix() const { return matrix_; }
  const AccuracyMatrix& top5() const { return top5_; }
  const AnytimeCurve& curve() const { return curve_; }
  /// Per-sample accuracy over the classes seen after task `after` in [1,T].
  Score accuracy_after(int after) const;

  void state(Archive& a);
  /// predictions.safetensors: `target` [N] over all test tasks in order, and `after_task_i` [N]
  /// with -1 where nothing was predicted.
  void write_predictions(const fs::path& path) const;

 private:
  // The best classes of every test sample of a task, the best first: of `among`, at most five.
  void predict(Learner& learner, Trainer& trainer, const Dataset& test, int task,
               const std::string& label, const Tensor& among,
               const std::function<void(const Batch&, const Tensor&)>& best) const;
  Tensor best_domain(const Tensor& scores) const;
  Tensor competing(int task, int after) const;
  void fill(int after);  // a row of the matrices from its predictions

  const Scenario& scenario_;
  int rows_ = 0;
  std::vector<Tensor> predicted_;  // [N] a row, class or -1
  std::vector<Tensor> in_top5_;    // [N] a row, uint8
  AccuracyMatrix matrix_, top5_;
  AnytimeCurve curve_;
};

}  // namespace patina
