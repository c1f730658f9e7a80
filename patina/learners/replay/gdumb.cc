// GDumb: stores a class-balanced memory and learns nothing until evaluation; then it trains a fresh
// network on the memory alone. Meant as a baseline. Prabhu et al., "GDumb: A Simple Approach that
// Questions Our Progress in Continual Learning", ECCV 2020.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "patina/learn/network_learner.h"
#include "patina/memory/sample_memory.h"
#include "patina/nn/merging.h"
#include "patina/ops.h"

namespace patina {

namespace {

/// Replaces a rectangle of every image by that of another image of the batch. The fraction of the
/// image that remains is uniform in [0,1); rectangles are clipped at the borders (Yun et al.,
/// "CutMix", ICCV 2019, with α = 1).
struct CutMix {
  Tensor pixels, partner;  // [B,3,H,W]; [B], the row each rectangle comes from
  double left = 1;

  CutMix(const Tensor& from, Random random) : pixels(from.clone()) {
    const int64_t height = from.size(2), width = from.size(3);
    partner = tensor_of(random.permutation(from.size(0)), from.device());
    const double side = std::sqrt(1 - random.uniform());
    const auto span = [&](int64_t size) {
      const auto middle = int64_t(random.below(uint64_t(size)));
      const auto half = int64_t(double(size) * side / 2);
      return std::pair{std::max<int64_t>(0, middle - half), std::min(size, middle + half)};
    };
    const auto [top, bottom] = span(height);
    const auto [first, last] = span(width);
    // Captured by name: clang 14 cannot capture a structured binding.
    const auto cut = [top = top, bottom = bottom, first = first, last = last](const Tensor& t) {
      return t.slice(2, top, bottom).slice(3, first, last);
    };
    cut(pixels).copy_(cut(from).index_select(0, partner));
    left = 1 - double((bottom - top) * (last - first)) / double(height * width);
  }
};

}  // namespace

class GDumb : public NetworkLearner {
 public:
  struct Options : LearnerOptions {
    int64_t memory = 500;
    double cutmix = 0.5;
    void bind(Fields& f) override {
      f("memory", memory, "Samples that may be kept.", at_least(1));
      f("cutmix", cutmix, "Part of the batches of images that are mixed by rectangles.",
        between(0, 1));
    }
  };

  GDumb(Setup setup, const Options& options)
      : NetworkLearner(setup),
        options_(options),
        initial_(setup.backbone.clone()),
        samples_(setup.loader()),
        memory_(options.memory, SampleMemory::Policy::greedy, setup.seeds("memory")) {}

  void fit(const Task& task, Trainer&) override {
    for (int64_t i = 0; i < task.train->size(); ++i) memory_.offer(task.train->handle(i));
  }

  void observe(const Batch& batch, Trainer&) override { memory_.offer(batch); }

  void before_scores(Trainer& trainer) override {
    if (memory_.offered() == trained_after_ || memory_.size() == 0) return;
    trained_after_ = memory_.offered();
    assign(nn::tensors(backbone()), weights_of(*initial_));
    const int64_t classes = head().classes();
    Random random = seeds()("head", uint64_t(trained_after_));
    head() = {};
    head().grow(classes, backbone().width(), random, backbone().place());
    trainer.train_on(*this, samples_.dataset(memory_.samples()), trainer.options().epochs,
                     Seeds(seeds()("training", uint64_t(trained_after_)).bits()));
  }

  // In a CutMix batch each of the two classes is weighted by its fraction of the image.
  Tensor loss(const Batch& batch, const Step& step) override {
    Random random = seeds()(fmt::format("cutmix {}", trained_after_), uint64_t(step.before()));
    if (batch.input.is_text() || !random.chance(options_.cutmix))
      return NetworkLearner::loss(batch, step);
    const CutMix mix(batch.input.pixels(), random);
    const Tensor outputs = this->outputs(mix.pixels);
    return task_loss(outputs, batch.target) * mix.left +
           task_loss(outputs, batch.target.index_select(0, mix.partner)) * (1 - mix.left);
  }

  void state(Archive& a) override {
    NetworkLearner::state(a);
    a("memory", memory_);
    a("trained_after", trained_after_);
  }

 private:
  Options options_;
  std::unique_ptr<Backbone> initial_;
  const SampleLoader& samples_;
  SampleMemory memory_;
  int64_t trained_after_ = 0;  // samples offered when the network was last trained
};

LearnerRow gdumb_learner() {
  return learner_row<GDumb>(
      {.paper = "Prabhu et al., ECCV 2020",
       .about = "Fills a balanced memory and trains a fresh network on it whenever it is asked.",
       .stores = "The memory's samples; the network it trained last.",
       .differs = "One cosine over 30 epochs. The authors train for 64 to 256, restart the cosine "
                  "after 1, 2, 4, ... epochs, begin with one at a tenth of the rate, and clip "
                  "gradients at a norm of 10.",
       .keeps_samples = true,
       .network = Network::any,
       .training = {
           .epochs = 30,
           .batch_size = 16,
           .optimizer = {.lr = 0.05, .weight_decay = 1e-6, .schedule = "cosine", .min_lr = 5e-4}}});
}

}  // namespace patina
