// DGR: with a memory, classes and tasks differ in their numbers of samples, and so do their
// gradients in the head. Each class's gradient is divided by the length of its gradients so far,
// old and fresh classes are balanced as groups, and distillation gets the same weight beside them.
// He, "Gradient Reweighting: Towards Imbalanced Class-Incremental Learning", CVPR 2024.
#include "patina/learners/replay/dgr.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "patina/learn/network_learner.h"
#include "patina/learners/replay/herded_memory.h"
#include "patina/learners/replay/teacher.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"
#include "patina/optim/gradients.h"

namespace patina {

namespace dgr {

namespace {
constexpr double kTiny = std::numeric_limits<float>::min();  // so that 0 / 0 is 0 or 1, not NaN
constexpr double kLargestRho = 1e4;
}  // namespace

HeadGradient gradient_in_head(const std::function<Tensor(const Tensor& scores)>& loss,
                              const Tensor& scores, const Tensor& features) {
  const Tensor z = scores.detach().requires_grad_(true);
  const Tensor by_scores = gradients_of(loss(z), {z}).view_as(z);
  return {by_scores.t().mm(features.detach()), by_scores.sum(0)};
}

void collect(HeadGradient& gradient, const HeadGradient& of_part, const Step& step) {
  if (step.part == 0)
    gradient = {of_part.weight * step.weight, of_part.bias * step.weight};
  else
    gradient = {gradient.weight + of_part.weight * step.weight,
                gradient.bias + of_part.bias * step.weight};
}

Tensor lengths(const HeadGradient& gradient) {
  return gradient.weight.square().sum(1).sqrt();
}

Tensor factors(const Tensor& cumulated, int64_t known, double attenuation) {
  const Tensor phi = cumulated.clamp_min(kTiny);
  const auto balanced = [](const Tensor& group) { return group.min() / group; };
  if (known == 0) return balanced(phi);
  const Tensor old = phi.slice(0, 0, known), fresh = phi.slice(0, known);
  const Tensor r = fresh.mean() / old.mean();
  return at::cat(
      {balanced(old) * at::clamp(r, 0, 1), balanced(fresh) * at::clamp(r * attenuation, 0, 1)});
}

HeadGradient reweighted(const HeadGradient& classifying, const HeadGradient& repeating,
                        const Tensor& factors) {
  HeadGradient sum{classifying.weight * factors.unsqueeze(1), classifying.bias * factors};
  if (!repeating.weight.defined()) return sum;
  const Tensor wanted = at::linalg_vector_norm(lengths(sum));
  const Tensor given = at::linalg_vector_norm(lengths(repeating));
  const Tensor rho = wanted / at::maximum(given, wanted / kLargestRho).clamp_min(kTiny);
  sum.weight = sum.weight + repeating.weight * rho;
  sum.bias = sum.bias + repeating.bias * rho;
  return sum;
}

Lost lost(const std::vector<int64_t>& learned, const std::vector<int64_t>& kept) {
  std::vector<float> counts;
  for (size_t c = 0; c < learned.size(); ++c) counts.push_back(float(learned[c] - kept.at(c)));
  const double total = std::accumulate(counts.begin(), counts.end(), 0.0);
  const double square = std::inner_product(counts.begin(), counts.end(), counts.begin(), 0.0);
  const auto known = int64_t(counts.size());
  if (total == 0 || known < 2) return {at::ones({known}), 1};
  double entropy = 0;
  for (const float count : counts)
    if (count > 0) entropy -= count / total * std::log(count / total);
  Lost lost{at::empty({known}), std::min(1.0, entropy / std::log(double(known)))};
  std::transform(counts.begin(), counts.end(), lost.share.data_ptr<float>(),
                 [&](float count) { return float(count / std::sqrt(square)); });
  return lost;
}

Tensor distillation(const Tensor& student, const Tensor& teacher, double temperature,
                    const Lost& lost) {
  const Tensor wanted = at::softmax(teacher.detach() / temperature, 1);
  Tensor plain = nn::soft_cross_entropy(student / temperature, wanted);
  if (lost.evenness == 1) return plain;
  const Tensor mixed = student * lost.share + teacher.detach() * (1 - lost.share);
  return plain * lost.evenness +
         nn::soft_cross_entropy(mixed / temperature, wanted) * (1 - lost.evenness);
}

}  // namespace dgr

class Dgr : public NetworkLearner {
 public:
  struct Options : LearnerOptions, HerdedMemoryOptions {
    double distill = 0.7, temperature = 2, attenuation = 1;
    std::string loss = "paper";
    void bind(Fields& f) override {
      HerdedMemoryOptions::bind(f);
      f("distill", distill, "λ: weight of distillation.", at_least(0));
      f("temperature", temperature, "T: of distillation.", above(0));
      f("attenuation", attenuation,
        "γ: gradients of fresh classes are multiplied by exp(-γ n_old / (n_old + n_fresh)).",
        at_least(0));
      f("loss", loss,
        "paper: n counts samples, distillation is aware of the samples that classes lost and "
        "weighs "
        "λ T² sqrt(n_old / n_fresh); pilot: n counts classes, distillation is plain and weighs "
        "λ n_old / n_fresh, as in the authors' code for pre-trained networks.",
        {"paper", "pilot"});
    }
  };

  Dgr(Setup setup, const Options& options)
      : NetworkLearner(setup), options_(options), memory_(options, setup.loader()) {}

  void begin_task(const Task& task, Trainer& trainer) override {
    if (task.index > 0) teacher_.take(backbone(), head());
    NetworkLearner::begin_task(task, trainer);
    cumulated_ = at::zeros({head().classes()}, backbone().place().options());
  }

  void fit(const Task& task, Trainer& trainer) override {
    weigh(memory_.beside(task).targets());
    memory_.train_beside(*this, task, trainer);
  }

  // CE(z + log π, y) + weight · L_kd, with π the classes' shares of the training samples.
  Tensor loss(const Batch& batch, const Step& step) override {
    const Tensor features = backbone().features(batch.input);
    const Tensor scores = head()(features);
    const auto classified = [&](const Tensor& z) {
      return task_loss(z + log_share_, batch.target);
    };
    dgr::collect(classifying_, dgr::gradient_in_head(classified, scores, features), step);
    if (!teacher_) return classified(scores);
    const Tensor before = teacher_(batch.input);
    const auto repeated = [&](const Tensor& z) {
      return dgr::distillation(z.slice(1, 0, known()), before, options_.temperature, lost_);
    };
    dgr::collect(repeating_, dgr::gradient_in_head(repeated, scores, features), step);
    return classified(scores) + repeated(scores) * repeat_weight_;
  }

  bool divides() const override { return false; }  // the head's gradient reads all parts

  // The network keeps the gradient of the loss; the head's is replaced.
  void after_backward(const Step&) override {
    NoGrad no_grad;
    cumulated_ = cumulated_ + dgr::lengths(classifying_);
    const auto [weight, bias] =
        dgr::reweighted(classifying_, repeating_, dgr::factors(cumulated_, known(), attenuation_));
    head().weight.mutable_grad() = weight;
    head().bias.mutable_grad() = bias;
  }

  void end_task(const Task& task, Trainer& trainer) override {
    teacher_.release();
    classifying_ = repeating_ = {};
    const auto counts = counted(task.train->targets());
    learned_.insert(learned_.end(), counts.begin() + std::ptrdiff_t(learned_.size()), counts.end());
    memory_.update(task, trainer.features(backbone(), *task.train));
  }

  void state(Archive& a) override {
    NetworkLearner::state(a);
    a("memory", memory_);
    a("learned", learned_);
    a("cumulated", cumulated_);
    teacher_.state(a, backbone(), head());
  }

 private:
  int64_t known() const { return int64_t(learned_.size()); }

  std::vector<int64_t> counted(const std::vector<int64_t>& targets) const {
    std::vector<int64_t> counts(size_t(head().classes()));
    for (const int64_t target : targets) ++counts.at(size_t(target));
    return counts;
  }

  // Computes what depends on the numbers of training samples, including those of the memory.
  void weigh(const std::vector<int64_t>& targets) {
    const auto counts = counted(targets);
    const auto fresh = counts.begin() + known();
    const at::Device device = backbone().place().device;
    const Tensor n = tensor_of(counts, device).to(at::kFloat);
    log_share_ = at::log(n / n.sum());
    if (known() == 0) return;
    const bool paper = options_.loss == "paper";
    const double t = options_.temperature;
    const double old = paper ? double(std::accumulate(learned_.begin(), learned_.end(), int64_t{0}))
                             : double(known());
    const double added = paper ? double(std::accumulate(fresh, counts.end(), int64_t{0}))
                               : double(counts.end() - fresh);
    attenuation_ = std::exp(-options_.attenuation * old / (old + added));
    repeat_weight_ = options_.distill * (paper ? t * t * std::sqrt(old / added) : old / added);
    lost_ = paper ? dgr::lost(learned_, {counts.begin(), fresh}) : dgr::Lost{};
    lost_.share = on(device, lost_.share);
  }

  Options options_;
  HerdedMemory memory_;
  Teacher teacher_;               // from the second task on
  std::vector<int64_t> learned_;  // training samples of each class of earlier tasks
  Tensor cumulated_;              // Φ of the task, [K]

  // Used only while a task is fitted.
  Tensor log_share_;  // log π, [K]
  double attenuation_ = 1, repeat_weight_ = 0;
  dgr::Lost lost_;
  dgr::HeadGradient classifying_, repeating_;  // of the current batch
};

LearnerRow dgr_learner() {
  return learner_row<Dgr>(
      {.paper = "He, CVPR 2024",
       .about = "Balances the gradients of classes, and of old and fresh ones, in the head of a "
                "network that replays and repeats.",
       .stores = "The network, a head, the memory's samples and how many a class had; within a "
                 "task a copy of the network.",
       .differs =
           "The authors' code for pre-trained networks, which LAMDA-PILOT has too, is "
           "`loss = \"pilot\"`; where classes have equally many samples, the two differ in the "
           "weight of distillation only. In a task's first step the network still equals its copy "
           "but for rounding: the authors' code enlarges the rounding to a gradient, here "
           "distillation is enlarged 10000 times at most.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .keeps_samples = true,
       .network = Network::any,
       .training = {.epochs = 20,
                    .batch_size = 128,
                    .optimizer = {.lr = 1e-3, .weight_decay = 5e-4, .schedule = "cosine"}}});
}

}  // namespace patina
