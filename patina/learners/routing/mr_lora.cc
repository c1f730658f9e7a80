// MR-LoRA (arXiv 2506.05453, 2025): every task's LoRA learns from the pre-trained model alone, and
// one more LoRA makes the model its own router: asked for the letter of the expert of a prompt, it
// scores the letters, and the likeliest LoRA answers.
#include <algorithm>
#include <set>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/data/answer_feed.h"
#include "patina/learn/adapted.h"
#include "patina/learners/instruction/lora_per_task.h"
#include "patina/learners/instruction/prompts.h"
#include "patina/memory/sample_memory.h"
#include "patina/models/text/text_tower.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"
#include "patina/text/tokenizer.h"

namespace patina {

namespace {

constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kPlace = "{letters}";

}  // namespace

class MrLora : public LoraPerTask {
 public:
  struct Options : LearnerOptions {
    int64_t memory_per_task = 20;
    std::string question = "\nWhich expert answers this: {letters}?\n";
    int64_t router_epochs = 10;
    double router_lr = 1e-4;
    adapt::LoraOptions lora{.rank = 128, .alpha = 256, .parts = "qkv", .output = true, .mlp = true};
    void bind(Fields& f) override {
      f("memory_per_task", memory_per_task,
        "Samples of each task that are kept, drawn when it ends: the router learns from them.",
        at_least(1));
      f("question", question, "What the router is asked behind a prompt; names {letters}.");
      f("router_epochs", router_epochs,
        "Passes over the kept samples of all tasks, after every task but the first.", at_least(1));
      f("router_lr", router_lr, "The router's learning rate.", above(0));
      lora.bind(f);
      f.require(question.find(kPlace) != std::string::npos, "question", "must name {letters}");
    }
  };

  MrLora(Setup setup, const Options& options)
      : LoraPerTask(setup, options.lora), options_(options), samples_(setup.loader()) {
    begin_router(0);
  }

  void begin_task(const Task& task, Trainer& trainer) override {
    if (size_t(task.index) >= kLetters.size())
      fail(ErrorKind::usage,
           "mr_lora names its experts by letters and has {}: this is task {}, so divide the data "
           "into fewer tasks",
           kLetters.size(), task.index + 1);
    LoraPerTask::begin_task(task, trainer);
  }

  void end_task(const Task& task, Trainer& trainer) override {
    kept_.emplace_back();
    for (const size_t i : drawn(size_t(options_.memory_per_task), size_t(task.train->size()),
                                seeds()("memory", uint64_t(task.index))))
      kept_.back().add(task.train->handle(int64_t(i)));
    if (kept_.size() > 1) learn_router(task, trainer);
  }

  // Until then it answers as the pre-trained model.
  void after_step(const Batch&, const Step&) override { learned_ = true; }

  // The LoRA of each prompt's expert, among the tasks that have ended.
  nn::Adaptations adaptations(const Input& input) const override {
    if (!learned_) return {};
    if (kept_.size() < 2) return {first()};
    const Prompts prompts = prompts_of(input);
    NoGrad no_grad;
    auto experts = loras();
    experts.resize(kept_.size());
    const Tensor chosen = letter_scores(asked(prompts.input)).argmax(1, /*keepdim=*/true);
    const Tensor weights =
        at::zeros({chosen.size(0), int64_t(kept_.size())}, chosen.options().dtype(at::kFloat));
    return mixed(experts, prompts, weights.scatter(1, chosen, 1));
  }

  Json diagnostics() const override {
    if (kept_.size() < 2) return {};
    return {{"router_accuracy_on_kept_samples", accuracy_}};
  }

  void state(Archive& a) override {
    LoraPerTask::state(a);
    a("learned", learned_);
    a("router", *router_);
    a("router_accuracy", accuracy_);
    int64_t tasks = int64_t(kept_.size());
    a("ended", tasks);
    kept_.resize(size_t(tasks));
    for (size_t i = 0; i < kept_.size(); ++i) a(fmt::format("kept_{}", i), kept_[i]);
  }

 protected:
  nn::Adaptations while_learning(const Input&) const override { return {lora()}; }

 private:
  void begin_router(int task) {
    Random random = seeds()("router", uint64_t(task));
    router_ = make_lora(options_.lora, backbone().tower(), random);
  }

  // The first task's LoRA, while there is no other that has ended.
  adapt::Lora* first() const { return earlier().empty() ? lora() : earlier().front().get(); }

  // The tokens of the letters of the tasks that have ended: [T].
  Tensor letters() const {
    std::vector<int64_t> ids;
    for (size_t i = 0; i < kept_.size(); ++i)
      ids.push_back(backbone().tokenizer()->encode(kLetters.substr(i, 1)).back());
    if (std::set<int64_t>(ids.begin(), ids.end()).size() < ids.size())
      fail(ErrorKind::model,
           "mr_lora names its experts by letters, and two of the first {} are one token of the "
           "model's tokenizer: take a model that tells letters apart",
           ids.size());
    return tensor_of(ids, backbone().place().device);
  }

  // Prompts [N,P] with the question behind each; one that is too long loses its front.
  Input asked(const Input& prompts) const {
    std::string names;
    for (size_t i = 0; i < kept_.size(); ++i)
      names += (i > 0 ? ", " : "") + std::string(1, kLetters[i]);
    std::string text = options_.question;
    text.replace(text.find(kPlace), kPlace.size(), names);
    const auto question = backbone().tokenizer()->encode(text);
    const int64_t longest = backbone().text_input()->longest;
    const int64_t room = longest - int64_t(question.size());
    if (longest > 0 && room < 1)
      fail(ErrorKind::model,
           "the router's question has {} tokens, and the model takes {}: shorten "
           "learner.question",
           question.size(), longest);
    const Tensor ids = on_host(prompts.data).contiguous(), mask = on_host(prompts.mask);
    std::vector<AnswerTokens> rows;
    for (int64_t row = 0; row < prompts.size(); ++row) {
      const int64_t* first = host_items(ids).data() + row * ids.size(1);
      const int64_t size = mask[row].sum().item<int64_t>();
      const int64_t cut = longest > 0 ? std::max<int64_t>(0, size - room) : 0;
      rows.push_back({.ids = {first + cut, first + size}});
      rows.back().ids.insert(rows.back().ids.end(), question.begin(), question.end());
      rows.back().loss.assign(rows.back().ids.size(), 0);
    }
    Input input = answer_rows(rows, *backbone().tokenizer(), /*packed=*/false);
    input.loss = Tensor();
    return input.on(prompts.data.device());
  }

  // Scores of every word behind the question: [N,V].
  Tensor word_scores(const Input& asked) const {
    const Tensor tokens = backbone().tokens(asked, {router_.get()});  // [N,P,D]
    const Tensor last = pooled_token(Pooling::last, asked).unsqueeze(2);
    const Tensor read = tokens.gather(1, last.expand({-1, -1, tokens.size(2)}));
    return backbone().word_scores(read).squeeze(1);
  }
  Tensor letter_scores(const Input& asked) const {
    return word_scores(asked).index_select(1, letters());
  }

  // From the beginning for every number of tasks: its order among them does not matter.
  void learn_router(const Task& task, Trainer& trainer) {
    begin_router(task.index);
    std::vector<Input> prompts;  // one a sample
    std::vector<int64_t> expert;
    for (size_t i = 0; i < kept_.size(); ++i) {
      const Input all = prompts_of(samples_(kept_[i], seeds()("router_samples", i)).input).input;
      for (int64_t row = 0; row < all.size(); ++row) {
        const int64_t length = all.mask[row].sum().item<int64_t>();
        prompts.push_back({all.data.slice(0, row, row + 1).slice(1, 0, length),
                           all.mask.slice(0, row, row + 1).slice(1, 0, length)});
        expert.push_back(int64_t(i));
      }
    }
    const Tensor letter = letters();
    const auto size = int64_t(prompts.size());
    const auto batch = [&](const std::vector<int64_t>& order, int64_t from) {
      const int64_t end = std::min(size, from + trainer.options().batch_size);
      Input some = prompts[size_t(order[size_t(from)])];
      std::vector<int64_t> target = {expert[size_t(order[size_t(from)])]};
      for (int64_t i = from + 1; i < end; ++i) {
        some = some.joined(prompts[size_t(order[size_t(i)])]);
        target.push_back(expert[size_t(order[size_t(i)])]);
      }
      return std::pair(asked(some), tensor_of(target, letter.device()));
    };
    OptimizerOptions how = trainer.options().optimizer;
    how.lr = options_.router_lr;
    Optimizer optimizer(how, {trainable_group(*router_)});
    std::vector<int64_t> order;
    for (int64_t epoch = 0; epoch < options_.router_epochs; ++epoch) {
      order = seeds()("router_order", uint64_t(task.index)).at(uint64_t(epoch)).permutation(size);
      for (int64_t from = 0; from < size; from += trainer.options().batch_size) {
        const auto [input, target] = batch(order, from);
        optimizer.zero_grad();
        nn::cross_entropy(word_scores(input), letter.index_select(0, target)).backward();
        optimizer.step(how.lr);
      }
    }
    nn::freeze(*router_);
    NoGrad no_grad;
    int64_t right = 0;
    for (int64_t from = 0; from < size; from += trainer.options().batch_size) {
      const auto [input, target] = batch(order, from);
      right += letter_scores(input).argmax(1).eq(target).sum().item<int64_t>();
    }
    accuracy_ = double(right) / double(size);
  }

  Options options_;
  const SampleLoader& samples_;
  std::unique_ptr<adapt::Lora> router_;
  bool learned_ = false;  // a step
  double accuracy_ = 0;
  std::vector<SampleHandles> kept_;  // of each task that has ended
};

LearnerRow mr_lora_learner() {
  return learner_row<MrLora>(
      {.paper = "arXiv 2506.05453, 2025",
       .about = "Learns every task's LoRA from the pre-trained model alone; the model with one "
                "more LoRA names the one that answers a prompt.",
       .stores = "A LoRA a task, the router's, and some samples of every task.",
       .differs = "The letters are scored by one forward pass, and the likeliest is taken, instead "
                  "of writing an answer. The router's LoRA begins at the pre-trained model; the "
                  "authors' begins as a merge of all, with a smaller learning rate.",
       .needs = {.boundaries = true, .many_passes = true},
       .keeps_samples = true,
       .network = Network::decoder,
       .training = {.epochs = 1,
                    .batch_size = 16,
                    .optimizer = {.optimizer = "adamw", .lr = 2e-4, .schedule = "cosine"}}});
}

}  // namespace patina
