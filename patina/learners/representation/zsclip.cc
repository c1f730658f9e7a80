// Zero-shot CLIP (Radford et al., ICML 2021, section 3.1.4): each class is the mean embedding of
// sentences that contain its name; an image belongs to the class with the largest cosine. Learns
// from no sample: the baseline for vision-language learners.
#include <map>
#include <mutex>

#include "patina/algebra/prototypes.h"
#include "patina/base/error.h"
#include "patina/data/class_names.h"
#include "patina/data/feed.h"
#include "patina/learn/learner.h"
#include "patina/nn/heads.h"
#include "patina/ops.h"
#include "patina/text/tokenizer.h"

namespace patina {

class ZeroShotClip : public ClosedFormLearner {
 public:
  struct Options : LearnerOptions {
    std::vector<std::string> templates = {"a photo of a {}."};
    std::string templates_file, templates_set;
    void bind(Fields& f) override {
      f("templates", templates, "Sentences around a class name, which replaces {}.");
      f("templates_file", templates_file,
        "A JSON file of templates instead: a list, or sets by name, each with its `templates`.");
      f("templates_set", templates_set, "The set of that file, for example \"cifar100\".");
      f.require(templates_set.empty() || !templates_file.empty(), "templates_set",
                "needs templates_file");
      f.require(std::all_of(templates.begin(), templates.end(),
                            [](const auto& t) { return t.find("{}") != std::string::npos; }),
                "templates", "each needs {} where the class name goes");
    }
  };

  ZeroShotClip(Setup setup, const Options& options)
      : clip_(setup.backbone), templates_(options.templates) {
    if (!options.templates_file.empty())
      templates_ = read_templates(options.templates_file, options.templates_set);
  }

  void fit(const Task& task, Trainer&) override {
    const Tensor fresh = embedded(task.names);
    classes_ = classes_.defined() ? at::cat({classes_, fresh}) : fresh;
  }

  Tensor scores(const Question& asked) const override { return similarity(asked, classes_); }

  Classifier by_name(const std::vector<std::string>& names) const override {
    return [this, classes = embedded(names)](const Question& asked) {
      return similarity(asked, classes);
    };
  }

  // A class is known by its name alone.
  void forget(int64_t target) override { classes_ = without_row(classes_, target); }

  void state(Archive& a) override { a("classes", classes_); }

 private:
  Tensor similarity(const Question& asked, const Tensor& classes) const {  // [B,K]
    NoGrad no_grad;
    return clip_.similarity(clip_.features(asked.input), classes);
  }

  // Normalises each sentence's embedding, then their mean. Each name is embedded once. [K,E]
  Tensor embedded(const std::vector<std::string>& names) const {
    NoGrad no_grad;
    const std::lock_guard lock(mutex_);
    std::vector<Tensor> rows;
    for (const std::string& name : names) {
      Tensor& row = known_[name];
      if (!row.defined()) {
        const Tensor sentences = clip_.features(sentences_of(name));
        row = normalized(normalized(sentences).mean(0, /*keepdim=*/true));
      }
      rows.push_back(row);
    }
    return at::cat(rows);
  }

  // Data sets use identifiers as names: "aquarium_fish".
  Input sentences_of(std::string name) const {
    std::replace(name.begin(), name.end(), '_', ' ');
    std::vector<Encoding> encoded;
    for (std::string sentence : templates_) {
      sentence.replace(sentence.find("{}"), 2, name);
      encoded.push_back(
          clip_.tokenizer()->encode_framed(sentence, {}, clip_.text_input()->longest));
    }
    return padded(encoded, *clip_.tokenizer()).on(clip_.place().device);
  }

  const Backbone& clip_;
  std::vector<std::string> templates_;
  Tensor classes_;  // [K,E]
  mutable std::mutex mutex_;
  mutable std::map<std::string, Tensor> known_;  // embeddings by name, [1,E]
};

LearnerRow zsclip_learner() {
  return learner_row<ZeroShotClip>(
      {.paper = "Radford et al., ICML 2021",
       .about = "Classifies by the cosine to each class name's "
                "sentences under CLIP; nothing is learned.",
       .stores = "An embedding a class.",
       .needs = {.boundaries = true, .many_passes = true, .new_classes = true},
       .network = Network::clip});
}

}  // namespace patina
