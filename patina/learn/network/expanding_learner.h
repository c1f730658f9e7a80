// Networks that grow with the tasks: what earlier tasks had of their own stays as it was, the
// newest task adds its own, and one head reads the features of all. What DER and MEMO share.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "patina/learn/learner.h"
#include "patina/learn/network/herded_memory.h"
#include "patina/nn/heads.h"

namespace patina {

struct ExpandingOptions : HerdedMemoryOptions {
  double auxiliary = 1;

  void bind(Fields& f);
};

class ExpandingLearner : public Learner {
 public:
  ExpandingLearner(Setup setup, const ExpandingOptions& options);

  void begin_task(const Task& task, Trainer& trainer) override;
  void fit(const Task& task, Trainer& trainer) override;
  Tensor loss(const Batch& batch) override;
  void end_task(const Task& task, Trainer& trainer) override;
  Tensor scores(const Batch& batch) override;
  std::vector<ParamGroup> trainable() override;
  void state(Archive& a) override;

 protected:
  /// The newest network as it is now, for good: frozen.
  virtual std::unique_ptr<Backbone> kept() const = 0;
  /// What a kept network has of its own.
  virtual void state_of(Archive& a, const std::string& key, Backbone& network) = 0;
  /// Unfreezes what a task after the first trains of the newest network.
  virtual void unfreeze(Backbone& newest) = 0;
  /// Features by each kept network and, with a graph, by the newest: [B,D] each.
  virtual std::vector<Tensor> features(const Input& input) const;

  Backbone& newest() const { return newest_; }
  const std::vector<std::unique_ptr<Backbone>>& earlier() const { return earlier_; }

 private:
  int64_t width() const { return newest_.width() * int64_t(earlier_.size() + 1); }
  std::vector<const Backbone*> networks() const;

  Backbone& newest_;  // trained in place
  Seeds seeds_;
  ExpandingOptions options_;
  std::vector<std::unique_ptr<Backbone>> earlier_;
  nn::LinearHead head_, auxiliary_;
  HerdedMemory memory_;
  int64_t known_ = 0;  // classes of earlier tasks
};

}  // namespace patina
