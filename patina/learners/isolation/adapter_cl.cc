// AdapterCL: every task has adapters of its own in a frozen network. Where the task is not known,
// that of the least doubt answers: of the lowest entropy, or under which the text's words have the
// lowest perplexity. Madotto et al., "Continual Learning in Task-Oriented Dialogue Systems", EMNLP
// 2021.
#include <limits>

#include "patina/base/error.h"
#include "patina/config/sizes.h"
#include "patina/learn/learner.h"
#include "patina/learn/own_heads.h"
#include "patina/learners/representation/task_adapters.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

namespace {

// Whether the network scores each word from those before it.
bool predicts_words(const Backbone& backbone) {
  if (!backbone.text_input()) return false;
  const Tensor one = at::zeros({1, 1}, backbone.place().options().dtype(at::kLong));
  return !backbone.has_decoder() && backbone.begin(Input(one, at::ones_like(one))).has_value();
}

// -log p of each word after the first, and 1 where there is one: [B,T-1] each.
std::pair<Tensor, Tensor> word_losses(const Tensor& scores, const Input& input) {
  const Tensor log_p = at::log_softmax(scores.slice(1, 0, -1), 2, at::kFloat);
  const Tensor lost = -log_p.gather(2, input.data.slice(1, 1).unsqueeze(2)).squeeze(2);
  const Tensor there =
      input.mask.defined() ? input.mask.slice(1, 1).to(at::kFloat) : at::ones_like(lost);
  return {lost * there, there};
}

}  // namespace

class AdapterCl : public Learner {
 public:
  struct Options : LearnerOptions {
    int64_t bottleneck = 50;
    std::string identity = "entropy";
    void bind(Fields& f) override {
      f("bottleneck", bottleneck, "Width between an adapter's two projections.", sized(1));
      f("identity", identity,
        "What finds a sample's task: the entropy of its classes' probabilities, or the perplexity "
        "of the text, whose words the adapters then learn as well.",
        {"entropy", "perplexity"});
    }
  };

  AdapterCl(Setup setup, const Options& options)
      : backbone_(setup.backbone),
        seeds_(setup.seeds),
        options_(options),
        adapters_(backbone_, {.bottleneck = options.bottleneck,
                              .scale = 1,
                              .placement = "sequential",
                              .dropout = 0}) {
    if (options.identity == "perplexity" && !predicts_words(backbone_))
      fail(ErrorKind::recipe,
           "learner.identity = \"perplexity\" needs a network that predicts words from those "
           "before, and the model is {}: set \"entropy\"",
           backbone_.about());
  }

  void begin_task(const Task& task, Trainer&) override {
    adapters_.add(seeds_("adapter", uint64_t(task.index)));
    heads_.freeze();
    Random random = seeds_("head", uint64_t(task.index));
    heads_.add(int64_t(task.fresh.size()), backbone_.width(), random, backbone_.place());
  }

  // Cross-entropy among the task's own classes, and by perplexity that of the text's words.
  Tensor loss(const Batch& batch, const Step&) override {
    const size_t task = adapters_.size() - 1;
    const Tensor error = nn::cross_entropy(heads_.newest()(adapters_.features(batch.input, task)),
                                           batch.target - heads_.known());
    if (options_.identity == "entropy") return error;
    const auto [lost, words] = words_of(batch.input, task);
    return error + lost.sum() / words.sum().clamp_min(1);
  }

  // Within the task that is told or found; -inf for the classes of all others.
  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    if (asked.task.defined())
      return own_scores(asked, heads_, [this](size_t task, const Input& input) {
        return adapters_.features(input, task);
      });
    std::vector<Tensor> scores, doubts;
    for (size_t task = 0; task < adapters_.size(); ++task) {
      scores.push_back(task_scores(task, asked.input));
      doubts.push_back(doubt(task, scores.back(), asked.input));
    }
    const Tensor found = at::stack(doubts, 1).argmin(1);  // [B]
    for (size_t task = 0; task < scores.size(); ++task)
      scores[task] = scores[task].masked_fill(found.ne(int64_t(task)).unsqueeze(1),
                                              -std::numeric_limits<float>::infinity());
    return at::cat(scores, 1);
  }

  std::vector<ParamGroup> trainable() override {
    return {trainable_group(adapters_.last(), heads_.newest())};
  }

  void state(Archive& a) override {
    a("adapters", adapters_);
    a("heads", heads_);
  }

 private:
  Tensor task_scores(size_t task, const Input& input) const {
    return heads_.of_task(task, adapters_.features(input, task));
  }
  std::pair<Tensor, Tensor> words_of(const Input& input, size_t task) const {
    return word_losses(backbone_.word_scores(backbone_.tokens(input, {&adapters_[task]})), input);
  }
  // How little an adapter knows a sample: [B].
  Tensor doubt(size_t task, const Tensor& scores, const Input& input) const {
    if (options_.identity == "perplexity") {
      const auto [lost, words] = words_of(input, task);
      return lost.sum(1) / words.sum(1).clamp_min(1);
    }
    const Tensor log_p = at::log_softmax(scores, 1);
    return -(log_p.exp() * log_p).sum(1);
  }

  Backbone& backbone_;
  Seeds seeds_;
  Options options_;
  TaskAdapters adapters_;
  nn::TaskHeads heads_;
};

LearnerRow adapter_cl_learner() {
  return learner_row<AdapterCl>(
      {.paper = "Madotto et al., EMNLP 2021",
       .about = "Adapters and a head for every task; a sample's task is the one of the lowest "
                "entropy or perplexity.",
       .stores = "Adapters and a head a task.",
       .differs = "The paper generates answers and finds the task by perplexity; classes make the "
                  "entropy of their probabilities a second measure. Adapters read what the MLP "
                  "adds, without a norm before them.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .training = {.epochs = 10,
                    .batch_size = 80,
                    .optimizer = {.optimizer = "adamw",
                                  .lr = 6.25e-3,
                                  .weight_decay = 0.01,
                                  .schedule = "constant"}}});
}

}  // namespace patina
