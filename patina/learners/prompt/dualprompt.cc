// DualPrompt (Wang et al., ECCV 2022): two kinds of prefixes. General ones, in early blocks, are
// shared by all tasks; expert ones, in later blocks, belong to a task. Training uses the task's own
// expert and pulls its key towards the task's queries; at test time a sample uses the expert whose
// key is nearest to its query.
#include "patina/adapt/per_sample.h"
#include "patina/config/sizes.h"
#include "patina/learners/prompt/prompt_learner.h"
#include "patina/ops.h"

namespace patina {

class DualPrompt : public PromptLearner {
 public:
  struct Options : LearnerOptions {
    int64_t general_length = 5, expert_length = 5;
    std::vector<int64_t> general_layers = {0, 1}, expert_layers = {2, 3, 4};
    double pull = 1;
    std::string compat = "paper";
    void bind(Fields& f) override {
      f("general_length", general_length,
        "Number of keys, and of values, that all tasks share in a block.", sized(1));
      f("expert_length", expert_length, "Number of keys, and of values, of each task in a block.",
        sized(1));
      f("general_layers", general_layers,
        "Blocks with shared prefixes; the network need not have all.", at_least(0));
      f("expert_layers", expert_layers,
        "Blocks with a task's prefixes; the network need not have all.", at_least(0));
      f("pull", pull, "Weight of the similarity of queries with their task's key.", at_least(0));
      f("compat", compat,
        "\"pilot\": at test the whole batch takes the expert it chose most often, keys and values "
        "are mixed up among the batch's samples, and all begin in U(-1, 1), as in LAMDA-PILOT.",
        {"paper", "pilot"});
    }
  };

  DualPrompt(Setup setup, const Options& options)
      : PromptLearner(setup, setup.backbone.width(), Heads::zero),
        options_(options),
        layers_(blocks_within(backbone(), options.expert_layers)) {
    Random random = seeds()("general");
    general_ = make_prefix({.length = options.general_length,
                            .layers = blocks_within(backbone(), options.general_layers),
                            .low = options.compat == "pilot" ? -1.0 : 0.0,
                            .high = options.compat == "pilot" ? 1.0 : 0.01},
                           backbone().tower(), random);
  }

  void state(Archive& a) override {
    PromptLearner::state(a);
    a("general", *general_);
    a("experts", experts_);
    a("keys", keys_);
  }

 private:
  // A task's expert is initialised with the previous task's.
  void add_prompts(const Task& task) override {
    Random random = seeds()("expert", uint64_t(task.index));
    const auto drawn = [&](const Shape& shape) {
      Tensor t = at::empty(shape, backbone().place().options());
      draw_prompts(t, random, options_.compat == "pilot");
      return t;
    };
    keys_.add(drawn({1, backbone().width()}));
    experts_.add(experts_.tasks() > 0
                     ? experts_.newest().detach().clone()
                     : drawn({1, int64_t(layers_.size()), 2, options_.expert_length,
                              backbone().block().key_width()}));
  }

  // Training on task t uses expert t; loss: CE - λ mean_b cos(q(x_b), K_t).
  Prompted prompted(const Input& input, bool training) const override {
    const Tensor similarity = cosine_scores(query(input), keys_.all());
    const bool pilot = options_.compat == "pilot";
    Tensor chosen = training ? at::full({input.size(), 1}, keys_.tasks() - 1,
                                        similarity.options().dtype(at::kLong))
                             : nearest(similarity, 1);
    if (pilot) chosen = majority(chosen, keys_.tasks());
    if (!training) usage_.add(chosen, keys_.tasks());
    const Tensor experts = picked(experts_.all(), chosen).squeeze(1);  // [B,L,2,length,Hk d]
    adapt::SamplePrefix expert;
    for (size_t i = 0; i < layers_.size(); ++i) {
      Tensor pairs = experts.select(1, int64_t(i));
      // LAMDA-PILOT reinterprets [2,B,...] as [B,2,...]: half of the batch attends to keys twice,
      // the other half to values twice.
      if (pilot) pairs = pairs.transpose(0, 1).reshape(pairs.sizes());
      expert.set(layers_[i], pairs.select(1, 0), pairs.select(1, 1));
    }
    return {backbone().features(input, {general_.get(), &expert}),
            -options_.pull * pull(similarity, chosen)};
  }

  std::vector<Tensor> prompts() override {
    auto all = trainable_group(*general_).tensors;
    all.insert(all.end(), {experts_.newest(), keys_.newest()});
    return all;
  }

  Options options_;
  std::vector<int64_t> layers_;  // L blocks with experts
  std::unique_ptr<adapt::Prefix> general_;
  TaskRows experts_;  // of task t: [1,L,2,length,Hk d], keys and values
  TaskRows keys_;     // of task t: [1,D]
};

LearnerRow dualprompt_learner() {
  // The authors' rate is 0.03 for a batch of 256, scaled with the batch size; theirs is 24 on each
  // of eight devices.
  return learner_row<DualPrompt>(
      {.paper = "Wang et al., ECCV 2022",
       .about = "Prefixes shared by all tasks in early blocks, a task's own in later ones, found "
                "by its key.",
       .stores = "The shared prefixes; an expert, its key and a head a task.",
       .differs =
           "Every sample takes the expert of its own nearest key. `compat = \"pilot\"` lets "
           "the batch vote, and reads keys where values stand for half of its samples, as "
           "LAMDA-PILOT and the PyTorch port do by a reshape. All begin in U(0, 0.01), as in "
           "the authors' own code; with `pilot` in U(-1, 1), as there.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .training = {
           .epochs = 5,
           .batch_size = 192,
           .optimizer = {
               .optimizer = "adam", .lr = 0.0225, .schedule = "constant", .clip_norm = 1}}});
}

}  // namespace patina
