// DER++: the memory stores the scores a sample had when it was observed; the network is trained to
// reproduce them, and on the labels of other memory samples. Buzzega et al., NeurIPS 2020.
#include "patina/learners/replay/derpp.h"

#include "patina/base/work.h"
#include "patina/ops.h"

namespace patina {

namespace {

// The paper's rate is for a ResNet that starts untrained. The squared distance of scores is steep
// on a pre-trained transformer: the starter diverged or fell to chance at rates of 0.01 and 0.03,
// and learned at 0.003 (Fashion-MNIST in five tasks, two seeds, plain SGD).
constexpr double kSteadyRate = 0.005;

}  // namespace

void DerPlusPlus::Options::bind(Fields& f) {
  ReplayOptions::bind(f);
  f("alpha", alpha, "Weight of the remembered scores.", at_least(0));
  f("beta", beta, "Weight of the remembered labels; 0 is DER, above it DER++.", at_least(0));
}

DerPlusPlus::DerPlusPlus(Setup setup, const Options& options)
    : ReplayLearner(setup, options), options_(options) {}

void DerPlusPlus::check_rate(const Step& step) const {
  if (options_.alpha == 0 || step.rate <= kSteadyRate || !step.descent || backbone().layers() == 0)
    return;
  warn(
      fmt::format("training.lr is {}: with replayed scores a pre-trained transformer may diverge "
                  "or fall to chance at such a rate; 0.003 is a steady one, or lower learner.alpha",
                  step.rate));
}

// L = CE(x, y) + α MSE(f(x'), z') + β CE(f(x''), y''), two draws (equation 6 of the paper).
Tensor DerPlusPlus::loss(const Batch& batch, const Step& step) {
  if (step.taken == 0) check_rate(step);
  const Tensor outputs = this->outputs(batch.input);
  // A single-pass stretch may take several steps on a batch: the scores of the first step are
  // stored.
  if (step.part == 0) first_ = step.samples || !met_.defined();
  if (first_) collect(met_, outputs.detach(), step);
  Tensor loss = task_loss(outputs, batch.target);
  if (memory().size() == 0) return loss;
  if (options_.alpha > 0) loss = loss + dark_loss(replay(batch.size(), step, 0)) * options_.alpha;
  if (options_.beta > 0)
    loss = loss + NetworkLearner::loss(replay(batch.size(), step, 1).batch, step) * options_.beta;
  return loss;
}

// MSE(f(x'), z'), over the classes in z' if the head has grown since.
Tensor DerPlusPlus::dark_loss(const Replayed& past) const {
  const Tensor outputs = this->outputs(past.batch.input);
  Tensor before = at::zeros_like(outputs.detach()), known = at::zeros_like(before);
  for (size_t i = 0; i < past.slots.size(); ++i) {
    const Tensor& scores = scores_[past.slots[i]];
    before[int64_t(i)].slice(0, 0, scores.size(0)).copy_(scores);
    known[int64_t(i)].slice(0, 0, scores.size(0)).fill_(1);
  }
  return ((outputs - before) * known).square().sum() / known.sum();
}

void DerPlusPlus::remember(const Batch& batch) {
  ReplayLearner::remember(batch);
  met_ = Tensor();
}

void DerPlusPlus::stored(size_t slot, const Batch&, int64_t row) {
  scores_.resize(std::max(scores_.size(), slot + 1));
  scores_[slot] = met_[row].clone();
}

void DerPlusPlus::state(Archive& a) {
  ReplayLearner::state(a);
  a("scores", scores_);
}

LearnerRow dark_replay(LearnerRow row) {
  row.paper = "Buzzega et al., NeurIPS 2020";
  row.stores = "The network, a head, the memory's samples and their scores.";
  row.differs =
      "Scores that the memory keeps are compared on the classes they know; other "
      "implementations begin with a head for all classes to come.";
  row.keeps_samples = true;
  row.network = Network::any;
  row.training = {.epochs = 1,
                  .batch_size = 32,
                  .optimizer = {.lr = 0.03, .momentum = 0, .schedule = "constant"}};
  return row;
}

LearnerRow derpp_learner() {
  return learner_row<DerPlusPlus>(dark_replay(
      {.about = "Replay that repeats both the scores and the labels of remembered samples."}));
}

}  // namespace patina
