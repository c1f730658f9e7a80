// ELLE (Qin et al., "ELLE: Efficient Lifelong Pre-training for Emerging Data", Findings of ACL
// 2022): before each new domain the network grows in width and in depth without changing what it
// computes, recovers on kept text of earlier domains, and then learns the domain mixed with such
// text, while the network before the growth teaches it there.
#include <fmt/format.h>

#include "patina/base/error.h"
#include "patina/learners/pretraining/round_replay.h"
#include "patina/models/answer_scores.h"
#include "patina/ops.h"

namespace patina {

class Elle : public RoundReplay {
 public:
  struct Options : LearnerOptions, RoundOptions {
    int64_t add_heads = 1;
    int64_t add_blocks = 1;
    double noise = 0.01;
    double replay = 0.1;
    double distillation = 1;
    int64_t taught = 16;
    int64_t recovery_epochs = 1;
    int64_t memory_per_task = 1000;
    void bind(Fields& f) override {
      f("add_heads", add_heads,
        "Heads of keys, with the query heads that share each, that every block gains before a new "
        "task; the MLP grows in proportion.",
        at_least(0));
      f("add_blocks", add_blocks, "Blocks that the network gains before a new task.", at_least(0));
      f("noise", noise, "Deviation of what is added to the weights that enter a copied unit.",
        at_least(0));
      f("replay", replay, "Part of a task's tokens that are of earlier tasks.",
        {.low = 0, .high = 1, .high_open = true});
      f("distillation", distillation,
        "Weight of the divergence from the network before the task, on kept text.", at_least(0));
      f("taught", taught, "Kept samples in a step on which that network teaches.", at_least(1));
      f("recovery_epochs", recovery_epochs,
        "Passes over the kept text between the growth and the task.", at_least(0));
      f("memory_per_task", memory_per_task,
        "Samples of each task that are kept, drawn when it ends.", at_least(1));
      RoundOptions::bind(f);
    }
  };

  Elle(Setup setup, const Options& options)
      : RoundReplay(setup, {.tune = "full"}, options, options.memory_per_task),
        options_(options),
        first_(shape_of(setup.backbone)),
        samples_(setup.loader()) {}

  void begin_task(const Task& task, Trainer& trainer) override {
    RoundReplay::begin_task(task, trainer);
    recovered_ = task.index == 0;
    if (task.index == 0) return;
    take_teacher();
    grow_to(task.index);
  }

  void fit(const Task& task, Trainer& trainer) override {
    if (!recovered_ && options_.recovery_epochs > 0) {
      const Dataset kept = samples_.dataset(memory().samples());
      trainer.train_on(*this, kept, options_.recovery_epochs,
                       Seeds(seeds()("recovery", uint64_t(task.index)).bits()));
    }
    recovered_ = true;
    RoundReplay::fit(task, trainer);
  }

  Dataset samples_of(const Task& task, int64_t epoch) const override {
    const double old = memory().rounds() > 0 ? options_.replay : 0;
    return memory().mixed(task, epoch, 1 - old, memory().divided(old));
  }

  // L = LM(batch) + weight * KL(teacher, network) over the words of kept text; the second term is
  // the step's, not a part's.
  Tensor loss(const Batch& batch, const Step& step) override {
    // The recovery is no round: nothing anneals in it.
    Tensor loss = recovered_ ? RoundReplay::loss(batch, step) : text_loss(batch, step);
    if (!teacher_ || options_.distillation == 0 || step.part > 0) return loss;
    const SampleHandles kept = memory().samples();
    std::vector<size_t> places;
    Random random = seeds()("taught", step.number());
    for (int64_t i = 0; i < options_.taught; ++i)
      places.push_back(size_t(random.below(uint64_t(kept.size()))));
    const Batch taught = samples_(kept.at(places), Random());
    const auto words = [&](const Backbone& network) {
      return at::log_softmax(answer_scores(network, taught.input, nn::Adaptations{}).scores, -1,
                             at::kFloat);
    };
    const Tensor p = [&] {
      NoGrad no_grad;
      return words(*teacher_);
    }();
    return loss + options_.distillation * (p.exp() * (p - words(backbone()))).sum(1).mean();
  }

  void end_task(const Task& task, Trainer& trainer) override {
    RoundReplay::end_task(task, trainer);
    teacher_.reset();
  }

  // A network that is loaded grows to the shape of the one that was saved.
  void state(Archive& a) override {
    bool taught = teacher_ != nullptr;
    a("first", first_);
    a("grown", grown_);
    a("taught", taught);
    a("recovered", recovered_);
    if (a.loading()) {
      teacher_.reset();
      const int64_t grown = std::exchange(grown_, 0);
      for (int64_t task = 1; task <= grown; ++task) {
        if (taught && task == grown) take_teacher();
        grow_to(task);
      }
    }
    if (teacher_) a("teacher", *teacher_);
    RoundReplay::state(a);
  }

 private:
  struct Shape {
    int64_t hidden = 0, keys = 0, blocks = 0;
    void state(Archive& a) {
      a("hidden", hidden);
      a("keys", keys);
      a("blocks", blocks);
    }
  };
  static Shape shape_of(const Backbone& backbone) {
    const nn::BlockShape block = backbone.block();
    return {block.hidden, block.key_width() / block.size(),
            backbone.layers() - int64_t(backbone.inserted_blocks().size())};
  }

  void take_teacher() {
    teacher_ = backbone().clone();
    nn::freeze(*teacher_);
  }

  // The shape after growing before task `task`; what has it already stays.
  void grow_to(int64_t task) {
    const int64_t keys = first_.keys + task * options_.add_heads;
    const int64_t hidden = first_.hidden * keys / first_.keys;
    const int64_t blocks = first_.blocks + task * options_.add_blocks;
    grown_ = task;
    Random random = seeds()("growth", uint64_t(task));
    if (shape_of(backbone()).keys < keys &&
        !backbone().widen_blocks(hidden, keys, options_.noise, random))
      refuse();
    const int64_t have = backbone().layers(), more = blocks - have;
    if (more <= 0) return;
    if (more > have)
      fail(ErrorKind::recipe, "learner.add_blocks = {} is more than the model's {} blocks", more,
           have);
    // Behind blocks that are spread evenly, the last among them.
    std::vector<int64_t> behind;
    for (int64_t i = 1; i <= more; ++i) behind.push_back(i * have / more - 1);
    if (!backbone().insert_blocks(behind)) refuse();
  }

  void refuse() const {
    fail(ErrorKind::recipe,
         "elle grows a decoder of pre-norm blocks without biases of positions, and the model is {}",
         backbone().about());
  }

  Options options_;
  Shape first_;  // of the network before any growth
  const SampleLoader& samples_;
  int64_t grown_ = 0;  // times
  bool recovered_ = true;
  std::unique_ptr<Backbone> teacher_;  // the network before the task, while one is learned
};

LearnerRow elle_learner() {
  return learner_row<Elle>(
      {.paper = "Qin et al., Findings of ACL 2022",
       .about = "Grows the network before each task without changing what it computes, and learns "
                "with replay and with the network before as a teacher.",
       .stores = "The grown network, and samples of every task; while it learns, the network "
                 "before.",
       .differs = "Inserted blocks are copies that add nothing at first, where the paper's change "
                  "the function a little; the width of the stream stays. Prompts of domains are "
                  "left out: at test time the domain is not known.",
       .needs = {.boundaries = true, .many_passes = true},
       .keeps_samples = true,
       .network = Network::decoder,
       .training = round_training(5e-4, 256)});
}

}  // namespace patina
