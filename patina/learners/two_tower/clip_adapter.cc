// CLIP-Adapter (Gao et al., "CLIP-Adapter: Better Vision-Language Models with Feature Adapters",
// IJCV 2024): two small layers behind the image tower, mixed with CLIP's own feature; CLIP stays
// frozen. Here it is trained on one task after the other, without any measure against forgetting.
#include "patina/config/sizes.h"
#include "patina/learners/two_tower/two_tower_learner.h"
#include "patina/nn/layers.h"
#include "patina/ops.h"

namespace patina {

class ClipAdapter : public TwoTowerLearner {
 public:
  struct Options : LearnerOptions, ClassTextOptions {
    double part = 0.2;
    int64_t reduction = 4;
    std::string compete = "task";
    void bind(Fields& f) override {
      ClassTextOptions::bind(f);
      f("part", part, "Of the adapter's output in a feature; the rest is CLIP's.", between(0, 1));
      f("reduction", reduction, "Width of the features over that between the two layers.",
        sized(1));
      bind_compete(f, compete);
    }
  };

  ClipAdapter(Setup setup, const Options& options)
      : TwoTowerLearner(setup, options, {.compete = options.compete}), part_(options.part) {
    const int64_t width = clip().width();
    const int64_t between = std::max<int64_t>(1, width / options.reduction);
    layers_ = {{width, between, /*with_bias=*/false}, {between, width, /*with_bias=*/false}};
    Random random = seeds()("adapter");
    nn::init_kaiming(layers_.down.weight, random);
    nn::init_kaiming(layers_.up.weight, random);
    nn::bring(layers_, clip().place());
    nn::freeze(layers_, false);
  }

  std::vector<ParamGroup> trainable() override { return {trainable_group(layers_)}; }

  void state(Archive& a) override {
    TwoTowerLearner::state(a);
    a("adapter", layers_);
  }

 private:
  struct Layers {
    nn::Linear down, up;
    void walk(nn::Walk& w) {
      w("down", down);
      w("up", up);
    }
  };

  // f* = α ReLU(W_2 ReLU(W_1 f)) + (1 - α) f
  Tensor image_features(const Input& images) const override {
    const Tensor f = clip().features(images);
    return at::relu(layers_.up(at::relu(layers_.down(f)))) * part_ + f * (1 - part_);
  }

  double part_;
  Layers layers_;
};

LearnerRow clip_adapter_learner() {
  return learner_row<ClipAdapter>(
      {.paper = "Gao et al., IJCV 2024",
       .about = "Trains two layers behind CLIP's image tower on each task in turn and does nothing "
                "about forgetting.",
       .stores = "The two layers, the same for all tasks, and an embedding a class.",
       .differs = "The paper is not about continual learning. Its part α is chosen for each data "
                  "set; 0.2 is the value of the authors' code.",
       .needs = {.task_id_at_train = true, .boundaries = true, .many_passes = true},
       .network = Network::clip,
       .training = {.epochs = 200,
                    .batch_size = 32,
                    .optimizer = {.optimizer = "adam", .lr = 1e-5, .schedule = "cosine"}}});
}

}  // namespace patina
