// Samples of earlier tasks that a model wrote before a task, to be learned again in it.
#pragma once

#include <functional>
#include <vector>

#include "patina/base/json_fwd.h"
#include "patina/learn/learner.h"
#include "patina/learners/instruction/whole_samples.h"
#include "patina/models/generate.h"

namespace patina {

/// The written samples of a task, and how many were asked for and dropped.
class WrittenSamples {
 public:
  struct Written {
    int64_t task = 0;  // of which it was asked
    WholeSample sample;
  };

  /// Writes `asked[i]` samples of each earlier task i and replaces those of the task before. A
  /// sample's random numbers depend on the seeds, the present task, the earlier one and the
  /// sample's number alone, so that a resumed run has the same.
  void write(const Backbone& backbone, const nn::Adaptations& adaptations,
             const WholeSamples& format, const std::vector<std::string>& markers,
             const std::vector<int64_t>& asked, const GenerateOptions& how, const Seeds& seeds,
             int64_t task);

  /// The share of a step: over an epoch every sample is learned once, in the epoch's own order.
  std::vector<Written> of(const Step& step, const Seeds& seeds) const;

  int64_t size() const { return int64_t(samples_.size()); }
  /// Samples asked for and dropped, of each earlier task; null in the first task.
  Json diagnostics() const;
  void state(Archive& a);

 private:
  int64_t task_ = 0;
  std::vector<Written> samples_;
  std::vector<int64_t> asked_, dropped_;
};

/// The loss of answers and that of whole samples, over a part of a batch and the step's share of
/// written samples, which are learned with the first part. The sum over the parts of a step is for
/// answers the mean over all their tokens. For whole samples it is a mean of the parts', by their
/// shares of the first; there the answer's marker has a weight of its own.
struct ReplayLosses {
  Tensor answers, whole;
};
ReplayLosses replay_losses(const Backbone& backbone, const nn::Adaptations& adaptations,
                           const WholeSamples& format, const Input& input, const Step& step,
                           const std::vector<WrittenSamples::Written>& past, int64_t task,
                           const std::function<std::string(int64_t task)>& marker,
                           double marker_weight);

/// Rows of a network's input.
Input rows_of(const std::vector<AnswerTokens>& samples, const Backbone& backbone);

/// `all` samples in shares for `tasks`, which differ by one at most; none is lost.
std::vector<int64_t> shares(int64_t all, int64_t tasks);

}  // namespace patina
