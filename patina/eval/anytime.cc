#include "patina/eval/anytime.h"

#include <algorithm>
#include <numeric>

#include "patina/eval/named_rows.h"

namespace patina {

Score AnytimePoint::accuracy() const {
  const auto sum = [](const auto& list) {
    return double(std::accumulate(list.begin(), list.end(), int64_t{0}));
  };
  return sum(tested) > 0 ? Score(sum(right) / sum(tested)) : std::nullopt;
}

Score AnytimePoint::accuracy(size_t c) const {
  if (c >= tested.size() || tested[c] == 0) return std::nullopt;
  return double(right[c]) / double(tested[c]);
}

namespace {

// Each point stands for the samples since the one before it.
Score area(const AnytimeCurve& curve) {
  double sum = 0;
  int64_t before = 0;
  for (const auto& point : curve) {
    const Score accuracy = point.accuracy();
    if (!accuracy) return std::nullopt;
    sum += *accuracy * double(point.samples - before);
    before = point.samples;
  }
  return before > 0 ? Score(sum / double(before)) : std::nullopt;
}

Score lowest(const AnytimeCurve& curve) {
  Score least;
  for (const auto& point : curve) {
    const Score accuracy = point.accuracy();
    if (!accuracy) return std::nullopt;
    least = std::min(least.value_or(1), *accuracy);
  }
  return least;
}

Score class_forgetting(const AnytimeCurve& curve) {
  if (curve.size() < 2) return std::nullopt;
  double sum = 0;
  int64_t classes = 0;
  for (size_t c = 0; c < curve.back().tested.size(); ++c) {
    double best = 0;
    for (size_t i = 0; i + 1 < curve.size(); ++i)
      best = std::max(best, curve[i].accuracy(c).value_or(0));
    if (best == 0) continue;
    sum += best - *curve.back().accuracy(c);
    ++classes;
  }
  return classes > 0 ? Score(sum / double(classes)) : std::nullopt;
}

}  // namespace

const std::vector<AnytimeMetric>& anytime_metrics() {
  static const std::vector<AnytimeMetric> table = {
      {"a_auc", "sum_k A(n_k) (n_k - n_{k-1}) / n_K", "Koh et al. (i-Blurry), ICLR 2022",
       "Accuracy over the classes met so far, averaged over the samples of the stream: the area "
       "under the anytime curve. With points every n samples it is their mean. Higher is better.",
       area},
      {"anytime_minimum", "min_k A(n_k)", "De Lange et al., ICLR 2023",
       "The worst moment of the stream. Higher is better.", lowest},
      {"class_forgetting", "1/|C| sum_{c in C} (max_{k<K} A_c(n_k) - A_c(n_K))",
       "Koh et al. (i-Blurry), ICLR 2022",
       "How far each class fell from its best, over the classes C that were ever predicted rightly "
       "before the end: the F_last of i-Blurry. Lower is better.",
       class_forgetting},
  };
  return table;
}

const AnytimeMetric& anytime_metric(std::string_view name) {
  return row_named(anytime_metrics(), name, "metric");
}

std::string anytime_metrics_markdown() {
  return "\n# Metrics of streams that come once\n\n"
         "`A(n_k)` is the accuracy over the test samples of all classes met in the first `n_k` "
         "samples\nof the stream, `A_c` that of one class. Points are `evaluation.every` samples "
         "apart; the last, `K`,\nis the end of the stream.\n" +
         rows_markdown(anytime_metrics());
}

}  // namespace patina
