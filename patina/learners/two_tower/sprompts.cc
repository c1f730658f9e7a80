// S-liPrompts (Wang, Huang and Hong, "S-Prompts Learning with Pre-trained Transformers: An Occam's
// Razor for Domain Incremental Learning", NeurIPS 2022): every domain has prompts of its own in
// both towers, trained alone; centres of its features under the frozen network tell at test time
// which domain an image is from. CLIP stays frozen, and no domain changes another's prompts.
#include <algorithm>
#include <limits>

#include "patina/config/sizes.h"
#include "patina/learn/adapted.h"
#include "patina/learn/network_learner.h"
#include "patina/learners/prompt/domain_centres.h"
#include "patina/learners/two_tower/two_tower_learner.h"
#include "patina/ops.h"

namespace patina {

class SPrompts : public TwoTowerLearner {
 public:
  struct Options : LearnerOptions {
    int64_t length = 10;
    int64_t context = 16;
    int64_t centres = 5;
    void bind(Fields& f) override {
      f("length", length, "Learned tokens of an image.", sized(1));
      f("context", context, "Learned vectors in front of a class name.", sized(1));
      f("centres", centres, "Centres of k-means that stand for a domain.", sized(1));
    }
  };

  SPrompts(Setup setup, const Options& options)
      : TwoTowerLearner(setup, {.templates = {"{}."}},
                        {.frozen_texts = false, .room = options.context}),
        options_(options),
        plain_(clip(), {}) {}

  void begin_task(const Task& task, Trainer& trainer) override {
    TwoTowerLearner::begin_task(task, trainer);
    for (auto& domain : domains_) {
      nn::freeze(*domain.image);
      nn::freeze(*domain.text);
    }
    first_.push_back(first());
    end_.push_back(int64_t(names().size()));
    add_domain();
  }

  void end_task(const Task& task, Trainer& trainer) override {
    centres_.add(trainer.features(clip(), *task.train).features, options_.centres,
                 seeds()("centres", uint64_t(task.index)));
    changed();
  }

  std::vector<ParamGroup> trainable() override {
    return {trainable_group(*domains_.back().image, *domains_.back().text)};
  }

  void state(Archive& a) override {
    TwoTowerLearner::state(a);
    a("first_classes", first_);
    a("end_classes", end_);
    auto domains = int64_t(domains_.size());
    a("domains", domains);
    while (int64_t(domains_.size()) < domains) add_domain();
    for (size_t i = 0; i < domains_.size(); ++i) {
      a("image_" + std::to_string(i), *domains_[i].image);
      a("text_" + std::to_string(i), *domains_[i].text);
      if (i + 1 == domains_.size()) continue;
      nn::freeze(*domains_[i].image);
      nn::freeze(*domains_[i].text);
    }
    a("centres", centres_);
  }

 private:
  struct Domain {
    std::unique_ptr<adapt::Prompt> image;
    std::unique_ptr<adapt::Context> text;
  };

  void add_domain() {
    const auto index = uint64_t(domains_.size());
    Random image = seeds()("image_prompt", index), text = seeds()("context", index);
    domains_.push_back({make_prompt({.tokens = options_.length, .deep = false},
                                    tower_of(clip(), nn::Tower::image), image),
                        make_context(options_.context, clip(), text)});
  }

  // While a domain is learned, its own prompts.
  Tensor image_features(const Input& images) const override {
    return clip().features(images, {domains_.back().image.get()});
  }
  Tensor text_features(const std::vector<std::string>& names) const override {
    return texts().encoded(names, {domains_.back().text.get()});
  }

  // Whether each of some names competes in a domain: its own classes do, and names of no class
  // seen.
  Tensor own_of(size_t domain, const std::vector<std::string>& asked) const {
    const auto from = names().begin() + first_[domain], to = names().begin() + end_[domain];
    std::vector<int64_t> own;
    for (size_t i = 0; i < asked.size(); ++i)
      own.push_back(asked == names() ? int64_t(i) >= first_[domain] && int64_t(i) < end_[domain]
                                     : std::find(from, to, asked[i]) != to ||
                                           !std::ranges::count(names(), asked[i]));
    return tensor_of(own, clip().place().device) == 1;
  }

  // Before a domain was learned the frozen network classifies. A told task is the domain.
  Classifier classifier(const std::vector<std::string>& names) const override {
    if (centres_.domains() == 0) return frozen_classifier(plain_.frozen(names));
    std::vector<Tensor> classes, own;  // of each domain
    for (size_t i = 0; int64_t(i) < centres_.domains(); ++i) {
      classes.push_back(texts().encoded(names, {domains_[i].text.get()}));
      own.push_back(own_of(i, names));
    }
    return [this, classes, own](const Question& asked) {
      Tensor domain = centres_.domain_of(clip().features(asked.input));
      if (asked.task.defined())
        domain = at::where(asked.task < centres_.domains(), asked.task, domain);
      return by_task({asked.input, domain}, [&](int64_t d, const Input& images) {
        const Tensor scores = clip().similarity(
            clip().features(images, {domains_[size_t(d)].image.get()}), classes[size_t(d)]);
        return scores.masked_fill(~own[size_t(d)], -std::numeric_limits<double>::infinity());
      });
    };
  }

  Options options_;
  ClassTexts plain_;                  // CLIP's own sentence
  std::vector<Domain> domains_;       // of each task so far
  std::vector<int64_t> first_, end_;  // each domain's classes
  DomainCentres centres_;             // of each learned domain
};

LearnerRow sprompts_learner() {
  return learner_row<SPrompts>(
      {.paper = "Wang et al., NeurIPS 2022",
       .about = "Prompts of both towers for every domain, of which an image takes those of the "
                "domain whose centres are nearest to its feature.",
       .stores = "Prompts and five centres a domain, and the classes' names.",
       .differs = "In a stream of new classes a task is a domain, and an image is given a class of "
                  "its domain; the paper's domains have the same classes.",
       .needs = {.task_id_at_train = true, .boundaries = true, .many_passes = true},
       .network = Network::clip,
       .training = {
           .epochs = 20, .batch_size = 128, .optimizer = {.lr = 0.01, .weight_decay = 2e-4}}});
}

}  // namespace patina
