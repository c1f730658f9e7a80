// CLAP (Jha et al., "CLAP4CLIP: Continual Learning with Probabilistic Finetuning for
// Vision-Language Models", NeurIPS 2024): CLIP is frozen; the texts of the classes attend to one
// another within a task and to the image, and a Gaussian of every task, made from each text, is
// added to it. Learning averages scores over samples of the Gaussians; predicting takes their
// means.
#include <algorithm>
#include <cmath>
#include <limits>

#include "patina/algebra/cosine.h"
#include "patina/config/sizes.h"
#include "patina/learners/replay/herded_memory.h"
#include "patina/learners/two_tower/two_tower_learner.h"
#include "patina/nn/layers.h"
#include "patina/nn/losses.h"
#include "patina/nn/merging.h"
#include "patina/ops.h"

namespace patina {

class Clap : public TwoTowerLearner {
 public:
  struct Options : LearnerOptions, ClassTextOptions, HerdedMemoryOptions {
    int64_t hidden = 2048;
    int64_t samples = 20;
    double divergence = 0.001;
    double keep = 0.3;
    int64_t balanced_epochs = 2;
    double balanced_rate = 0.1;
    void bind(Fields& f) override {
      ClassTextOptions::bind(f);
      HerdedMemoryOptions::bind(f);
      f("hidden", hidden, "Units of the MLP behind the texts' attention.", sized(1));
      f("samples", samples, "Samples of a text's Gaussian in a step.", between(1, 1000));
      f("divergence", divergence,
        "Weight of the divergence of the task's Gaussians from the standard one.", at_least(0));
      f("keep", keep, "Weight of how far the means of earlier classes move in a task.",
        at_least(0));
      f("balanced_epochs", balanced_epochs,
        "Epochs on the memory alone, which is balanced, after each task.", at_least(0));
      f("balanced_rate", balanced_rate, "Their learning rate over training.lr.", above(0));
    }
  };

  Clap(Setup setup, const Options& options)
      : TwoTowerLearner(setup, options, {.compete = "seen"}),
        options_(options),
        memory_(options, setup.loader()) {
    const int64_t width = clip().width();
    guide_ = {{width, width},          {width, width},          {width, width},
              {width, width},          {width, width},          {width, width},
              {width, options.hidden}, {options.hidden, width}, nn::Norm(width, 1e-5),
              nn::Norm(width, 1e-5)};
    Random random = seeds()("guide");
    for (auto& item : nn::tensors(guide_)) {
      // The last layer of each part begins at zero: the texts begin as CLIP's.
      const bool last = item.name.starts_with("among_out") || item.name.starts_with("image_out") ||
                        item.name.starts_with("down");
      if (last || item.name.ends_with("bias"))
        item.tensor.zero_();
      else if (item.tensor.dim() == 2)
        nn::init_kaiming(item.tensor, random);
    }
    nn::bring(guide_, clip().place());
    nn::freeze(guide_, false);
    NoGrad no_grad;
    const Tensor unit = at::ones({1, width}, clip().place().options());
    scale_ = (clip().similarity(unit, unit) - clip().similarity(unit, -unit)).item<double>() / 2;
  }

  void begin_task(const Task& task, Trainer& trainer) override {
    TwoTowerLearner::begin_task(task, trainer);
    before_ = copied(guide_);
    for (auto& earlier : gaussians_) nn::freeze(earlier);
    ends_.push_back(int64_t(names().size()));
    add_gaussian();
    // Both maps begin as TᵀT / E of the texts T of the new classes.
    NoGrad no_grad;
    const Tensor fresh = texts().frozen(names()).slice(0, from(gaussians_.size() - 1));
    const Tensor gram = at::matmul(fresh.t(), fresh) / double(fresh.size(1));
    gaussians_.back().mean.weight.copy_(gram);
    gaussians_.back().deviation.weight.copy_(gram);
  }

  void fit(const Task& task, Trainer& trainer) override {
    if (!balancing_) {
      memory_.train_beside(*this, task, trainer);
      memory_.update(task, trainer.features(clip(), *task.train));
      balancing_ = true;
    }
    if (options_.balanced_epochs > 0) {
      const Dataset kept = memory_.kept();
      Task balanced = task;
      balanced.train = &kept;
      trainer.epochs(*this, balanced, options_.balanced_epochs);
    }
    balancing_ = false;
  }

  // CE(mean_s τ cos(f, z_s)) + λ KL(N(μ, σ²) ‖ N(0, 1)) of the task's classes + γ |Δ(t' + μ)|² of
  // the earlier ones, with z_s = t' + μ + σ ε_s.
  Tensor loss(const Batch& batch, const Step& step) override {
    const Tensor f = normalized(clip().features(batch.input)), t = texts().frozen(names());
    const Texts now = made_of(guide_, f, t);
    const Tensor centres = now.texts + now.mean;
    Random random = seeds()("noise", step.number());
    Tensor scores;
    for (int64_t s = 0; s < options_.samples; ++s) {
      Tensor noise = at::empty(centres.sizes().vec());
      nn::init_normal(noise, random, 0, 1);
      const Tensor own = compared(f, centres + now.deviation * on(f.device(), noise));
      scores = scores.defined() ? scores + own : own;
    }
    Tensor loss = nn::cross_entropy(scores / double(options_.samples), batch.target);
    const int64_t known = from(gaussians_.size() - 1);
    const Tensor mean = now.mean.slice(1, known), deviation = now.deviation.slice(1, known);
    if (options_.divergence > 0)
      loss = loss + (mean.square() + deviation.square() - 1 - deviation.log() * 2).sum(2).mean() *
                        (options_.divergence / 2);
    if (options_.keep > 0 && known > 0)
      loss = loss +
             at::mse_loss(centres.slice(1, 0, known), centres_before(f, t, known)) * options_.keep;
    return loss;
  }

  std::vector<ParamGroup> trainable() override {
    ParamGroup group = trainable_group(guide_, gaussians_.back());
    group.lr_factor = balancing_ ? options_.balanced_rate : 1;
    return {group};
  }

  void state(Archive& a) override {
    TwoTowerLearner::state(a);
    a("ends", ends_);
    while (gaussians_.size() < ends_.size()) {
      for (auto& earlier : gaussians_) nn::freeze(earlier);
      add_gaussian();
    }
    for (size_t i = 0; i < gaussians_.size(); ++i)
      a("gaussian_" + std::to_string(i), gaussians_[i]);
    a("guide", guide_);
    a("before", before_);
    a("memory", memory_);
    a("balancing", balancing_);
  }

 private:
  // Attention among the texts, of the texts to the image, and an MLP. There is one image for them
  // to attend to, so that neither queries nor keys of it are needed.
  struct Guide {
    nn::Linear query, key, value, among_out, image_value, image_out, up, down;
    nn::Norm norm1, norm2;
    void walk(nn::Walk& w) {
      w("query", query);
      w("key", key);
      w("value", value);
      w("among_out", among_out);
      w("image_value", image_value);
      w("image_out", image_out);
      w("up", up);
      w("down", down);
      w("norm1", norm1);
      w("norm2", norm2);
    }
  };
  struct Gaussian {
    nn::Linear mean, deviation;
    void walk(nn::Walk& w) {
      w("mean", mean);
      w("deviation", deviation);
    }
  };
  struct Texts {
    Tensor texts, mean, deviation;  // t', μ, σ: [B,K,E]
  };

  void add_gaussian() {
    const int64_t width = clip().width();
    Gaussian fresh{{width, width}, {width, width}};
    NoGrad no_grad;
    fresh.mean.bias.zero_();
    fresh.deviation.bias.zero_();
    nn::bring(fresh, clip().place());
    nn::freeze(fresh, false);
    gaussians_.push_back(std::move(fresh));
  }

  // The first class of a task.
  int64_t from(size_t task) const { return task == 0 ? 0 : ends_[task - 1]; }

  // [K,K]: whether two classes are of different tasks, and do not see each other.
  Tensor apart(const Tensor& like) const {
    std::vector<int64_t> tasks;
    for (size_t task = 0; task < ends_.size(); ++task)
      tasks.insert(tasks.end(), size_t(ends_[task] - from(task)), int64_t(task));
    const Tensor of = tensor_of(tasks, like.device());
    return of.unsqueeze(0).ne(of.unsqueeze(1));
  }

  // t' of every image by itself: images f [B,E], texts t [K,E] -> [B,K,E]
  Tensor guided(const Guide& guide, const Tensor& f, const Tensor& t) const {
    const Tensor x = guide.norm1(t);
    const Tensor likeness =
        at::matmul(guide.query(x), guide.key(x).t()) / std::sqrt(double(t.size(1)));
    const Tensor weights =
        at::softmax(likeness.masked_fill(apart(t), -std::numeric_limits<double>::infinity()), 1);
    const Tensor among = t + guide.among_out(at::matmul(weights, guide.value(x)));
    const Tensor seen = among.unsqueeze(0) + guide.image_out(guide.image_value(f)).unsqueeze(1);
    return seen + guide.down(nn::activate(nn::Activation::gelu, guide.up(guide.norm2(seen))));
  }

  // A class has the Gaussian of its task.
  Texts made_of(const Guide& guide, const Tensor& f, const Tensor& t) const {
    const Tensor texts = guided(guide, f, t);
    std::vector<Tensor> means, deviations;
    for (size_t task = 0; task < gaussians_.size(); ++task) {
      const Tensor own = texts.slice(1, from(task), ends_[task]);
      means.push_back(gaussians_[task].mean(own));
      const Tensor raw = gaussians_[task].deviation(own);
      const Tensor softplus = at::logsumexp(at::stack({raw, at::zeros_like(raw)}, -1), -1);
      deviations.push_back(softplus * 0.999 + 0.001);
    }
    return {texts, at::cat(means, 1), at::cat(deviations, 1)};
  }

  // t' + μ of the first classes, as they were before the present task: [B,known,E]
  Tensor centres_before(const Tensor& f, const Tensor& t, int64_t known) const {
    NoGrad no_grad;
    const auto guide = nn::copy_of(guide_);
    assign(nn::tensors(*guide), before_);
    const Texts then = made_of(*guide, f, t);
    return (then.texts + then.mean).slice(1, 0, known);
  }

  // τ cos(f_b, z_bk): [B,E], [B,K,E] -> [B,K]
  Tensor compared(const Tensor& f, const Tensor& z) const {
    return at::bmm(normalized(z), f.unsqueeze(2)).squeeze(2) * scale_;
  }

  // Each name that was learned by the mean of its Gaussian, any other by CLIP's own text.
  Classifier classifier(const std::vector<std::string>& asked_names) const override {
    const Tensor plain = text_features(asked_names);
    if (gaussians_.empty()) return frozen_classifier(plain);
    return [this, plain, learned = texts().frozen(names()),
            place = places_of(asked_names)](const Question& asked) {
      const Tensor f = normalized(clip().features(asked.input));
      const Texts made = made_of(guide_, f, learned);
      const Tensor others = cosine_scores(f, plain) * scale_;
      return at::cat({compared(f, made.texts + made.mean), others}, 1).index_select(1, place);
    };
  }

  Options options_;
  HerdedMemory memory_;
  Guide guide_;
  std::vector<Gaussian> gaussians_;  // of each task
  std::vector<int64_t> ends_;        // behind the last class of each task
  Weights before_;                   // the guide before the present task
  bool balancing_ = false;           // whether the memory alone is being learned
  double scale_ = 1;                 // τ, of CLIP's similarities
};

LearnerRow clap_learner() {
  return learner_row<Clap>(
      {.paper = "Jha et al., NeurIPS 2024",
       .about = "Texts that attend to the image, with a Gaussian of every task added; the memory "
                "balances what was learned after each task.",
       .stores = "Two maps a task, the attention's weights, an embedding a class, and the memory's "
                 "samples.",
       .differs =
           "The texts attend to the image that is classified, in training and at test. In the "
           "authors' code they attend to all images of the batch, and what is predicted is drawn "
           "anew each time; here the means of the Gaussians predict. Norms stand before the parts "
           "of the attention layer, whose last weights begin at zero.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .keeps_samples = true,
       .network = Network::clip,
       .training = {.epochs = 5,
                    .batch_size = 64,
                    .optimizer = {.lr = 0.001, .weight_decay = 5e-4, .warmup_epochs = 1}}});
}

}  // namespace patina
