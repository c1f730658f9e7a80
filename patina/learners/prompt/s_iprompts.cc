// S-iPrompts (Wang, Huang and Hong, "S-Prompts Learning with Pre-trained Transformers: An Occam's
// Razor for Domain Incremental Learning", NeurIPS 2022), for a network of images alone: every
// domain has prompts and a head of its own, trained alone; centres of its features under the frozen
// network tell at test time which domain an image is from.
#include <limits>

#include "patina/config/sizes.h"
#include "patina/learn/adapted.h"
#include "patina/learn/network_learner.h"
#include "patina/learners/prompt/domain_centres.h"
#include "patina/nn/heads.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

class SiPrompts : public Learner {
 public:
  struct Options : LearnerOptions {
    int64_t length = 10;
    int64_t centres = 5;
    void bind(Fields& f) override {
      f("length", length, "Learned tokens of an image.", sized(1));
      f("centres", centres, "Centres of k-means that stand for a domain.", sized(1));
    }
  };

  SiPrompts(Setup setup, const Options& options)
      : backbone_(setup.backbone), seeds_(setup.seeds), options_(options) {}

  void begin_task(const Task& task, Trainer&) override {
    for (auto& domain : domains_) domain.freeze();
    seen_ = int64_t(task.seen.size());
    first_.push_back(task.classes.front());
    classes_.push_back(seen_ - first_.back());
    add_domain();
  }

  // Among the domain's own classes.
  Tensor loss(const Batch& batch, const Step&) override {
    return nn::cross_entropy(own_scores(domains_.size() - 1, batch.input),
                             batch.target - first_.back());
  }

  void end_task(const Task& task, Trainer& trainer) override {
    centres_.add(trainer.features(backbone_, *task.train).features, options_.centres,
                 seeds_("centres", uint64_t(task.index)));
  }

  // -inf for the classes that the image's domain does not have. A told task is the domain. Before a
  // domain was learned, as the first begins.
  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    const Tensor domain =
        asked.task.defined() ? asked.task : centres_.domain_of(backbone_.features(asked.input));
    return by_task({asked.input, domain}, [&](int64_t d, const Input& images) {
      const Tensor own = own_scores(size_t(d), images);
      const Tensor all =
          at::full({own.size(0), seen_}, -std::numeric_limits<double>::infinity(), own.options());
      all.slice(1, first_[size_t(d)], first_[size_t(d)] + own.size(1)).copy_(own);
      return all;
    });
  }

  bool answers_untrained() const override { return true; }

  std::vector<ParamGroup> trainable() override {
    return {trainable_group(*domains_.back().prompt, domains_.back().head)};
  }

  void state(Archive& a) override {
    a("first", first_);
    a("classes", classes_);
    a("seen", seen_);
    while (domains_.size() < classes_.size()) add_domain();
    for (size_t i = 0; i < domains_.size(); ++i) {
      a("prompt_" + std::to_string(i), *domains_[i].prompt);
      a("head_" + std::to_string(i), domains_[i].head);
      if (i + 1 < domains_.size()) domains_[i].freeze();
    }
    a("centres", centres_);
  }

 private:
  struct Domain {
    std::unique_ptr<adapt::Prompt> prompt;
    nn::LinearHead head;
    void freeze() {
      nn::freeze(*prompt);
      nn::freeze(head);
    }
  };

  void add_domain() {
    const auto index = uint64_t(domains_.size());
    Random prompt = seeds_("prompt", index), head = seeds_("head", index);
    domains_.push_back(
        {make_prompt({.tokens = options_.length, .deep = false}, backbone_.tower(), prompt)});
    domains_.back().head.grow(classes_[size_t(index)], backbone_.width(), head, backbone_.place());
  }

  Tensor own_scores(size_t domain, const Input& images) const {
    return domains_[domain].head(backbone_.features(images, {domains_[domain].prompt.get()}));
  }

  Backbone& backbone_;
  Seeds seeds_;
  Options options_;
  std::vector<Domain> domains_;           // of each task so far
  std::vector<int64_t> first_, classes_;  // each domain's first class, and how many from there
  int64_t seen_ = 0;
  DomainCentres centres_;  // of each learned domain
};

LearnerRow s_iprompts_learner() {
  return learner_row<SiPrompts>(
      {.paper = "Wang et al., NeurIPS 2022",
       .about = "Prompts and a head for every domain, of which an image takes those of the domain "
                "whose centres are nearest to its feature.",
       .stores = "Prompts, a head and five centres a domain.",
       .differs = "In a stream of new classes a task is a domain, and an image is given a class of "
                  "its domain; the paper's domains have the same classes.",
       .needs = {.task_id_at_train = true, .boundaries = true, .many_passes = true},
       .training = {
           .epochs = 20, .batch_size = 128, .optimizer = {.lr = 0.01, .weight_decay = 2e-4}}});
}

}  // namespace patina
