// COIL: head weights are transferred between classes by optimal transport between class means:
// forward to initialise the rows of new classes, backward to preserve those of old ones. Zhou, Ye
// and Zhan, "Co-Transport for Class-Incremental Learning", ACM Multimedia 2021.
#include "patina/algebra/prototypes.h"
#include "patina/algebra/transport.h"
#include "patina/learn/class_tasks.h"
#include "patina/learn/learner.h"
#include "patina/learners/replay/herded_memory.h"
#include "patina/learners/replay/teacher.h"
#include "patina/nn/heads.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

namespace {

/// Norms along the last dimension, in the p-norm.
Tensor lengths(const Tensor& rows, double p = 2) {
  return at::linalg_vector_norm(rows, p, at::IntArrayRef{-1});
}

/// Head rows for target classes from those of source classes, transported between their means by an
/// optimal plan Γ: N γ Γᵀ W, with unit rows in W and γ chosen such that rows keep their mean norm.
/// Costs are distances in the 3-norm. from [N,D], to [M,D], rows [N,D] -> [M,D].
Tensor carried(const Tensor& from, const Tensor& to, const Tensor& rows, double regularization) {
  NoGrad no_grad;
  const Tensor cost = lengths(from.unsqueeze(1) - to.unsqueeze(0), 3);
  const Tensor plan = sinkhorn(cost, regularization).to(at::kFloat);
  const Tensor goods = plan.t().mm(normalized(rows)) * double(from.size(0));
  return goods * (lengths(rows).mean() / lengths(goods).mean());
}

}  // namespace

class Coil : public Learner {
 public:
  struct Options : LearnerOptions, HerdedMemoryOptions {
    double regularization = 0.464, weight = 0.001, temperature = 2;
    int64_t refresh_every = 30;
    std::string predict = "head";
    void bind(Fields& f) override {
      HerdedMemoryOptions::bind(f);
      f("regularization", regularization, "Of the transport plans, by their entropy.", above(0));
      f("weight", weight, "Of the losses that hold scores near the carried classifiers'.",
        at_least(0));
      f("temperature", temperature, "Of these and of the distillation.", above(0));
      f("refresh_every", refresh_every,
        "Steps after which class means are taken anew and old rows are carried back.", at_least(1));
      f("predict", predict, "By the head, or by the nearest mean of remembered samples.",
        {"head", "means"});
    }
  };

  Coil(Setup setup, const Options& options)
      : backbone_(setup.backbone),
        seeds_(setup.seeds),
        options_(options),
        memory_(options, setup.loader()) {
    nn::freeze(backbone_, false);
  }

  // The rows of new classes are initialised by transport from the classes seen. The authors' code
  // does this at the end of a task, from the next task's samples; here these are available only
  // when their task begins.
  void begin_task(const Task& task, Trainer& trainer) override {
    tasks_.add(task);
    if (task.index > 0) {
      NoGrad no_grad;
      teacher_.take(backbone_, head_);
      const Tensor means = class_means(memory_.beside(task), int64_t(task.seen.size()), trainer);
      forward_ = carried(means.slice(0, 0, tasks_.known()), means.slice(0, tasks_.known()),
                         head_.weight.detach(), options_.regularization);
    }
    Random random = seeds_("head", uint64_t(task.index));
    head_.grow(int64_t(task.seen.size()), backbone_.width(), random, backbone_.place());
    if (task.index > 0) {
      NoGrad no_grad;
      head_.weight.slice(0, tasks_.known()).copy_(forward_);
    }
  }

  void fit(const Task& task, Trainer& trainer) override {
    memory_.train_beside(*this, task, trainer);
  }

  // λ KL_T + (1 - λ) CE, with λ the fraction of classes that are old; plus in the first epoch
  // w CE_T(new classes' scores of the transported rows, new classes' scores),
  // in later epochs  w (e/E)² CE_T(old network's scores, scores of rows transported back).
  Tensor loss(const Batch& batch, const Step& step) override {
    const Tensor features = backbone_.features(batch.input);
    const Tensor scores = head_(features);
    Tensor error = nn::cross_entropy(scores, batch.target);
    if (!teacher_) return error;
    const double t = options_.temperature, old = double(tasks_.known()) / double(head_.classes());
    const Tensor before = teacher_(batch.input);
    const Tensor kept = nn::distillation(scores.slice(1, 0, tasks_.known()), before, t) / (t * t);
    const Tensor loss = kept * old + error * (1 - old);
    if (step.epoch == 0) {
      const Tensor wanted = cosine_scores(features.detach(), forward_);
      return loss + crossed(wanted, scores.slice(1, tasks_.known())) * options_.weight;
    }
    if (step.before() % options_.refresh_every == 0 || !backward_.defined())
      backward_ = carried_back(step);
    const double part = double(step.epoch) / double(step.epochs);
    return loss +
           crossed(before, cosine_scores(features, backward_)) * (options_.weight * part * part);
  }

  void end_task(const Task& task, Trainer& trainer) override {
    teacher_.release();
    backward_ = forward_ = Tensor();
    memory_.update(task, trainer.features(backbone_, *task.train));
    if (options_.predict == "means") remembered_means_ = memory_.means(backbone_, trainer);
  }

  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    const Tensor features = backbone_.features(asked.input);
    return remembered_means_.defined() ? cosine_scores(features, remembered_means_)
                                       : head_(features);
  }

  std::vector<ParamGroup> trainable() override { return {trainable_group(backbone_, head_)}; }

  void state(Archive& a) override {
    a("backbone", backbone_);
    a("head", head_);
    teacher_.state(a, backbone_, head_);
    a("forward", forward_);
    a("backward", backward_);
    a("memory", memory_);
    a("remembered_means", remembered_means_);
    a("tasks", tasks_);
  }

 private:
  // -mean Σ p log q with both distributions at the given temperature.
  Tensor crossed(const Tensor& wanted, const Tensor& scores) const {
    const double t = options_.temperature;
    return nn::soft_cross_entropy(scores / t, at::softmax(wanted / t, 1));
  }

  // Normalised means of normalised features of all classes seen, under the current network; old
  // classes by their memory samples. A class without samples stays zero.
  Tensor class_means(const Dataset& samples, int64_t classes, Trainer& trainer) const {
    NoGrad no_grad;
    FeatureSet set = trainer.features(backbone_, samples);
    set.features = normalized(set.features);
    Tensor means = at::zeros({classes, backbone_.width()}, set.features.options());
    for (int64_t c = 0; c < means.size(0); ++c)
      if (const Tensor rows = rows_of_class(set, c); rows.size(0) > 0) means[c].copy_(rows.mean(0));
    return normalized(means);
  }

  // The rows of the new classes, transported to the old ones.
  Tensor carried_back(const Step& step) const {
    const Tensor means = class_means(*step.samples, head_.classes(), *step.trainer);
    return carried(means.slice(0, tasks_.known()), means.slice(0, 0, tasks_.known()),
                   head_.weight.detach().slice(0, tasks_.known()), options_.regularization);
  }

  Backbone& backbone_;  // trained in place
  Seeds seeds_;
  Options options_;
  nn::CosineHead head_;
  TeacherWith<nn::CosineHead> teacher_;  // during every task but the first
  Tensor forward_, backward_;  // rows transported to the new classes, and back to the old ones
  HerdedMemory memory_;
  Tensor remembered_means_;  // [K,D], if predictions use them
  ClassTasks tasks_;
};

LearnerRow coil_learner() {
  return learner_row<Coil>(
      {.paper = "Zhou et al., ACM Multimedia 2021",
       .about = "Carries classifiers between classes by optimal transport: forwards to begin new "
                "ones, backwards to keep old ones.",
       .stores = "The network, a head, the memory's samples; within a task a copy of the network.",
       .differs =
           "Fresh classes' means are taken when their task begins: the authors' code and "
           "LAMDA-PILOT read the next task's samples before it has come. The rate and epochs "
           "of the latter, for pre-trained networks, are the defaults.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .keeps_samples = true,
       .network = Network::any,
       .training = {.epochs = 10,
                    .batch_size = 64,
                    .optimizer = {.lr = 1e-3, .weight_decay = 5e-4, .schedule = "constant"}}});
}

}  // namespace patina
