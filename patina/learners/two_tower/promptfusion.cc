// PromptFusion (Chen et al., "PromptFusion: Decoupling Stability and Plasticity for Continual
// Learning", ECCV 2024): CLIP with learned words for each class keeps what it knows, a vision
// transformer with learned tokens and a linear head learns what is new, and a learned number mixes
// their scores. Both networks are frozen. Its lite form asks the second one only for the images
// that a gate chooses.
#include <cmath>

#include "patina/base/error.h"
#include "patina/config/sizes.h"
#include "patina/image/transform.h"
#include "patina/learn/adapted.h"
#include "patina/learners/prompt/task_rows.h"
#include "patina/learners/replay/herded_memory.h"
#include "patina/learners/two_tower/two_tower_learner.h"
#include "patina/models/catalog.h"
#include "patina/nn/heads.h"
#include "patina/nn/layers.h"
#include "patina/ops.h"

namespace patina {

class PromptFusion : public TwoTowerLearner {
 public:
  struct Options : LearnerOptions, HerdedMemoryOptions {
    std::string vit = "starter", vit_path;
    int64_t context = 30;
    int64_t image_tokens = 30;
    int64_t vit_tokens = 30;
    bool lite = false;
    double usage = 0.4;
    double usage_weight = 0.3;
    Options() { memory = 5000; }
    void bind(Fields& f) override {
      HerdedMemoryOptions::bind(f);
      f("vit", vit,
        "The vision transformer beside CLIP: a name of `patina list models` or a file of weights. "
        "It sees CLIP's images, with its own normalisation.");
      f("vit_path", vit_path, "The weights of a named one that patina does not carry.");
      f("context", context, "Learned vectors in front of a class name, of each class.", sized(1));
      f("image_tokens", image_tokens, "Learned tokens of CLIP's image tower.", sized(1));
      f("vit_tokens", vit_tokens, "Learned tokens of the vision transformer, which its head reads.",
        sized(1));
      f("lite", lite, "Whether a gate chooses the images that the vision transformer sees.");
      f("usage", usage, "The part of images that the gate is to choose.", between(0, 1));
      f("usage_weight", usage_weight, "Weight of the square of what it misses that by.",
        at_least(0));
    }
  };

  PromptFusion(Setup setup, const Options& options)
      : TwoTowerLearner(setup, {.templates = {"{}."}},
                        {.frozen_texts = false, .compete = "seen", .room = options.context}),
        options_(options),
        memory_(options, setup.loader()),
        plain_(clip(), {}),
        vit_(load_vit({.name = options.vit, .path = options.vit_path})) {
    const ImageInput wanted = *clip().image_input();
    if (vit_->image_input()->size != wanted.size &&
        !with_context("learner.vit", [&] { return vit_->resize_input(wanted.size); }))
      fail(ErrorKind::recipe, "learner.vit: {} does not take CLIP's images of {} px", vit_->about(),
           wanted.size);
    read_scales(normalization(wanted.normalize), normalization(vit_->image_input()->normalize));
    vit_->to(clip().place());
    learned_.image = drawn("image_tokens", {1, options.image_tokens, image_width()}, 1);
    learned_.vit = drawn("vit_tokens", {1, options.vit_tokens, vit_->width()}, 1);
    learned_.mix = at::ones({1});
    if (options.lite) {
      learned_.gate_in = {clip().width(), kGateUnits};
      learned_.gate_out = {kGateUnits, 2};
      Random random = seeds()("gate");
      for (auto* layer : {&learned_.gate_in, &learned_.gate_out}) {
        nn::init_kaiming(layer->weight, random);
        layer->bias.zero_();
      }
    }
    nn::bring(learned_, clip().place());
    nn::freeze(learned_, false);
  }

  void begin_task(const Task& task, Trainer& trainer) override {
    TwoTowerLearner::begin_task(task, trainer);
    const auto index = uint64_t(task.index);
    const auto fresh = int64_t(task.fresh.size());
    const int64_t width = tower_of(clip(), nn::Tower::text).block.width;
    contexts_.add(drawn("contexts", {fresh, options_.context, width}, kContext, index));
    Random random = seeds()("head", index);
    head_.grow(int64_t(names().size()), vit_->width(), random, clip().place());
    known_ = int64_t(names().size()) - fresh;
    tasks_ = task.index + 1;
    weights_ = on(clip().place().device, at::ones({int64_t(names().size())}));
    weights_.requires_grad_(true);
  }

  void fit(const Task& task, Trainer& trainer) override {
    memory_.train_beside(*this, task, trainer);
  }

  // The mean of -W_y log softmax(z)_y, with W_y = σ(α_y) of a new class, and (t/2) / σ(β_y) of one
  // that t earlier tasks brought; lite: and Λ (mean g - γ)².
  Tensor loss(const Batch& batch, const Step& step) override {
    Input images = batch.input;
    images.data = images.pixels();
    const Tensor f = prompted(images);
    const Tensor by_texts = clip().similarity(f, encoded(names(), contexts_.all()));
    const Tensor by_vit = vit_scores(images.data), share = at::sigmoid(learned_.mix);
    Tensor gate, used = share;
    if (options_.lite) {
      Random random = seeds()("gate_noise", step.number());
      gate = drawn_gate(f, random);
      used = share * gate;
    }
    const Tensor z = by_texts * (1 - used) + by_vit * used;
    const Tensor said = at::log_softmax(z, 1).gather(1, batch.target.unsqueeze(1)).squeeze(1);
    const Tensor own = at::sigmoid(weights_.index_select(0, batch.target));
    const double earlier = double(tasks_ - 1) / 2;
    const Tensor weight = at::where(batch.target < known_, own.reciprocal() * earlier, own);
    Tensor loss = -(weight * said).mean();
    if (options_.lite)
      loss = loss + (gate.mean() - options_.usage).square() * options_.usage_weight;
    return loss;
  }

  void end_task(const Task& task, Trainer& trainer) override {
    memory_.update(task, trainer.features(clip(), *task.train));
    TwoTowerLearner::end_task(task, trainer);
  }

  std::vector<ParamGroup> trainable() override {
    ParamGroup group = trainable_group(learned_, head_);
    group.tensors.push_back(contexts_.newest());
    group.tensors.push_back(weights_);
    return {group};
  }

  void state(Archive& a) override {
    TwoTowerLearner::state(a);
    a("learned", learned_);
    a("contexts", contexts_);
    if (a.loading() && contexts_.tasks() > 0) contexts_.parts.back().requires_grad_(true);
    a("head", head_);
    a("weights", weights_);
    if (a.loading() && weights_.defined()) weights_.requires_grad_(true);
    a("known", known_);
    a("tasks", tasks_);
    a("memory", memory_);
  }

 private:
  static constexpr double kContext = 0.01;  // deviation of new contexts
  static constexpr int64_t kGateUnits = 100;
  static constexpr double kTemperature = 3;  // of the gate's Gumbel-softmax

  struct Learned {
    Tensor image, vit;  // tokens, [1,P,D]
    Tensor mix;         // λ, [1]
    nn::Linear gate_in, gate_out;
    void walk(nn::Walk& w) {
      w("image", image);
      w("vit", vit);
      w("mix", mix);
      w("gate_in", gate_in);
      w("gate_out", gate_out);
    }
  };

  // Rows after the first token of every sample; they leave after the final norm.
  class Tokens : public nn::Adaptation {
   public:
    explicit Tokens(Tensor rows) : rows_(std::move(rows)) { set_tower(nn::Tower::image); }
    Tensor tokens(int layer, Tensor x) override {
      if (layer > 0) return x;
      const Tensor own = rows_.expand({x.size(0), -1, -1}).to(x.scalar_type());
      return at::cat({x.slice(1, 0, 1), own, x.slice(1, 1)}, 1);
    }
    bool acts(nn::Site) const override { return false; }

   private:
    Tensor rows_;  // [1,P,D]
  };

  // Each text's own vectors in the place of its tokens 1 to M; positions stay.
  class Contexts : public nn::Adaptation {
   public:
    Contexts(Tensor words, Tensor rows) : words_(std::move(words)), rows_(std::move(rows)) {
      set_tower(nn::Tower::text);
    }
    Tensor after(nn::Site site, int, const Tensor& in, Tensor out) override {
      if (site != nn::Site::embed) return out;
      const int64_t end = 1 + rows_.size(1);
      const Tensor replaced = at::embedding(words_, in.slice(1, 1, end));
      return at::cat(
          {out.slice(1, 0, 1), out.slice(1, 1, end) - replaced + rows_, out.slice(1, end)}, 1);
    }
    bool acts(nn::Site site) const override { return site == nn::Site::embed; }

   private:
    Tensor words_, rows_;  // [V,W], [n,M,W]
  };

  int64_t image_width() const { return tower_of(clip(), nn::Tower::image).block.width; }

  Tensor drawn(const char* name, const Shape& shape, double deviation, uint64_t index = 0) const {
    Tensor rows = at::empty(shape);
    Random random = seeds()(name, index);
    nn::init_normal(rows, random, 0, deviation);
    return on(clip().place().device, rows);
  }

  // x_vit = (x_clip s + m - m_vit) / s_vit per channel: the same pixels, normalised anew.
  void read_scales(const Normalization& from, const Normalization& to) {
    Tensor factor = at::empty({1, 3, 1, 1}), shift = at::empty({1, 3, 1, 1});
    for (size_t c = 0; c < 3; ++c) {
      host_values(factor)[c] = from.deviation[c] / to.deviation[c];
      host_values(shift)[c] = (from.mean[c] - to.mean[c]) / to.deviation[c];
    }
    factor_ = on(clip().place().device, factor);
    shift_ = on(clip().place().device, shift);
  }

  // The head reads the mean of what the learned tokens became.
  Tensor vit_scores(const Tensor& pixels) const {
    Tokens tokens(learned_.vit);
    const Tensor out = vit_->tokens(pixels * factor_ + shift_, {&tokens});
    return head_(out.slice(1, 1, 1 + learned_.vit.size(1)).mean(1));
  }

  Tensor prompted(const Input& images) const {
    Tokens tokens(learned_.image);
    return clip().features(images, {&tokens});
  }
  Tensor encoded(const std::vector<std::string>& names, const Tensor& contexts) const {
    Contexts own(weight_of(clip(), "text.embed.weight"), contexts);
    return texts().encoded(names, {&own});
  }

  // [B,2]: for and against leaving the image to CLIP.
  Tensor gate_scores(const Tensor& f) const {
    return learned_.gate_out(nn::activate(nn::Activation::gelu, learned_.gate_in(f)));
  }
  // Gumbel-softmax of the choice of the ViT, [B,1].
  Tensor drawn_gate(const Tensor& f, Random& random) const {
    Tensor noise = at::empty({f.size(0), 2});
    nn::init_uniform(noise, random, 1e-6, 1);
    noise = -(-noise.log()).clamp_min(1e-6).log();
    return at::softmax((gate_scores(f) + on(f.device(), noise)) / kTemperature, 1).slice(1, 1, 2);
  }

  // (1 - σ(λ)) z_clip + σ(λ) z_vit; lite: where the gate leaves an image to CLIP, z_clip alone. A
  // name that was not learned has a text and no row of the head.
  Classifier classifier(const std::vector<std::string>& asked_names) const override {
    const Tensor plain = plain_.frozen(asked_names);
    if (head_.classes() == 0) return frozen_classifier(plain);
    return [this, plain, own = encoded(names(), contexts_.all()),
            place = places_of(asked_names)](const Question& asked) {
      Input images = asked.input;
      images.data = images.pixels();
      const Tensor f = prompted(images), by_texts = clip().similarity(f, own);
      const Tensor share = at::sigmoid(learned_.mix);
      Tensor z = by_texts * (1 - share);
      if (!options_.lite) {
        z = z + vit_scores(images.data) * share;
      } else {
        const Tensor chosen = gate_scores(f).argmax(1).nonzero().squeeze(1);
        Tensor mixed = by_texts.clone();
        if (chosen.numel() > 0)
          mixed.index_copy_(
              0, chosen,
              z.index_select(0, chosen) + vit_scores(images.data.index_select(0, chosen)) * share);
        z = mixed;
      }
      const Tensor others = clip().similarity(f, plain) * (1 - share);
      return at::cat({z, others}, 1).index_select(1, place);
    };
  }

  Options options_;
  HerdedMemory memory_;
  ClassTexts plain_;  // CLIP's own sentence
  std::unique_ptr<ViT> vit_;
  Tensor factor_, shift_;  // of its pixels, [1,3,1,1]
  Learned learned_;
  TaskRows contexts_;  // of each task's classes, [K_t,M,W]
  nn::LinearHead head_;
  Tensor weights_;     // α and β of the classes, [K]
  int64_t known_ = 0;  // classes of earlier tasks
  int64_t tasks_ = 0;  // so far, with the present one
};

LearnerRow promptfusion_learner() {
  return learner_row<PromptFusion>(
      {.paper = "Chen et al., ECCV 2024",
       .about = "Mixes the scores of CLIP with learned words for each class and of a second vision "
                "transformer with learned tokens and a head.",
       .stores =
           "Words a class, two sets of tokens, the head, and the memory's samples; the second "
           "network's file has to be there.",
       .differs =
           "The weights of the loss belong to classes; in the authors' code to places in the "
           "batch. An image's feature under CLIP is its class token's, where the code averages "
           "the learned tokens; texts have no leftover words of the template. Of the lite form's "
           "losses, the distillation is left out.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .keeps_samples = true,
       .network = Network::clip,
       .training = {.epochs = 3,
                    .batch_size = 32,
                    .optimizer = {
                        .optimizer = "adamw", .lr = 0.002, .weight_decay = 1e-4, .clip_norm = 1}}});
}

}  // namespace patina
