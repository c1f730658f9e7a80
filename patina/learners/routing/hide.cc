// HiDe-LLaVA (Guo et al., "HiDe-LLaVA: Hierarchical Decoupling for Continual Instruction Tuning of
// Multimodal Large Language Model", ACL 2025): every task has a LoRA. Below the last block all of
// them are added; in the last block each sample mixes them by how near its image and its
// instruction are to those of each task. No task needs to be known.
#include "patina/adapt/routed_lora.h"
#include "patina/algebra/cosine.h"
#include "patina/learners/instruction/lora_per_task.h"
#include "patina/learners/instruction/prompts.h"
#include "patina/models/two_tower/llava.h"
#include "patina/ops.h"

namespace patina {

namespace {

// The sum of all LoRAs below the last block, and their mixture there.
class Hierarchy : public nn::Adaptation {
 public:
  Hierarchy(const std::vector<const adapt::Lora*>& loras, const Tensor& weights, int64_t last)
      : below_(loras, at::ones_like(weights)), mixed_(loras, weights), last_(last) {
    if (const auto tower = loras.front()->tower()) set_tower(*tower);
  }
  Tensor after(nn::Site site, int layer, const Tensor& in, Tensor out) override {
    return (layer == last_ ? mixed_ : below_).after(site, layer, in, std::move(out));
  }
  bool acts(nn::Site site) const override { return below_.acts(site); }

 private:
  adapt::MixedLora below_, mixed_;
  int64_t last_;
};

}  // namespace

class Hide : public LoraPerTask {
 public:
  struct Options : LearnerOptions {
    double temperature = 0.1;
    adapt::LoraOptions lora{.rank = 8, .alpha = 16, .parts = "qkv", .output = true, .mlp = true};
    void bind(Fields& f) override {
      f("temperature", temperature,
        "Divides the similarities to the tasks before the softmax over them.", above(0));
      lora.bind(f);
    }
  };

  Hide(Setup setup, const Options& options) : LoraPerTask(setup, options.lora), options_(options) {}

  // A task's anchors are the means of what its samples have, each of length one.
  void end_task(const Task& task, Trainer& trainer) override {
    NoGrad no_grad;
    Tensor images, words;
    trainer.each_batch(*task.train, "anchors of a task", [&](const Batch& batch) {
      const Seen seen = seen_in(prompts_of(batch.input));
      const auto add = [](Tensor& sum, const Tensor& rows) {
        if (!rows.defined()) return;
        const Tensor more = rows.sum(0, /*keepdim=*/true, at::kDouble);
        sum = sum.defined() ? sum + more : more;
      };
      add(images, seen.images);
      add(words, seen.words);
    });
    const auto keep = [](Tensor& anchors, const Tensor& sum) {
      if (!sum.defined()) return;
      const Tensor fresh = normalized(sum.to(at::kFloat));
      anchors = anchors.defined() ? at::cat({anchors, fresh}) : fresh;
    };
    keep(image_anchors_, images);
    keep(word_anchors_, words);
  }

  nn::Adaptations adaptations(const Input& input) const override {
    if (!word_anchors_.defined()) return while_learning(input);
    NoGrad no_grad;
    const Prompts prompts = prompts_of(input);
    auto known = loras();
    known.resize(size_t(word_anchors_.size(0)));
    nn::Adaptations all;
    all.keep(std::make_shared<Hierarchy>(known, prompts.for_tokens(weights(seen_in(prompts))),
                                         backbone().layers() - 1));
    return all;
  }

  void state(Archive& a) override {
    LoraPerTask::state(a);
    a("images", image_anchors_);
    a("words", word_anchors_);
  }

 protected:
  // The newest alone.
  nn::Adaptations while_learning(const Input& input) const override {
    return LoraPerTask::adaptations(input);
  }

 private:
  // Of each prompt, rows of length one; images undefined where there are none.
  struct Seen {
    Tensor images, words;
  };
  Seen seen_in(const Prompts& prompts) const {
    NoGrad no_grad;
    Tensor own = prompts.input.mask;
    if (const auto images = backbone().image_tokens())
      own = own * prompts.input.data.ne(images->id);
    const Tensor each = word_embeddings(backbone(), prompts.input);
    const Tensor words = (each * own.unsqueeze(-1)).sum(1) / own.sum(1, true).clamp_min(1);
    const Tensor images = image_means(backbone(), prompts.input);
    return {images.defined() ? normalized(images) : images, normalized(words)};
  }

  // softmax_t((cos(v, a_t) + cos(s, b_t)) / 2 τ): [N,n]
  Tensor weights(const Seen& seen) const {
    Tensor near = cosine_scores(seen.words, word_anchors_);
    // If only some tasks had images, words alone tell all of them apart.
    if (seen.images.defined() && image_anchors_.defined() &&
        image_anchors_.size(0) == word_anchors_.size(0))
      near = (near + cosine_scores(seen.images, image_anchors_)) / 2;
    return at::softmax(near / options_.temperature, 1);
  }

  Options options_;
  Tensor image_anchors_, word_anchors_;  // a row a task that was learned, [n,D]
};

LearnerRow hide_learner() {
  return learner_row<Hide>(
      {.paper = "Guo et al., ACL 2025",
       .about =
           "Adds the LoRAs of all tasks below the last block, and mixes them there by how near "
           "a sample's image and instruction are to each task's.",
       .stores = "A LoRA a task, and a mean image and a mean instruction each.",
       .differs =
           "The paper compares images and instructions under a CLIP beside the model; here an "
           "image is the mean token of the model's own image tower, and an instruction its mean "
           "word. Each sample has its own mixture, and each LoRA its own product: the published "
           "code mixes by the largest similarities of a batch, and multiplies sums of factors.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::decoder,
       .training = {.epochs = 1,
                    .batch_size = 16,
                    .optimizer = {.optimizer = "adamw", .lr = 2e-4, .schedule = "cosine"}}});
}

}  // namespace patina
