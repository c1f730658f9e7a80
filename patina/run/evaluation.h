// Evaluation during a run: predictions are stored, and all metrics are computed from them.
#pragma once

#include <vector>

#include "patina/eval/anytime.h"
#include "patina/eval/matrix.h"
#include "patina/learn/learner.h"
#include "patina/run/drift.h"
#include "patina/run/recipe.h"
#include "patina/session/probes.h"

namespace patina {

/// What a stream of texts is measured with.
struct TextMeasures {
  Asking asking;
  std::vector<std::unique_ptr<Probe>> probes;  // one a task
  bool ahead = true;                           // tasks that were not learned yet, too
  Drift drift;
};

/// Those of a recipe; null if its learner does not answer with text. Made before anything is
/// learned: the drift is measured from here. Network, pool and scenario are lent.
std::unique_ptr<TextMeasures> text_measures(const Recipe& recipe, const Backbone& backbone,
                                            ThreadPool& pool, const Scenario& scenario,
                                            Workers* workers = nullptr);

/// The accuracy matrices of a run so far, and the predictions they are computed from; of a learner
/// that answers with text, the scores of its probes and the drift.
class Evaluation {
 public:
  explicit Evaluation(const Scenario& scenario, std::unique_ptr<TextMeasures> texts = nullptr);

  /// Measures row `after`; row 0 once the first task was announced to the learner, before it
  /// learned. Entries of tasks that the learner has no scores for stay undefined: see `met`. Throws
  /// Error(model) if scores are not finite.
  void measure(Learner& learner, Trainer& trainer, int after);
  /// Measures a point of a single-pass stream, on the classes seen so far.
  void measure_now(Learner& learner, Trainer& trainer);
  /// Adds the final point of such a stream, after `samples` samples, from the last row.
  void end_curve(int64_t samples);

  int rows() const { return rows_; }  // measured so far
  const ScoreMatrix& matrix() const { return matrix_; }
  /// Null where the learner chooses among classes.
  const TextMeasures* texts() const { return texts_.get(); }
  const AccuracyMatrix& top5() const { return top5_; }
  const AnytimeCurve& curve() const { return curve_; }
  int64_t last_point() const;  // samples at the curve's last point
  /// Accuracy over all samples of the classes seen after task `after` in [1,T]. Undefined for
  /// texts.
  Score accuracy_after(int after) const;

  /// What the row after a task says, in words: "accuracy over 20 classes 85.30 %". "": nothing.
  std::string told_after(const Task& task) const;

  void state(Archive& a);
  /// Writes predictions.safetensors: `target` [N] over all test tasks in order, and `after_task_i`
  /// [N] with -1 for samples without a prediction.
  void write_predictions(const fs::path& path) const;
  /// Writes the answers of the last row, one a line: {"task": 1, "sample": "test.json[0]",
  /// "answer": "...", "references": [...]}. Nothing if no probe asked for answers.
  void write_answers(const fs::path& path) const;

 private:
  void ask(const Generator& learner, int after);  // measures a row with the probes
  // The best classes in `among` for every test sample of a task: [N, at most 5], best first.
  Tensor predict(Learner& learner, const Classifier& classifier, Trainer& trainer,
                 const Dataset& test, int task, const std::string& label,
                 const Tensor& among) const;
  Tensor best_domain(const Tensor& scores) const;
  bool met(const Learner& learner, int task, int after) const;
  Tensor competing(int task, int after, bool all) const;
  void state_of_texts(Archive& a);
  void fill(int after);  // computes a row of the matrices from its predictions

  const Scenario& scenario_;
  int rows_ = 0;
  std::vector<Tensor> predicted_;  // one [N] per row, class or -1: not asked
  std::vector<Tensor> in_top5_;    // one [N] per row, uint8
  ScoreMatrix matrix_, top5_;
  std::unique_ptr<TextMeasures> texts_;
  std::vector<std::vector<GivenAnswer>> answers_;  // of the last row, a list a task
  AnytimeCurve curve_;
};

}  // namespace patina
