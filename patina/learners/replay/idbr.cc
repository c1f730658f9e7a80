// IDBR: the feature of a text is divided into a part that all tasks share, which must tell the
// order of the text's parts, and a part that tells the task; both are held to what they were, and
// the centres of clusters are replayed. Huang et al., "Continual Learning for Text Classification
// with Information Disentanglement Based Regularization", NAACL 2021.
#include <cmath>

#include "patina/base/error.h"
#include "patina/learn/learner.h"
#include "patina/learners/replay/teacher.h"
#include "patina/memory/k_means.h"
#include "patina/memory/sample_memory.h"
#include "patina/nn/heads.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

namespace {

constinit const Network kTexts{"text", [](const Backbone& backbone) -> std::optional<std::string> {
                                 if (backbone.text_input()) return {};
                                 return "learns from the order of words, and the model is " +
                                        backbone.about();
                               }};

/// g = tanh(W_g h) and s = tanh(W_s h), and the answer to whether a text's parts changed places.
struct Disentangler {
  nn::Linear general, specific, order;

  Disentangler() = default;
  Disentangler(int64_t width, int64_t size)
      : general(width, size), specific(width, size), order(size, 2) {}
  void initialize(Random& random) {
    for (auto* layer : {&general, &specific, &order}) {
      nn::init_kaiming(layer->weight, random);
      layer->bias.zero_();
    }
    nn::freeze(*this, false);
  }
  Tensor shared(const Tensor& h) const { return at::tanh(general(h)); }
  Tensor own(const Tensor& h) const { return at::tanh(specific(h)); }
  void walk(nn::Walk& w) {
    w("general", general);
    w("specific", specific);
    w("order", order);
  }
};

/// The texts with two parts of what stands between their first and last tokens in each other's
/// place; where they divide is drawn.
Input swapped_parts(const Input& input, Random random) {
  const Tensor data = on_host(input.data).contiguous();
  const Tensor mask = input.mask.defined() ? on_host(input.mask) : at::ones_like(data);
  const auto lengths = items_of(mask.sum(1));
  Tensor places = at::arange(data.size(1)).unsqueeze(0).repeat({data.size(0), 1});
  for (int64_t i = 0; i < data.size(0); ++i) {
    const int64_t inside = lengths[size_t(i)] - 2;
    if (inside < 2) continue;
    const auto cut = 1 + int64_t(random.at(uint64_t(i)).below(uint64_t(inside - 1)));
    for (int64_t p = 0; p < inside; ++p)
      places.data_ptr<int64_t>()[i * data.size(1) + 1 + p] = 1 + (p + cut) % inside;
  }
  Input swapped = input;
  swapped.keys = Tensor();
  swapped.data = on(input.data.device(), data.gather(1, places));
  return swapped;
}

}  // namespace

class Idbr : public Learner {
 public:
  struct Options : LearnerOptions {
    int64_t size = 128;
    double keep = 0.01;
    int64_t memory_per_task = 0;
    int64_t replay_every = 10;
    double order = 1, task = 1, general = 0.5, specific = 0.5;
    double fresh_factor = 0.5, replay_factor = 5;
    double task_lr_factor = 5e-4 / 3e-5;
    void bind(Fields& f) override {
      f("size", size, "Width of the general part and of the specific part.", at_least(1));
      f("keep", keep, "Part of a task's samples that is kept: the centres of as many clusters.",
        {.low = 0, .high = 1, .low_open = true});
      f("memory_per_task", memory_per_task, "So many of each task instead; 0: as above.",
        at_least(0));
      f("replay_every", replay_every,
        "Every so many steps a batch of each earlier task is replayed.", at_least(1));
      f("order", order, "Weight of telling whether two parts of a text have changed places.",
        at_least(0));
      f("task", task, "Weight of telling a replayed sample's task.", at_least(0));
      f("general", general, "Weight of holding the general part (λ_g).", at_least(0));
      f("specific", specific, "Weight of holding the specific part (λ_s).", at_least(0));
      f("fresh_factor", fresh_factor, "Factor on both for new samples.", at_least(0));
      f("replay_factor", replay_factor, "Factor on both for replayed ones.", at_least(0));
      f("task_lr_factor", task_lr_factor, "Learning rate of the task's head over the rest's.",
        above(0));
    }
  };

  Idbr(Setup setup, const Options& options)
      : backbone_(setup.backbone),
        seeds_(setup.seeds),
        samples_(setup.loader()),
        options_(options),
        parts_(backbone_.width(), options.size) {
    nn::freeze(backbone_, false);
    NoGrad no_grad;
    Random random = seeds_("parts");
    parts_.initialize(random);
    nn::bring(parts_, backbone_.place());
  }

  void begin_task(const Task& task, Trainer&) override {
    if (task.index > 0) teacher_.take(backbone_, parts_);
    Random random = seeds_("head", uint64_t(task.index));
    head_.grow(int64_t(task.seen.size()), 2 * options_.size, random, backbone_.place());
    tasks_.grow(task.index + 1, options_.size, random, backbone_.place());
  }

  // L = L_class + L_order + L_reg on new samples, and L_task beside them on replayed ones (equation
  // 9 of the paper).
  Tensor loss(const Batch& batch, const Step& step) override {
    Tensor loss = part_of(batch, options_.fresh_factor, /*task=*/-1, seeds_("cut", step.number()));
    if (memory_.empty() || (step.taken + 1) % options_.replay_every != 0) return loss;
    for (size_t task = 0; task < memory_.size(); ++task) {
      const auto number = step.number() * 1024 + task;
      const auto some =
          drawn(size_t(batch.size()), size_t(memory_[task].size()), seeds_("replay", number));
      const Batch past = samples_(memory_[task].at(some), seeds_("augment", number));
      loss =
          loss + part_of(past, options_.replay_factor, int64_t(task), seeds_("past cut", number));
    }
    return loss;
  }

  std::vector<ParamGroup> trainable() override {
    // Nothing tells tasks apart before there is a memory.
    ParamGroup task = memory_.empty() ? ParamGroup() : trainable_group(tasks_);
    task.lr_factor = options_.task_lr_factor;
    return {trainable_group(backbone_, parts_, head_), task};
  }

  // Of the task's samples those nearest to the centres of their clusters are kept.
  void end_task(const Task& task, Trainer& trainer) override {
    const auto part = std::llround(options_.keep * double(task.train->size()));
    const int64_t count =
        options_.memory_per_task > 0 ? options_.memory_per_task : std::max<int64_t>(1, part);
    const FeatureSet set = trainer.features(backbone_, *task.train);
    SampleHandles kept;
    for (const int64_t row :
         cluster_representatives(set.features, count, seeds_("clusters", uint64_t(task.index))))
      kept.add(task.train->handle(row));
    memory_.push_back(kept);
    teacher_.release();
  }

  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    return scored(backbone_.features(asked.input));
  }

  bool answers_untrained() const override { return true; }

  void state(Archive& a) override {
    a("backbone", backbone_);
    a("parts", parts_);
    a("head", head_);
    a("tasks", tasks_);
    teacher_.state(a, backbone_, parts_);
    int64_t count = int64_t(memory_.size());
    a("memories", count);
    memory_.resize(size_t(count));
    for (size_t t = 0; t < memory_.size(); ++t) a(fmt::format("memory_{}", t), memory_[t]);
  }

 private:
  Tensor scored(const Tensor& h) const {
    return head_(at::cat({parts_.shared(h), parts_.own(h)}, 1));
  }

  // The loss on samples of one task; `task` is told apart where it is not -1.
  Tensor part_of(const Batch& batch, double factor, int64_t task, const Random& cut) {
    if (!batch.input.is_text())
      fail(ErrorKind::recipe, "idbr learns from the order of words, and the samples are images");
    const int64_t n = batch.size();
    // Both orders are classified, and what is held is of the text as it is.
    const Tensor h = backbone_.features(batch.input.joined(swapped_parts(batch.input, cut)));
    const Tensor as_is = h.slice(0, 0, n);
    Tensor loss = nn::cross_entropy(scored(h), at::cat({batch.target, batch.target}));
    const Tensor order = at::cat({at::zeros_like(batch.target), at::ones_like(batch.target)});
    loss = loss + nn::cross_entropy(parts_.order(parts_.shared(h)), order) * options_.order;
    if (task >= 0)
      loss = loss +
             nn::cross_entropy(tasks_(parts_.own(h)), at::full_like(order, task)) * options_.task;
    if (!teacher_) return loss;
    const Tensor before = [&] {
      NoGrad no_grad;
      return teacher_.network().features(batch.input);
    }();
    const auto moved = [&](const Tensor& now, const Tensor& then) {
      return at::mse_loss(now, then.detach());
    };
    const Disentangler& then = teacher_.head();
    return loss + (moved(parts_.shared(as_is), then.shared(before)) * options_.general +
                   moved(parts_.own(as_is), then.own(before)) * options_.specific) *
                      factor;
  }

  Backbone& backbone_;
  Seeds seeds_;
  const SampleLoader& samples_;
  Options options_;
  Disentangler parts_;
  nn::LinearHead head_, tasks_;  // of classes, of tasks
  TeacherWith<Disentangler> teacher_;
  std::vector<SampleHandles> memory_;  // by task
};

LearnerRow idbr_learner() {
  return learner_row<Idbr>(
      {.paper = "Huang et al., NAACL 2021",
       .about = "Divides features into a part that all tasks share and a part that tells the task, "
                "holds both, and replays the centres of clusters.",
       .stores = "The network, two projections, a head of classes and one of tasks, the kept "
                 "samples; within a task a copy of the network.",
       .differs = "No token is put between the two parts of a text. Replayed batches are part of a "
                  "step's loss instead of steps of their own, and "
                  "the last weights are kept, not those of the best step on a validation set.",
       .needs = {.task_id_at_train = true, .boundaries = true, .many_passes = true},
       .keeps_samples = true,
       .network = kTexts,
       .training = {
           .epochs = 3,
           .batch_size = 8,
           .optimizer = {
               .optimizer = "adamw", .lr = 3e-5, .weight_decay = 0.01, .schedule = "constant"}}});
}

}  // namespace patina
