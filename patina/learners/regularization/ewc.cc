// Elastic weight consolidation: a quadratic penalty on changes of weights, weighted by their Fisher
// information for earlier tasks. Kirkpatrick et al., "Overcoming catastrophic forgetting in neural
// networks", PNAS 2017; online: Schwarz et al., "Progress & Compress", ICML 2018.
#include "patina/learn/network_learner.h"
#include "patina/learners/regularization/elastic.h"
#include "patina/learners/regularization/fisher.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

class Ewc : public NetworkLearner {
 public:
  struct Options : LearnerOptions, ElasticOptions {
    std::string fisher = "sampled";
    void bind(Fields& f) override {
      ElasticOptions::bind(f);
      f("fisher", fisher,
        "Whose likelihood it is the information of: of labels drawn from the network's own "
        "prediction (the definition), of all of them by their probabilities (exact, K times the "
        "work), or of the true labels (empirical).",
        {"sampled", "exact", "labels"});
    }
  };

  Ewc(Setup setup, const Options& options)
      : NetworkLearner(setup), options_(options), penalty_(options) {}

  // L + λ/2 Σ_k Σ_i F_ki (θ_i - θ*_ki)².
  void after_backward(const Step& step) override { penalty_.after_backward(learned(), step); }
  void after_step(const Batch&, const Step& step) override { penalty_.after_step(learned(), step); }

  void end_task(const Task& task, Trainer& trainer) override {
    Random random = seeds()("fisher", uint64_t(task.index));
    const Dataset data = penalty_.samples(*task.train, random);
    penalty_.add({.importance = information(data, trainer, random), .place = copied(learned())});
  }

  void state(Archive& a) override {
    NetworkLearner::state(a);
    a("anchor", penalty_);
  }

 private:
  // The mean over samples of the squared gradient of log p(y|x), each computed alone.
  Weights information(const Dataset& data, Trainer& trainer, Random random) {
    const auto of = [&](const std::function<Tensor(const Tensor&, const Batch&)>& loss) {
      return diagonal_fisher({}, learned(), data, trainer, random, [&](const Batch& batch) {
        return loss(competing(outputs(batch.input), batch.target), batch);
      });
    };
    if (options_.fisher == "labels")
      return of([](const Tensor& scores, const Batch& batch) {
        return nn::cross_entropy(scores, batch.target);
      });
    if (options_.fisher == "sampled")
      return of([&](const Tensor& scores, const Batch& batch) {
        return nn::cross_entropy(scores, drawn(scores, batch, random));
      });
    // Σ_y p(y) (d log p(y))² = Σ_y (√p(y) d log p(y))².
    Weights sum;
    for (int64_t y = 0; y < head().classes(); ++y)
      sum = added(sum, of([&](const Tensor& scores, const Batch&) {
                    const Tensor log_p = at::log_softmax(scores, -1).select(1, y);
                    return (at::exp(log_p.detach() * 0.5) * log_p.clamp_min(-1e4)).mean();
                  }));
    return sum;
  }

  // Draws a label per sample from the network's prediction; the draw depends on the sample only.
  static Tensor drawn(const Tensor& scores, const Batch& batch, Random random) {
    const Tensor sums = at::softmax(scores.detach(), -1).to(at::kDouble).cumsum(1);
    const auto samples = items_of(batch.sample());
    std::vector<int64_t> labels;
    for (size_t i = 0; i < samples.size(); ++i) {
      const double u = random.at(uint64_t(samples[i])).uniform();
      labels.push_back((sums[int64_t(i)] < u).sum().item<int64_t>());
      labels.back() = std::min(labels.back(), scores.size(1) - 1);
    }
    return tensor_of(labels, scores.device());
  }

  Options options_;
  ElasticPenalty penalty_;
};

LearnerRow ewc_learner() {
  return learner_row<Ewc>(
      {.paper = "Kirkpatrick et al., PNAS 2017",
       .about = "Holds each weight where earlier tasks left it, as hard as its Fisher information.",
       .stores = "The network, a head; a copy of both and their information.",
       .differs =
           "The information is that of single samples, whatever the batch; Avalanche squares "
           "a batch's mean gradient. The penalty is λ/2 F (θ - θ*)²: Mammoth's λ is half of "
           "it.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::any,
       .training = {.epochs = 10,
                    .batch_size = 128,
                    .optimizer = {.lr = 0.1, .momentum = 0, .schedule = "constant"}}});
}

}  // namespace patina
