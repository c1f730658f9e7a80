// Zero-shot CLIP (Radford et al., ICML 2021, section 3.1.4): each class is the mean embedding of
// sentences that contain its name; an image belongs to the class with the largest cosine. Learns
// from no sample: the baseline for vision-language learners.
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

  // Normalises each sentence's embedding, then their mean.
  void fit(const Task& task, Trainer&) override {
    NoGrad no_grad;
    std::vector<Tensor> rows;
    if (classes_.defined()) rows.push_back(classes_);
    for (const std::string& name : task.names) {
      const Tensor sentences = clip_.features(sentences_of(name));
      rows.push_back(normalized(normalized(sentences).mean(0, /*keepdim=*/true)));
    }
    classes_ = at::cat(rows);
  }

  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    return clip_.similarity(clip_.features(asked.input), classes_);
  }

  void state(Archive& a) override { a("classes", classes_); }

 private:
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
