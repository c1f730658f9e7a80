#include "patina/learn/network/dark_replay.h"

#include "patina/learn/network/replay_learner.h"
#include "patina/ops.h"

namespace patina {

namespace {

class DarkReplay : public ReplayLearner {
 public:
  struct Options : LearnerOptions, ReplayOptions {
    double alpha = 0.3, beta = 0;
    void bind(Fields& f) override {
      ReplayOptions::bind(f);
      f("alpha", alpha, "Weight of the remembered scores.", at_least(0));
      f("beta", beta, "Weight of the remembered labels; 0 is DER, above it DER++.", at_least(0));
    }
  };

  DarkReplay(Setup setup, const Options& options)
      : ReplayLearner(setup, options), options_(options) {}

  // L = CE(x, y) + α MSE(f(x'), z') + β CE(f(x''), y''), two draws (their equation 6). A head that
  // has grown since is compared on the classes z' knows.
  Tensor loss(const Batch& batch) override {
    const Tensor outputs = this->outputs(batch.input);
    met_ = outputs.detach();
    Tensor loss = task_loss(outputs, batch.target);
    if (memory().size() == 0) return loss;
    if (options_.alpha > 0) loss = loss + dark_loss(replay(batch.size(), 0)) * options_.alpha;
    if (options_.beta > 0)
      loss = loss + NetworkLearner::loss(replay(batch.size(), 1).batch) * options_.beta;
    return loss;
  }

  void state(Archive& a) override {
    ReplayLearner::state(a);
    a("scores", scores_);
  }

 protected:
  void stored(size_t slot, const Batch&, int64_t row) override {
    scores_.resize(std::max(scores_.size(), slot + 1));
    scores_[slot] = met_[row].clone();
  }

 private:
  Tensor dark_loss(const Replayed& past) const {
    const Tensor outputs = this->outputs(past.batch.input);
    Tensor before = at::zeros_like(outputs.detach()), known = at::zeros_like(before);
    for (size_t i = 0; i < past.slots.size(); ++i) {
      const Tensor& scores = scores_[past.slots[i]];
      before[int64_t(i)].slice(0, 0, scores.size(0)).copy_(scores);
      known[int64_t(i)].slice(0, 0, scores.size(0)).fill_(1);
    }
    return ((outputs - before) * known).square().sum() / known.sum();
  }

  Options options_;
  std::vector<Tensor> scores_;  // by slot: [classes seen then]
  Tensor met_;                  // scores of the batch in hand, before its step
};

}  // namespace

LearnerRow dark_replay_row(LearnerRow row, double beta) {
  row.differs =
      "Scores that the memory keeps are compared on the classes they know; other "
      "implementations begin with a head for all classes to come.";
  row.keeps_samples = true;
  row.network = Network::any;
  row.training = {.epochs = 1,
                  .batch_size = 32,
                  .optimizer = {.lr = 0.03, .momentum = 0, .schedule = "constant"}};
  row = learner_row<DarkReplay>(std::move(row));
  row.options = [beta] {
    auto options = std::make_unique<DarkReplay::Options>();
    options->beta = beta;
    return options;
  };
  return row;
}

}  // namespace patina
