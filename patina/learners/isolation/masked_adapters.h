// Adapters in a frozen transformer that all tasks share, and whose units hard attention divides
// among them: the base of B-CL, CTR and CLASSIC, of Ke et al.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "patina/learn/learner.h"
#include "patina/learners/isolation/hard_attention.h"
#include "patina/nn/heads.h"

namespace patina {

struct MaskedAdapterOptions {
  int64_t hidden = 2000;
  double steepness = 400, sparsity = 0.75;
  bool norms = true;

  void bind(Fields& f);
};

/// How what earlier tasks know of a text reaches the newest one: a capsule of each task, a vector
/// of a few numbers a token, and a rule that weighs them.
enum class Sharing { none, dynamic, transfer };

/// What one task adds to the sharing at one place.
struct Capsule {
  nn::Linear read;  // W_i: [D] -> [C]
  Tensor route;     // R_i: [C,C]
  // Of transfer routing: convolutions over three, four and five tokens, the newest task's part in
  // them, whether an earlier task is taken, and how like it is.
  std::array<nn::Linear, 3> windows;
  nn::Linear query, gate, likeness;

  Capsule(int64_t width, Sharing sharing, Random& random);
  void walk(nn::Walk& w);
};

/// squash(v) = |v|² / (1 + |v|²) v / |v| over the last dimension (Sabour et al., NeurIPS 2017).
Tensor squashed(const Tensor& v);

/// Dynamic routing: of the tasks' votes u_i [B,T,C], v = Σ_i p_i u_i, with p = softmax_i(b), b = 0
/// at first, and b_i += u_i squash(v), three times; each of the C numbers is a capsule of its own.
Tensor routed(const std::vector<Tensor>& votes);

/// Transfer routing for the last of `capsules`: Σ_i r_i a_i u_i over the tasks, where r_i is 0 or 1
/// and a_i [C] how like task i is, both from what convolutions see in a text. Words where `there`
/// [B,T] is 0 are not seen. With `noise`, gates are drawn (Gumbel-softmax, straight through);
/// without, the likelier one is taken.
Tensor transferred(const std::vector<Capsule>& capsules, size_t task,
                   const std::vector<Tensor>& read, const Tensor& there, Random* noise);

/// The adapters at one place: x + m₂ relu(fc2(m₁ relu(fc1(x + m₀ up(v))))), v being what is shared.
struct MaskedAdapter {
  nn::Linear up, fc1, fc2;
  std::vector<Capsule> capsules;  // by task

  MaskedAdapter(int64_t width, int64_t hidden, Sharing sharing);
  void initialize(Random& random);
  void walk(nn::Walk& w);
};

class MaskedAdapterLearner : public Learner {
 public:
  MaskedAdapterLearner(Setup setup, const MaskedAdapterOptions& options, Sharing sharing);

  void begin_task(const Task& task, Trainer& trainer) override;
  /// CE + λ Σ m (1 - m_used) / Σ (1 - m_used).
  Tensor loss(const Batch& batch, const Step& step) override;
  void after_backward(const Step& step) override;
  void after_step(const Batch& batch, const Step& step) override;
  void end_task(const Task& task, Trainer& trainer) override;
  Tensor scores(const Question& asked) const override;
  std::vector<ParamGroup> trainable() override;
  void state(Archive& a) override;
  Json diagnostics() const override;

 protected:
  /// Features under a task's masks in use, and in training under the newest task's of this step.
  Tensor features(const Input& input, size_t task) const;
  Tensor features_in(const Input& input, const std::vector<Tensor>& masks, const Step& step) const;
  /// Cross-entropy of features of the newest task's samples.
  virtual Tensor error(const Tensor& features, const Batch& batch, const Step& step);

  const HardAttention& attention() const { return attention_; }
  nn::TaskHeads& heads() { return heads_; }
  const nn::TaskHeads& heads() const { return heads_; }
  Backbone& backbone() const { return backbone_; }
  const Seeds& seeds() const { return seeds_; }
  size_t tasks() const { return size_t(attention_.tasks()); }

 private:
  class Pass;
  std::vector<int64_t> units() const;
  void add_capsules(Random random);
  std::vector<nn::NamedTensor> norms() const;
  /// The adapters' weights and how free each is to change.
  struct Guarded {
    Tensor weight, freedom;
  };
  std::vector<Guarded> guarded() const;

  Backbone& backbone_;
  Seeds seeds_;
  MaskedAdapterOptions options_;
  Sharing sharing_;
  std::vector<MaskedAdapter> places_;  // after attention and after the MLP of every block
  HardAttention attention_;            // three layers a place: what is shared, fc1, fc2
  nn::TaskHeads heads_;
  std::vector<Tensor> before_;  // the guarded weights before the current step
};

/// The needs and training of methods on told tasks.
LearnerRow masked_adapters_of_told_tasks(LearnerRow row);

}  // namespace patina
