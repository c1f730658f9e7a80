// SLCA++ (Zhang et al., "SLCA++", 2024): SLCA with few trained parameters, which allow a higher
// learning rate: LoRA in every block, norms, biases and the class token. As in the authors' code,
// one LoRA changes queries, keys and values, and each A begins as the first right singular vectors
// of the weight that it changes. Trained by symmetric cross-entropy. To counter feature drift,
// alignment shrinks the sampled features of older tasks by a random factor, and at test time their
// heads read features enlarged by the mean of that factor.
#include "patina/algebra/linear_algebra.h"
#include "patina/learn/adapted.h"
#include "patina/learners/representation/slca.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

class SlcaPlusPlus : public Slca {
 public:
  struct Options : LearnerOptions, SlcaOptions {
    adapt::LoraOptions lora{.rank = 4, .alpha = 3.2, .parts = "qkv", .mlp = true, .joint = true};
    double first_lora_lr_factor = 0.5;
    double cross_entropy = 1;
    double reverse = 0.1;
    double drift = 0.02;
    Options() { backbone_lr_factor = 0.1; }
    void bind(Fields& f) override {
      SlcaOptions::bind(f);
      f.section("lora", lora, "The low-rank changes; their rate is backbone_lr_factor's as well.");
      f("first_lora_lr_factor", first_lora_lr_factor,
        "Learning rate of LoRA over the heads' in the first task.", above(0));
      f("cross_entropy", cross_entropy, "Factor of cross-entropy; 0.5 for fine-grained classes.",
        at_least(0));
      f("reverse", reverse, "Factor of reverse cross-entropy; 0.5 for fine-grained classes.",
        at_least(0));
      f("drift", drift, "By how much features are thought to have grown shorter a task.",
        at_least(0));
    }
  };

  SlcaPlusPlus(Setup setup, const Options& options) : Slca(setup, options), options_(options) {
    Random random = seeds()("lora");
    lora_ = make_lora(options.lora, backbone().tower(), random);
    begin_at_singular_vectors();
    for (auto& item : nn::tensors(backbone())) item.tensor.requires_grad_(is_light(item.name));
  }

  // a CE + b RCE, among the task's own classes.
  Tensor loss(const Batch& batch, const Step&) override {
    return nn::symmetric_cross_entropy(fresh_scores(batch), fresh_targets(batch),
                                       options_.cross_entropy, options_.reverse);
  }

  // Head t of T reads (1 + μ (T-1-t)) f(x).
  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    const Tensor f = features(asked.input);
    std::vector<Tensor> scores;
    for (size_t t = 0; t < heads().tasks(); ++t) {
      const double age = double(heads().tasks() - 1 - t);
      scores.push_back(heads().of_task(t, (1 + options_.drift * age) * f));
    }
    return at::cat(scores, 1);
  }

  std::vector<ParamGroup> trainable() override {
    auto groups = Slca::trainable();
    groups.push_back(trainable_group(*lora_));
    groups.back().lr_factor =
        heads().tasks() == 1 ? options_.first_lora_lr_factor : options_.backbone_lr_factor;
    return groups;
  }

  // Enlarging the features of a head is enlarging its rows.
  std::optional<AsNetwork> as_network() const override {
    auto network = Slca::as_network();
    const Tensor longer = (1 + options_.drift * ages_of_classes()).unsqueeze(1);
    network->weight = network->weight * longer;
    network->lora = lora_.get();
    return network;
  }

  void state(Archive& a) override {
    Slca::state(a);
    a("lora", *lora_);
  }

 protected:
  Tensor features(const Input& input) const override {
    return backbone().features(input, {lora_.get()});
  }
  FeatureSet features(const Dataset& data, Trainer& trainer) const override {
    return trainer.features(backbone(), data, {lora_.get()});
  }

 private:
  // The k-th weight whose name ends so belongs to block k, because the adapted tower comes first.
  void begin_at_singular_vectors() {
    const std::pair<nn::Site, std::string_view> sites[] = {{nn::Site::qkv, ".attn.qkv.weight"},
                                                           {nn::Site::fc1, ".mlp.fc1.weight"},
                                                           {nn::Site::fc2, ".mlp.fc2.weight"}};
    for (const auto& [site, name] : sites) {
      int64_t block = 0;
      for (const auto& weight : nn::tensors(backbone()))
        if (weight.name.ends_with(name) && block < backbone().layers())
          lora_->begin_at(block++, site, right_singular_rows(weight.tensor, options_.lora.rank));
    }
  }

  static bool is_light(const std::string& name) {
    return name.find("norm") != std::string::npos || name.ends_with("bias") || name == "cls_token";
  }

  // A sampled feature of a class of task t is divided by 1 + (μ + u) (T-1-t), u ~ U(-0.01, 0.01).
  void align_heads(Random random) override {
    const Tensor ages = ages_of_classes();
    Random noise = seeds()("drift", heads().tasks());
    align_on(random, {}, [&](const Tensor& drawn, const Tensor& targets) {
      Tensor rates = at::empty({targets.size(0)}, drawn.options());
      nn::init_uniform(rates, noise, options_.drift - 0.01, options_.drift + 0.01);
      return drawn / (1 + rates * ages.index_select(0, targets)).unsqueeze(1);
    });
  }

  Tensor ages_of_classes() const {  // [K]: number of later tasks
    const auto sizes = heads().sizes();
    std::vector<Tensor> ages;
    for (size_t t = 0; t < sizes.size(); ++t)
      ages.push_back(
          at::full({sizes[t]}, double(sizes.size() - 1 - t), backbone().place().options()));
    return at::cat(ages);
  }

  Options options_;
  std::unique_ptr<adapt::Lora> lora_;
};

LearnerRow slcapp_learner() {
  return learner_row<SlcaPlusPlus>(
      {.paper = "Zhang et al., 2024 (SLCA++)",
       .about = "SLCA that trains low-rank changes, norms and biases instead of the whole network.",
       .stores = "The low-rank changes with norms and biases; the heads twice; a Gaussian a class.",
       .differs = "Drawn features are shrunk by the age of their class and heads read enlarged "
                  "ones: this is in the authors' code and not in the paper (`drift`). One LoRA "
                  "changes queries, keys and values and begins at singular vectors of the weights, "
                  "as in the authors' code; `lora.joint = false`: one each.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .training = {
           .epochs = 20,
           .batch_size = 128,
           .optimizer = {.lr = 0.01, .weight_decay = 5e-4, .schedule = "cosine", .min_lr = 1e-4}}});
}

}  // namespace patina
