// The metric table: one function per metric over R, with its formula, divisor and paper beside it.
//
// The functions use the formulas' own numbering: rows 0..T, tasks 1..T. An average with an
// undefined term is undefined; so is one with no terms.
#include <algorithm>

#include "patina/base/error.h"
#include "patina/eval/anytime.h"
#include "patina/eval/matrix.h"
#include "patina/eval/named_rows.h"
#include "patina/eval/text/text_metrics.h"

namespace patina {
namespace {

/// Sums terms; remembers whether one was undefined.
class Average {
 public:
  void add(Score term, double weight = 1) {
    if (weight == 0) return;  // a task without test samples says nothing
    if (!term)
      complete_ = false;
    else
      sum_ += weight * *term;
    weight_ += weight;
  }
  Score value() const { return complete_ && weight_ > 0 ? Score(sum_ / weight_) : std::nullopt; }

 private:
  double sum_ = 0, weight_ = 0;
  bool complete_ = true;
};

/// The mean of term(k) over k = first..last.
template <class Term>
Score mean(int first, int last, Term term) {
  Average average;
  for (int k = first; k <= last; ++k) average.add(term(k));
  return average.value();
}

// How much better the score of task j in row `a` is than in row `b`.
Score gain(const ScoreMatrix& matrix, int j, int a, int b) {
  return matrix.gain(j - 1, matrix.at(a, j - 1), matrix.at(b, j - 1));
}

Score r(const ScoreMatrix& matrix, int i, int j) {
  return matrix.at(i, j - 1);
}

// A_i: accuracy after task i over the test samples of tasks 1..i.
Score per_sample(const ScoreMatrix& matrix, int i) {
  if (!matrix.one_direction()) return std::nullopt;
  const auto& samples = matrix.samples;
  PATINA_REQUIRE(samples.empty() || samples.size() == static_cast<size_t>(matrix.tasks()),
                 "sample counts of {} tasks for a matrix of {}", samples.size(), matrix.tasks());
  Average average;
  for (int j = 1; j <= i; ++j)
    average.add(r(matrix, i, j), samples.empty() ? 1 : static_cast<double>(samples[j - 1]));
  return average.value();
}

// AA_i: accuracy after task i, averaged over tasks 1..i.
Score per_task(const ScoreMatrix& matrix, int i) {
  if (!matrix.one_direction()) return std::nullopt;
  return mean(1, i, [&](int j) { return r(matrix, i, j); });
}

Score last_accuracy(const ScoreMatrix& m) {
  return per_sample(m, m.tasks());
}

Score average_accuracy(const ScoreMatrix& m) {
  return per_task(m, m.tasks());
}

Score average_incremental_accuracy(const ScoreMatrix& m) {
  return mean(1, m.tasks(), [&](int i) { return per_sample(m, i); });
}

Score average_incremental_accuracy_macro(const ScoreMatrix& m) {
  return mean(1, m.tasks(), [&](int i) { return per_task(m, i); });
}

Score forgetting(const ScoreMatrix& m) {
  const int last = m.tasks();
  return mean(1, last - 1, [&](int j) { return task_forgetting(m, last, j - 1); });
}

Score forgetting_any_row(const ScoreMatrix& m) {
  const int last = m.tasks();
  return mean(1, last - 1, [&](int j) {
    const Score chaudhry = task_forgetting(m, last, j - 1);
    const Score from_start = gain(m, j, 0, last);
    return chaudhry && from_start ? std::max(chaudhry, from_start) : chaudhry;
  });
}

// The effect of learning tasks j+1..i on task j.
Score change(const ScoreMatrix& m, int i, int j) {
  return gain(m, j, i, j);
}

Score forgetting_diagonal(const ScoreMatrix& m) {
  const int last = m.tasks();
  return mean(1, last - 1, [&](int j) { return gain(m, j, j, last); });
}

Score backward_transfer(const ScoreMatrix& m) {
  const int last = m.tasks();
  return mean(1, last - 1, [&](int j) { return change(m, last, j); });
}

Score backward_transfer_trace(const ScoreMatrix& m) {
  const int last = m.tasks();
  return mean(1, last, [&](int j) { return change(m, last, j); });
}

Score backward_transfer_all_pairs(const ScoreMatrix& m) {
  Average average;
  for (int i = 2; i <= m.tasks(); ++i)
    for (int j = 1; j < i; ++j) average.add(change(m, i, j));
  return average.value();
}

Score learning_accuracy(const ScoreMatrix& m) {
  if (!m.one_direction()) return std::nullopt;
  return mean(1, m.tasks(), [&](int j) { return r(m, j, j); });
}

Score forward_transfer(const ScoreMatrix& m) {
  return mean(2, m.tasks(), [&](int j) { return gain(m, j, j - 1, 0); });
}

Score forward_transfer_no_baseline(const ScoreMatrix& m) {
  if (!m.one_direction()) return std::nullopt;
  Average average;
  for (int i = 1; i <= m.tasks(); ++i)
    for (int j = i + 1; j <= m.tasks(); ++j) average.add(r(m, i, j));
  return average.value();
}

Score zero_shot_transfer(const ScoreMatrix& m) {
  if (!m.one_direction()) return std::nullopt;
  return mean(2, m.tasks(),
              [&](int j) { return mean(1, j - 1, [&](int i) { return r(m, i, j); }); });
}

Score mtil_average(const ScoreMatrix& m) {
  if (!m.one_direction()) return std::nullopt;
  Average average;
  for (int i = 1; i <= m.tasks(); ++i)
    for (int j = 1; j <= m.tasks(); ++j) average.add(r(m, i, j));
  return average.value();
}

}  // namespace

const std::vector<Metric>& metrics() {
  static const std::vector<Metric> table = {
      {"last_accuracy", "sum_j n_j R[T][j] / sum_j n_j", "Rebuffi et al. (iCaRL), CVPR 2017",
       "Accuracy over the test samples of all tasks once the last is learned, n_j samples of task "
       "j. "
       "Higher is better. Class-incremental papers call it A_B or the last accuracy.",
       last_accuracy},
      {"average_accuracy", "1/T sum_j R[T][j]", "Lopez-Paz and Ranzato (GEM), NeurIPS 2017",
       "Accuracy after the last task, every task counting the same whatever its size. Higher is "
       "better.",
       average_accuracy},
      {"average_incremental_accuracy", "1/T sum_i (sum_{j<=i} n_j R[i][j] / sum_{j<=i} n_j)",
       "Rebuffi et al. (iCaRL), CVPR 2017",
       "Accuracy over the test samples seen so far, averaged over the stream: the A-bar of "
       "class-incremental papers. Higher is better.",
       average_incremental_accuracy},
      {"average_incremental_accuracy_macro", "1/T sum_i (1/i sum_{j<=i} R[i][j])",
       "Yang et al. (survey), arXiv 2405.18653",
       "The same with every task counting the same: the AIA of surveys. Equal to "
       "average_incremental_accuracy when all tasks have as many test samples. Higher is better.",
       average_incremental_accuracy_macro},
      {"forgetting", "1/(T-1) sum_{j<T} (max_{1<=l<T} R[l][j] - R[T][j])",
       "Chaudhry et al. (RWalk), ECCV 2018",
       "How far each task fell from its best. Lower is better; negative when tasks improved. Rows "
       "l<j count where they were measured.",
       forgetting},
      {"backward_transfer", "1/(T-1) sum_{j<T} (R[T][j] - R[j][j])",
       "Lopez-Paz and Ranzato (GEM), NeurIPS 2017",
       "What later tasks did to earlier ones since each was learned. Higher is better; negative is "
       "forgetting.",
       backward_transfer},
      {"forward_transfer", "1/(T-1) sum_{j>=2} (R[j-1][j] - R[0][j])",
       "Lopez-Paz and Ranzato (GEM), NeurIPS 2017",
       "What earlier tasks did for one not yet learned, against the untouched model. Higher is "
       "better. Undefined where either was not measured.",
       forward_transfer},
      {"learning_accuracy", "1/T sum_j R[j][j]", "Riemer et al. (MER), ICLR 2019",
       "Accuracy of each task just after learning it: plasticity alone. Higher is better.",
       learning_accuracy},
      {"backward_transfer_trace", "1/T sum_{j<=T} (R[T][j] - R[j][j])", "Wang et al. (TRACE), 2023",
       "backward_transfer with divisor T: the term of the last task, always 0, is counted. Higher "
       "is "
       "better.",
       backward_transfer_trace},
      {"backward_transfer_all_pairs", "1/(T(T-1)/2) sum_{i>=2} sum_{j<i} (R[i][j] - R[j][j])",
       "Diaz-Rodriguez et al., NeurIPS workshop 2018",
       "backward_transfer averaged over the whole stream, not only its end. Higher is better.",
       backward_transfer_all_pairs},
      {"forgetting_diagonal", "1/(T-1) sum_{j<T} (R[j][j] - R[T][j])",
       "Lomonaco et al. (Avalanche), CVPR workshop 2021",
       "How far each task fell since it was learned, not since its best: backward_transfer with "
       "the "
       "sign turned. Lower is better.",
       forgetting_diagonal},
      {"forgetting_any_row", "1/(T-1) sum_{j<T} (max_{0<=l<T} R[l][j] - R[T][j])",
       "Yang et al. (survey), arXiv 2405.18653",
       "forgetting whose best may also lie in row 0, so losing what the untouched model could "
       "already do counts. Without row 0 it is forgetting. Lower is better.",
       forgetting_any_row},
      {"forward_transfer_no_baseline", "1/(T(T-1)/2) sum_{i>=1} sum_{j>i} R[i][j]",
       "Diaz-Rodriguez et al., NeurIPS workshop 2018",
       "Accuracy on tasks not yet learned, over all pairs, nothing subtracted. Higher is better. "
       "Continuum's forward_transfer sums over j<i instead, tasks already learned.",
       forward_transfer_no_baseline},
      {"zero_shot_transfer", "1/(T-1) sum_{j>=2} (1/(j-1) sum_{1<=i<j} R[i][j])",
       "Zheng et al. (ZSCL), ICCV 2023",
       "Accuracy on each task before learning it, averaged over the rows 1..j-1: the Transfer of "
       "multi-domain task-incremental learning (MTIL). Higher is better.",
       zero_shot_transfer},
      {"mtil_average", "1/T^2 sum_{i>=1} sum_j R[i][j]", "Zheng et al. (ZSCL), ICCV 2023",
       "The mean of all entries but row 0, tasks not yet learned included: the Avg of MTIL. Higher "
       "is better.",
       mtil_average},
  };
  return table;
}

const Metric& metric(std::string_view name) {
  return row_named(metrics(), name, "metric");
}

std::string metrics_markdown() {
  std::string page =
      "# Metrics\n\n"
      "<!-- Generated by metrics_markdown() in patina/eval/metrics.cc. Change the table there. "
      "-->\n\n"
      "Every metric is one function over the matrix of scores `R` and the test samples `n_j` of "
      "each\n"
      "task. `R[i][j]` is the accuracy on task `j`, 1 to `T`, after learning `i` tasks; row 0 is\n"
      "measured before any learning. Where tools of the field give one name to different numbers,\n"
      "each variant has its own name here.\n\n"
      "Row 0 and `R[i][j]` of tasks not yet learned, `j > i`, are measured where the learner can\n"
      "answer: where all tasks have the same classes (before learning, by a head as it was drawn), "
      "and\n"
      "where a learner knows classes by their names. Elsewhere they are undefined:\n"
      "[which, and why](../design/decisions.md#what-a-learner-cannot-be-asked-is-undefined).\n\n"
      "A task may have a metric of its own. Where lower scores are better, as with bits per byte,\n"
      "a difference below has its sign turned, and max is the best score: forgetting is positive\n"
      "when a task got worse, transfer when it got better. A mean of scores is undefined where "
      "the\n"
      "metrics of the tasks have different directions.\n\n"
      "A metric that needs an entry which was not measured is undefined: `null` in a record, `-` "
      "in\n"
      "a table, never 0. So are averages over earlier or later tasks in a stream of one task.\n";
  return page + rows_markdown(metrics()) + anytime_metrics_markdown() + text_metrics_markdown();
}

}  // namespace patina
