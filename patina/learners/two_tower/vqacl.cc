// VQACL (Zhang et al., "VQACL: A Novel Visual Question Answering Continual Learning Setting", CVPR
// 2023): beside what is specific to a sample, its head reads what is not: the prototype that its
// question is nearest to, among those of the tasks' questions, and the one of its image. A memory
// of earlier questions is replayed, and keeps their prototypes up to date.
#include <limits>

#include "patina/algebra/cosine.h"
#include "patina/learners/two_tower/fusion_learner.h"
#include "patina/models/two_tower/fused_towers.h"
#include "patina/ops.h"

namespace patina {

namespace {

// Rows of prototypes; a row of zeros belongs to what was not met yet.
struct RunningMeans {
  Tensor rows;  // [n,E]

  void grow(int64_t count, int64_t width, const Place& place) {
    const int64_t had = rows.defined() ? rows.size(0) : 0;
    if (count <= had) return;
    const Tensor fresh = at::zeros({count - had, width}, place.options());
    rows = had == 0 ? fresh : at::cat({rows, fresh});
  }

  // p <- β p + (1 - β) m, with m the mean over the features [B,E] of a group [B] in a batch; the
  // first mean of a group is its prototype.
  void add(const Tensor& features, const Tensor& group, double kept) {
    const Tensor of = at::one_hot(group, rows.size(0)).to(features.scalar_type());  // [B,n]
    const Tensor counts = of.sum(0).unsqueeze(1);                                   // [n,1]
    const Tensor means = at::mm(of.t(), features) / counts.clamp_min(1);
    const Tensor moved = at::where(met().unsqueeze(1), at::lerp(means, rows, kept), means);
    rows = at::where(counts > 0, moved, rows);
  }

  Tensor met() const { return rows.abs().sum(1) > 0; }  // [n]

  // The prototype p of largest cos(tanh p, tanh f); zeros if there is none: [B,E].
  Tensor nearest(const Tensor& features) const {
    if (!rows.defined()) return at::zeros_like(features);
    const Tensor near = cosine_scores(at::tanh(features), at::tanh(rows))
                            .masked_fill(~met(), -std::numeric_limits<double>::infinity());
    return rows.index_select(0, near.argmax(1));
  }
};

}  // namespace

class Vqacl : public FusionReplayLearner {
 public:
  struct Options : LearnerOptions, FusionOptions, ReplayOptions {
    double question_kept = 0.9, image_kept = 0.9;
    Options() { memory = 5000; }
    void bind(Fields& f) override {
      FusionOptions::bind(f);
      ReplayOptions::bind(f);
      f("question_kept", question_kept,
        "Of a task's prototype of questions, the part that stays when a batch is learned.",
        between(0, 1));
      f("image_kept", image_kept,
        "Of an answer's prototype of images, the part that stays when a batch is learned.",
        between(0, 1));
    }
  };

  Vqacl(Setup setup, const Options& options)
      : FusionReplayLearner(setup, options, options, setup.backbone.width() / 2),
        options_(options) {}

  void begin_task(const Task& task, Trainer& trainer) override {
    FusionReplayLearner::begin_task(task, trainer);
    task_ = task.index;
    questions_.grow(task_ + 1, width(), backbone().place());
  }

  void begin_classes(int64_t fresh) override {
    FusionReplayLearner::begin_classes(fresh);
    classes_ += fresh;
    images_.grow(classes_, width(), backbone().place());
  }

  bool divides() const override { return false; }  // a loss moves the prototypes

  void state(Archive& a) override {
    FusionReplayLearner::state(a);
    a("task", task_);
    a("classes", classes_);
    a("questions", questions_.rows);
    a("images", images_.rows);
    a("task_of", task_of_);
  }

 protected:
  Tensor read(const Tensor& features) const override {
    const auto [image, question] = parts_of_fused(features);
    return at::cat({features, images_.nearest(image), questions_.nearest(question)}, 1);
  }

  void about_to_learn(const Tensor& features, const Tensor& targets,
                      const std::vector<size_t>& slots) override {
    NoGrad no_grad;
    const auto [image, question] = parts_of_fused(features);
    std::vector<int64_t> tasks(size_t(features.size(0)) - slots.size(), task_);
    for (const size_t slot : slots) tasks.push_back(task_of_.at(slot));
    questions_.add(question, tensor_of(tasks, features.device()), options_.question_kept);
    images_.add(image, targets, options_.image_kept);
  }

  void stored(size_t slot) override {
    if (slot >= task_of_.size()) task_of_.resize(slot + 1);
    task_of_[slot] = task_;
  }

 private:
  int64_t width() const { return backbone().width() / 4; }  // E

  Options options_;
  int64_t task_ = 0, classes_ = 0;
  RunningMeans questions_, images_;  // of each task's questions; of each answer's images
  std::vector<int64_t> task_of_;     // of the memory's slots
};

LearnerRow vqacl_learner() {
  return learner_row<Vqacl>(
      {.paper = "Zhang et al., CVPR 2023",
       .about = "Beside the features of an image and a question, the head reads the nearest "
                "prototype of each; a memory of earlier questions is replayed.",
       .stores = "The head, a prototype a task and one an answer, and the memory's samples.",
       .differs =
           "The paper trains an encoder-decoder that writes answers; here the two towers are "
           "frozen and answers are classes. Its prototypes of images are those of annotated "
           "object categories; here they are the answers', since questions have no such "
           "annotation. A prototype that a batch has no sample of stays, where the authors' code "
           "moves it towards zero; that of the present task's questions moves as the others do, "
           "and how slowly is our choice.",
       .needs = {.task_id_at_train = true, .boundaries = true},
       .keeps_samples = true,
       .network = kQuestions,
       .training = {.epochs = 3,
                    .batch_size = 80,
                    .optimizer = {.optimizer = "adamw",
                                  .lr = 1e-4,
                                  .weight_decay = 0.01,
                                  .schedule = "constant",
                                  .warmup_epochs = 0.3,
                                  .clip_norm = 5}}});
}

}  // namespace patina
