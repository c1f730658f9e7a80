// MoE-Adapters (Yu et al., "Boosting Continual Learning of Vision-Language Models via
// Mixture-of-Experts Adapters", CVPR 2024): both towers of a frozen CLIP have experts beside every
// MLP, of which each sample takes two. After a task the experts that it used most are frozen, so
// that later tasks may use and cannot change them.
#include "patina/adapt/experts.h"
#include "patina/learn/adapted.h"
#include "patina/learners/two_tower/two_tower_learner.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

class MoeAdapters : public TwoTowerLearner {
 public:
  struct Options : LearnerOptions, ClassTextOptions, adapt::ExpertOptions {
    double smoothing = 0.2;
    std::string compete = "task";
    void bind(Fields& f) override {
      ClassTextOptions::bind(f);
      adapt::ExpertOptions::bind(f);
      f("smoothing", smoothing, "Part of a target that is spread over all classes.",
        {.low = 0, .high = 1, .high_open = true});
      bind_compete(f, compete);
    }
  };

  MoeAdapters(Setup setup, const Options& options)
      : TwoTowerLearner(setup, options, {.frozen_texts = false, .compete = options.compete}),
        smoothing_(options.smoothing),
        image_(made(nn::Tower::image, options)),
        text_(made(nn::Tower::text, options)) {}

  void begin_task(const Task& task, Trainer& trainer) override {
    TwoTowerLearner::begin_task(task, trainer);
    image_.counts.zero_();
    text_.counts.zero_();
  }

  Tensor loss(const Batch& batch, const Step& step) override {
    Random random = seeds()("routing", step.number());
    Pass image(image_, &random), text(text_, &random);
    const Tensor scores = clip().similarity(clip().features(batch.input, {&image}),
                                            texts().encoded(competing(), {&text}));
    image_.counts += image.counts();
    text_.counts += text.counts();
    return nn::cross_entropy(scores, batch.target - first(), smoothing_);
  }

  bool divides() const override { return false; }  // choices are counted

  // "Activate and freeze": the experts that the task's samples chose most often.
  void end_task(const Task& task, Trainer& trainer) override {
    for (Side* side : {&image_, &text_}) {
      const auto order = std::get<1>(at::sort(side->counts, /*stable=*/true, 1, true));
      side->frozen.scatter_(1, order.slice(1, 0, side->experts->options.chosen), 1);
      side->freeze();
    }
    TwoTowerLearner::end_task(task, trainer);
  }

  std::vector<ParamGroup> trainable() override {
    return {trainable_group(*image_.experts, *text_.experts)};
  }

  void state(Archive& a) override {
    TwoTowerLearner::state(a);
    a("image", image_);
    a("text", text_);
  }

 private:
  // What is learned of a tower.
  struct Side {
    nn::Tower tower;
    std::unique_ptr<adapt::ExpertAdapters> experts;
    Tensor counts;  // [L,E] how often the task's samples chose each
    Tensor frozen;  // [L,E] 1 for a frozen expert

    void freeze() {
      for (int64_t layer = 0; layer < frozen.size(0); ++layer)
        for (int64_t e = 0; e < frozen.size(1); ++e)
          if (frozen[layer][e].item<int64_t>() == 1)
            nn::freeze(experts->blocks[size_t(layer)].experts[size_t(e)]);
    }
    void state(Archive& a) {
      a("experts", *experts);
      // Counters of the host, wherever the network is.
      for (const auto& [key, tensor] :
           {std::pair{"counts", &counts}, std::pair{"frozen", &frozen}}) {
        auto items = items_of(tensor->flatten().contiguous());
        a(key, items);
        if (a.loading()) *tensor = tensor_of(items).view_as(*tensor);
      }
      if (a.loading()) freeze();
    }
  };

  struct Pass : adapt::RoutedExperts {
    explicit Pass(const Side& side, Random* noise = nullptr) : RoutedExperts(*side.experts, noise) {
      set_tower(side.tower);
    }
  };

  Side made(nn::Tower which, const Options& options) const {
    const TowerShape tower = tower_of(clip(), which);
    Random random = seeds()(which == nn::Tower::image ? "image_experts" : "text_experts");
    Side side{which, std::make_unique<adapt::ExpertAdapters>(options, tower.block.width,
                                                             tower.layers, random)};
    nn::bring(*side.experts, tower.place);
    side.counts = at::zeros({tower.layers, options.experts}, at::kLong);
    side.frozen = at::zeros_like(side.counts);
    return side;
  }

  Tensor image_features(const Input& images) const override {
    Pass pass(image_);
    return clip().features(images, {&pass});
  }
  Tensor text_features(const std::vector<std::string>& names) const override {
    Pass pass(text_);
    return texts().encoded(names, {&pass});
  }

  double smoothing_;
  Side image_, text_;
};

LearnerRow moe_adapters_learner() {
  return learner_row<MoeAdapters>(
      {.paper = "Yu et al., CVPR 2024",
       .about = "Experts beside every MLP of both towers, of which each sample takes two; those a "
                "task used most are frozen after it.",
       .stores = "The experts and routers of both towers, and the classes' names.",
       .differs =
           "Every sample is routed by itself, a text by its end token. In the authors' code a "
           "test batch is routed as one, and a text by its first token, which sees no word. "
           "One router serves all tasks, as in the paper's class-incremental experiments; "
           "the choice among routers of data sets, by autoencoders on AlexNet, is left out.",
       .needs = {.task_id_at_train = true, .boundaries = true, .many_passes = true},
       .network = Network::clip,
       .training = {.epochs = 13,
                    .batch_size = 64,
                    .optimizer = {.optimizer = "adamw", .lr = 1e-3, .warmup_epochs = 1.3}}});
}

}  // namespace patina
