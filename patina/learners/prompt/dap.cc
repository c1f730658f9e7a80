// DAP (Jung et al., ICCV 2023): prompts are generated for each sample. Before every block a small
// generator makes the block's prompts from the block's input and an embedding of the task. At test
// time a sample's task is the one whose key is nearest to its query.
#include <cmath>

#include "patina/base/error.h"
#include "patina/config/sizes.h"
#include "patina/learners/prompt/prompt_learner.h"
#include "patina/ops.h"

namespace patina {

namespace {

/// Before block i, with x [B,T,D] its input without prompts and e [B,E] the task's embedding:
/// [γ, β] = film_i(e), each at unit length;  prompts = (γ ⊙ down_i(norm_i(x)ᵀ) + β)ᵀ  [B,P,D]
/// inserted after the class token, replacing the previous block's. `down` acts along the T tokens
/// and is initialised to zero, so a new generator returns β.
class PromptGenerator {
 public:
  PromptGenerator(const nn::BlockShape& shape, int64_t blocks, int64_t tokens, int64_t length,
                  int64_t embedding, Random& random)
      : blocks_(size_t(blocks)), length_(length) {
    for (auto& block : blocks_) {
      block = {nn::Norm(shape.width, 1e-6), nn::Linear(tokens, length),
               nn::Linear(embedding, 2 * shape.width)};
      block.down.weight.zero_(), block.down.bias.zero_();
      nn::init_kaiming(block.film.weight, random);
      nn::init_uniform(block.film.bias, random, 1 / std::sqrt(double(embedding)));
    }
    nn::freeze(*this, false);
  }

  void freeze_down() {
    for (auto& block : blocks_) nn::freeze(block.down);
  }

  Tensor tokens(int layer, Tensor x, const Tensor& embedding) const {
    if (layer > 0 && size_t(layer) <= blocks_.size()) x = without(x);
    if (size_t(layer) >= blocks_.size()) return x;
    const Block& block = blocks_[size_t(layer)];
    const auto film = block.film(embedding).unsqueeze(2).chunk(2, 1);  // [B,D,1] each
    const Tensor made = unit(film[0]) * block.down(block.norm(x).transpose(1, 2)) + unit(film[1]);
    return at::cat({x.slice(1, 0, 1), made.transpose(1, 2), x.slice(1, 1)}, 1);
  }

  Tensor without(const Tensor& x) const {
    return at::cat({x.slice(1, 0, 1), x.slice(1, 1 + length_)}, 1);
  }

  void walk(nn::Walk& w) { w("blocks", blocks_); }

 private:
  struct Block {
    nn::Norm norm;
    nn::Linear down, film;  // [P,T], [2D,E]
    void walk(nn::Walk& w) {
      w("norm", norm);
      w("down", down);
      w("film", film);
    }
  };

  // Scaled to unit length along D, detached.
  static Tensor unit(const Tensor& t) {
    return t / at::linalg_vector_norm(t.detach(), 2, at::IntArrayRef{1}, /*keepdim=*/true);
  }

  std::vector<Block> blocks_;  // the blocks with prompts, from the first on
  int64_t length_;             // P
};

/// A generator's prompts for one batch with embeddings [B,E].
class Generated : public nn::Adaptation {
 public:
  Generated(const PromptGenerator& generator, Tensor embedding)
      : generator_(generator), embedding_(std::move(embedding)) {}

  Tensor tokens(int layer, Tensor x) override {
    return generator_.tokens(layer, std::move(x), embedding_);
  }
  Tensor leave(Tensor x) override { return generator_.without(x); }
  bool acts(nn::Site) const override { return false; }

 private:
  const PromptGenerator& generator_;
  Tensor embedding_;
};

}  // namespace

class Dap : public PromptLearner {
 public:
  struct Options : LearnerOptions {
    int64_t length = 10;
    int64_t embedding = 16;
    double pull = 0.1;
    int64_t bare_blocks = 0;
    bool within_task = false;
    bool one_optimizer = true;
    std::string compat = "paper";
    void bind(Fields& f) override {
      f("length", length, "Prompts made before a block.", sized(1));
      f("embedding", embedding, "Width of a task's embedding.", sized(1));
      f("pull", pull, "Weight of the similarity of queries with their task's key.", at_least(0));
      f("bare_blocks", bare_blocks, "Last blocks without prompts; the paper's ImageNet-R: 1.",
        at_least(0));
      f("within_task", within_task,
        "At test only the chosen task's classes count, as in the paper's ImageNet-R.");
      f("one_optimizer", one_optimizer,
        "One optimizer for the whole stream, as in the authors' code: AMSGrad's largest moments "
        "survive a task. false: a new one for every task.");
      f("compat", compat,
        "\"authors\": at test the whole batch takes the task it chose most often, as the authors' "
        "code does.",
        {"paper", "authors"});
    }
  };

  Dap(Setup setup, const Options& options)
      : PromptLearner(setup, setup.backbone.width()), options_(options) {
    const auto images = backbone().image_input();
    if (!images)
      fail(ErrorKind::recipe, "dap makes prompts from a fixed number of tokens: it needs images");
    const nn::BlockShape shape = backbone().block();
    const auto blocks = std::max<int64_t>(1, backbone().layers() - options.bare_blocks);
    NoGrad no_grad;
    const int64_t tokens =
        backbone()
            .tokens(at::zeros({1, 3, images->size, images->size}, backbone().place().options()))
            .size(1);
    Random random = seeds()("generator");
    generator_ = std::make_unique<PromptGenerator>(shape, blocks, tokens, options.length,
                                                   options.embedding, random);
    nn::bring(*generator_, backbone().place());
    key_bound_ = std::sqrt(6.0 / double(3 * images->patch * images->patch + shape.width));
  }

  void fit(const Task& task, Trainer& trainer) override {
    if (options_.one_optimizer)
      trainer.epochs_of_stream(*this, task);
    else
      trainer.epochs(*this, task);
  }

  // If `within_task` is set, classes of tasks other than the predicted one get -inf.
  Tensor scores(const Question& asked) const override {
    Tensor scores = PromptLearner::scores(asked);
    if (!options_.within_task) return scores;
    NoGrad no_grad;
    const Tensor task_of =
        at::arange(keys_.tasks(), scores.options().dtype(at::kLong))
            .repeat_interleave(tensor_of(heads().sizes(), scores.device()));  // [K]
    return scores.masked_fill(task_of.ne(chosen(similarity(asked.input))), -1e10);
  }

  void state(Archive& a) override {
    PromptLearner::state(a);
    a("generator", *generator_);
    a("embeddings", embeddings_);
    a("keys", keys_);
  }

 private:
  void add_prompts(const Task& task) override {
    Random random = seeds()("task", uint64_t(task.index));
    const auto here = backbone().place().options();
    Tensor embedding = at::empty({1, options_.embedding}, here),
           key = at::empty({1, backbone().width()}, here);
    nn::init_normal(embedding, random, 0, 1);
    nn::init_uniform(key, random, key_bound_);
    embeddings_.add(embedding);
    keys_.add(key);
    if (task.index == 1) generator_->freeze_down();
  }

  Tensor similarity(const Input& input) const { return cosine_scores(query(input), keys_.all()); }

  // The predicted task of each sample: [B,1].
  Tensor chosen(const Tensor& similarity) const {
    const Tensor tasks = nearest(similarity, 1);
    return options_.compat == "authors" ? majority(tasks, keys_.tasks()) : tasks;
  }

  // Loss on task t: CE - λ mean_b cos(q(x_b), K_t).
  Prompted prompted(const Input& input, bool training) const override {
    const Tensor similarity = this->similarity(input);
    const Tensor task = training ? at::full({input.size(), 1}, keys_.tasks() - 1,
                                            similarity.options().dtype(at::kLong))
                                 : chosen(similarity);
    if (!training) usage_.add(task, keys_.tasks());
    Generated prompts(*generator_, picked(embeddings_.all(), task).squeeze(1));
    return {backbone().features(input, {&prompts}), -options_.pull * pull(similarity, task)};
  }

  std::vector<Tensor> prompts() override {
    auto all = trainable_group(*generator_).tensors;
    all.insert(all.end(), {embeddings_.newest(), keys_.newest()});
    return all;
  }

  Options options_;
  std::unique_ptr<PromptGenerator> generator_;
  double key_bound_ = 0;  // keys are initialised as VPT's prompts
  TaskRows embeddings_;   // of task t: [1,E]
  TaskRows keys_;         // of task t: [1,D]
};

LearnerRow dap_learner() {
  return learner_row<Dap>(
      {.paper = "Jung et al., ICCV 2023",
       .about =
           "Makes each sample's prompts before every block from the block's input and the task.",
       .stores = "The prompt generators, an embedding, a key and a head a task.",
       .differs =
           "Every sample takes the task of its own nearest key. In the authors' code the "
           "batch votes: `compat = \"authors\"`. Their test batches hold samples of one task, "
           "so that the vote tells the task, and the published numbers lean on that. One "
           "optimizer serves the whole stream, as in their code, except that momentum does "
           "not move an earlier task's key and embedding any more.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .training = {.epochs = 5,
                    .batch_size = 128,
                    .optimizer = {.optimizer = "adam",
                                  .lr = 0.01,
                                  .beta2 = 0.9,
                                  .amsgrad = true,
                                  .schedule = "constant",
                                  .clip_norm = 1}}});
}

}  // namespace patina
