// Probes: how a task of texts is asked and scored.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "patina/data/feed.h"
#include "patina/eval/matrix.h"
#include "patina/eval/text/text_metrics.h"
#include "patina/eval/text/text_sample.h"
#include "patina/learn/learner.h"

namespace patina {

/// `[evaluation]` of a stream of texts.
struct ProbeOptions {
  std::vector<std::string> probes;  // one for all tasks or one a task; empty: by the answers
  int64_t max_tokens = 64;          // of a generated answer
  int64_t probe_batch = 16;         // samples in a pass
  bool ahead = true;                // tasks that were not learned yet, too

  void bind(Fields& f);
};

/// What probes ask with. All references are lent.
struct Asking {
  const Backbone& backbone;
  ThreadPool& pool;
  TextOptions text;
  int64_t max_tokens = 64, batch = 16;
  Workers* workers = nullptr;  // lent: they share the samples; null: this process asks all
};

/// An answer that a learner gave.
struct GivenAnswer {
  std::string origin;
  TextSample sample;
};

class Probe {
 public:
  virtual ~Probe() = default;
  /// The score of a learner on a task's test samples. `label` is for progress. If the learner
  /// writes answers, they are added to `given`.
  virtual Score ask(const Generator& learner, const Asking& asking, const Dataset& test,
                    const std::string& label, std::vector<GivenAnswer>& given) const = 0;
  /// The metric of a probe that compares written answers; null: it asks otherwise.
  virtual const TextMetric* compares() const { return nullptr; }
  const std::string& metric() const { return metric_; }
  Direction direction() const { return direction_; }

 protected:
  Probe(std::string metric, Direction direction)
      : metric_(std::move(metric)), direction_(direction) {}

 private:
  std::string metric_;
  Direction direction_;
};

/// The probe of that name:
///   a text metric over samples ("exact_match", "rouge_l"): the learner writes an answer, greedily,
///       which is compared with the references
///   a text metric over losses ("bits_per_byte", "perplexity"), or "answer_loss", the mean -log p
///   of
///       an answer's tokens: of the samples' own answers
///   "likelihood": the part of the samples whose answer is the likeliest of all different answers
///       of the task's test samples, by the sum of log p; for tasks with few, such as classes
/// Throws Error(recipe) for another name, with those that exist, and if an answer is to be written
/// to `plain` text.
std::unique_ptr<Probe> make_probe(const std::string& name, bool plain = false);

/// The score of every probe on the same samples. An answer is written once for all that compare it.
std::vector<Score> ask_all(const std::vector<std::unique_ptr<Probe>>& probes,
                           const Generator& learner, const Asking& asking, const Dataset& test,
                           const std::string& label);

/// A probe for each task: the one that the options name for it, or "exact_match", and for plain
/// text "bits_per_byte". Throws Error(recipe) if there are neither one nor as many as tasks, or an
/// answer is to be written to plain text.
std::vector<std::unique_ptr<Probe>> probes_of(const ProbeOptions& options,
                                              const Scenario& scenario);

}  // namespace patina
