// The table of text metrics: name, formula and source of each, computed from answers and references
// or from a language model's losses.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "patina/eval/matrix.h"
#include "patina/eval/text/text_sample.h"
#include "patina/eval/text/token_loss.h"

namespace patina {

/// A named text metric over a test set. Exactly one of the two functions is set.
struct TextMetric {
  std::string name;     // "token_f1"
  std::string formula;  // "2PR / (P + R)"
  std::string source;   // "Rajpurkar et al. (SQuAD), EMNLP 2016"
  std::string about;    // meaning, range and whether higher is better
  Score (*of_samples)(std::span<const TextSample>) = nullptr;
  Score (*of_loss)(const TokenLoss&) = nullptr;
};

/// All text metrics, in the order of reports.
const std::vector<TextMetric>& text_metrics();
/// The metric with this name. Throws Error(usage) with "did you mean".
const TextMetric& text_metric(std::string_view name);

/// The section on text metrics of docs/reference/metrics.md.
std::string text_metrics_markdown();

}  // namespace patina
