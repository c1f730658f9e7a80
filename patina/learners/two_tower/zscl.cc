// ZSCL (Zheng et al., "Preventing Zero-Shot Transfer Degradation in Continual Learning of
// Vision-Language Models", ICCV 2023): CLIP is fine-tuned as a whole, and repeats what it said at
// first about reference images and captions; its weights are held near those before the task, and
// the mean of the weights along the way is the network that remains.
#include <algorithm>

#include "patina/base/error.h"
#include "patina/data/feed.h"
#include "patina/data/formats/lines.h"
#include "patina/data/image_folder.h"
#include "patina/learn/adapted.h"
#include "patina/learners/two_tower/two_tower_learner.h"
#include "patina/nn/losses.h"
#include "patina/nn/merging.h"
#include "patina/ops.h"
#include "patina/text/tokenizer.h"

namespace patina {

namespace {

constexpr int64_t kAtOnce = 64;  // reference samples in a pass of the first network

// Image files without labels.
class Pictures : public Source {
 public:
  explicit Pictures(std::vector<fs::path> paths) : paths_(std::move(paths)) {}
  int64_t size() const override { return int64_t(paths_.size()); }
  int64_t label(int64_t) const override { return 0; }
  Image image(int64_t i) const override { return read_image(paths_[size_t(i)]); }
  std::string origin(int64_t i) const override { return paths_[size_t(i)].string(); }
  const std::vector<std::string>& classes() const override {
    static const std::vector<std::string> one = {"reference"};
    return one;
  }

 private:
  std::vector<fs::path> paths_;
};

// What the student repeats: images and texts with no relation to the tasks, and what the first
// network made of them, computed once.
class Reference {
 public:
  /// `path`: a folder, and the images in it and in folders inside it.
  void read_images(const std::string& path, const Backbone& first) {
    UnreadImages unread;
    pictures_ = std::make_unique<Pictures>(images_below(path, unread));
    unread.tell(path);
    const auto wanted = first.image_input();
    feed_ = std::make_unique<ImageFeed>(
        TransformOptions{.size = wanted->size, .normalize = wanted->normalize});
    std::vector<Tensor> rows;
    for (int64_t from = 0; from < pictures_->size(); from += kAtOnce) {
      std::vector<int64_t> chosen;
      for (int64_t i = from; i < std::min(from + kAtOnce, pictures_->size()); ++i)
        chosen.push_back(i);
      rows.push_back(first.features(images(chosen, first.place())));
    }
    image_features_ = at::cat(rows);
  }

  /// `path`: a file with a caption a line.
  void read_captions(const std::string& path, const Backbone& first, const Tokenizer& tokenizer) {
    const std::string text = read_file_text(path, kMostBytes);
    std::vector<Encoding> lines;
    each_line(checked_utf8(text, path), path, [&](std::string_view line, int64_t) {
      if (!is_blank(line))
        lines.push_back(tokenizer.encode_framed(line, {}, first.text_input()->longest));
    });
    if (lines.empty()) fail(ErrorKind::data, "{}: has no caption: one a line is expected", path);
    std::vector<Tensor> rows;
    for (size_t from = 0; from < lines.size(); from += kAtOnce) {
      const auto some =
          std::span(lines).subspan(from).first(std::min(size_t(kAtOnce), lines.size() - from));
      rows.push_back(first.features(padded(some, tokenizer).on(first.place().device)));
    }
    text_features_ = at::cat(rows);
  }

  bool has_images() const { return pictures_ != nullptr; }
  bool has_captions() const { return text_features_.defined(); }
  int64_t size() const { return pictures_->size(); }
  Input images(const std::vector<int64_t>& chosen, const Place& place) const {
    const auto making = feed_->begin(*pictures_, int64_t(chosen.size()));
    for (size_t i = 0; i < chosen.size(); ++i) making->prepare(int64_t(i), chosen[i], Random());
    return making->join().on(place.device);
  }
  Tensor image_features(const std::vector<int64_t>& chosen) const {
    return image_features_.index_select(0, tensor_of(chosen, image_features_.device()));
  }
  const Tensor& text_features() const { return text_features_; }  // [M,E]

 private:
  std::unique_ptr<Pictures> pictures_;
  std::unique_ptr<ImageFeed> feed_;
  Tensor image_features_, text_features_;  // of the first network
};

}  // namespace

class Zscl : public TwoTowerLearner {
 public:
  struct Options : LearnerOptions, ClassTextOptions {
    std::string images, captions;
    int64_t reference_batch = 64;
    double image_weight = 1, text_weight = 1, temperature = 2;
    double anchor = 1;
    double smoothing = 0.2;
    int64_t merge_every = 100;
    std::string compete = "task";
    void bind(Fields& f) override {
      ClassTextOptions::bind(f);
      f("images", images,
        "A folder of reference images, for training; empty: the task's own images.");
      f("captions", captions,
        "A file of reference texts, one a line, for training; empty: the texts of the competing "
        "classes.");
      f("reference_batch", reference_batch, "Reference images of a step.", at_least(1));
      f("image_weight", image_weight,
        "Weight of what each image is repeated to be among the texts.", at_least(0));
      f("text_weight", text_weight, "Weight of what each text is repeated to be among the images.",
        at_least(0));
      f("temperature", temperature, "T of both.", above(0));
      f("anchor", anchor, "Weight of the squared distance from the weights before the task.",
        at_least(0));
      f("smoothing", smoothing, "Part of a target that is spread over all classes.",
        {.low = 0, .high = 1, .high_open = true});
      f("merge_every", merge_every,
        "Steps between the weights that are averaged; 0: the last ones remain. With the other "
        "weights 0 as well, that is plain fine-tuning of both towers.",
        at_least(0));
      bind_compete(f, compete);
    }
  };

  Zscl(Setup setup, const Options& options)
      : TwoTowerLearner(setup, options, {.frozen_texts = false, .compete = options.compete}),
        options_(options),
        first_network_(clip().clone()) {
    nn::freeze(clip(), false);
    // The scale of the similarities, CLIP's only scalar, stays as it was pre-trained.
    for (auto& item : nn::tensors(clip()))
      if (item.tensor.dim() == 0) item.tensor.requires_grad_(false);
  }

  void begin_task(const Task& task, Trainer& trainer) override {
    TwoTowerLearner::begin_task(task, trainer);
    before_ = copied(clip());
    average_ = copied(clip());
    merged_ = 0;
  }

  Tensor loss(const Batch& batch, const Step& step) override {
    const Tensor f = clip().features(batch.input), classes = texts().encoded(competing());
    Tensor loss = nn::cross_entropy(clip().similarity(f, classes), batch.target - first(),
                                    options_.smoothing);
    if (options_.image_weight > 0 || options_.text_weight > 0)
      loss = loss + repeated(batch, f, step);
    if (options_.anchor > 0) loss = loss + distance() * options_.anchor;
    return loss;
  }

  // θ̄ <- (n θ̄ + θ) / (n + 1), from n = 1, where θ̄ is the network before the task.
  void after_step(const Batch& batch, const Step& step) override {
    TwoTowerLearner::after_step(batch, step);
    if (options_.merge_every == 0 || step.before() % options_.merge_every != 0) return;
    ++merged_;
    average_ = mixed(average_, weights_of(clip()), 1 / double(merged_ + 1));
  }

  void end_task(const Task& task, Trainer& trainer) override {
    if (options_.merge_every > 0) assign(nn::tensors(clip()), average_);
    before_.clear();
    average_.clear();
    TwoTowerLearner::end_task(task, trainer);
  }

  std::vector<ParamGroup> trainable() override { return {trainable_group(clip())}; }

  void state(Archive& a) override {
    TwoTowerLearner::state(a);
    a("backbone", clip());
    a("before", before_);
    a("average", average_);
    a("merged", merged_);
  }

 private:
  Tensor text_features(const std::vector<std::string>& names) const override {
    return texts().encoded(names);
  }

  // S0 = τ f0(X) g0(C)ᵀ and S = τ f(X) g0(C)ᵀ: the texts' features stay those of the first network.
  // T² CE(softmax(S0/T), S/T) over the texts of each image, and over the images of each text.
  Tensor repeated(const Batch& batch, const Tensor& f, const Step& step) {
    read_reference();
    Tensor taught, student = f, texts;
    {
      NoGrad no_grad;
      texts = reference_.has_captions()
                  ? reference_.text_features()
                  : first_network_->features(this->texts().sentences(competing()));
      if (!reference_.has_images()) taught = first_network_->features(batch.input);
    }
    if (reference_.has_images()) {
      Random random = seeds()("reference", step.number());
      auto chosen = random.permutation(reference_.size());
      chosen.resize(size_t(std::min(reference_.size(), step.share(options_.reference_batch))));
      taught = reference_.image_features(chosen);
      student = clip().features(reference_.images(chosen, clip().place()));
    }
    const double t = options_.temperature;
    const Tensor wanted = clip().similarity(taught, texts).detach() / t;
    const Tensor said = clip().similarity(student, texts) / t;
    const Tensor of_images = nn::soft_cross_entropy(said, at::softmax(wanted, 1));
    const Tensor of_texts = nn::soft_cross_entropy(said.t(), at::softmax(wanted.t(), 1));
    return (of_images * options_.image_weight + of_texts * options_.text_weight) * (t * t);
  }

  // Σ (θ - θ_before)²
  Tensor distance() const {
    const auto now = nn::tensors(clip());
    Tensor sum;
    for (size_t i = 0; i < now.size(); ++i) {
      if (!now[i].tensor.requires_grad()) continue;
      const Tensor own = (now[i].tensor - before_[i]).square().sum();
      sum = sum.defined() ? sum + own : own;
    }
    return sum;
  }

  // When it is first needed, so that what was learned is used without the files.
  void read_reference() {
    NoGrad no_grad;
    if (!options_.images.empty() && !reference_.has_images())
      reference_.read_images(options_.images, *first_network_);
    if (!options_.captions.empty() && !reference_.has_captions())
      reference_.read_captions(options_.captions, *first_network_, *clip().tokenizer());
  }

  Options options_;
  std::unique_ptr<Backbone> first_network_;  // the pre-trained one
  Reference reference_;
  Weights before_, average_;  // within a task
  int64_t merged_ = 0;        // weights in the average, besides those before the task
};

LearnerRow zscl_learner() {
  return learner_row<Zscl>(
      {.paper = "Zheng et al., ICCV 2023",
       .about = "Fine-tunes both towers while they repeat the first network's scores of reference "
                "images and texts; averages weights along the way.",
       .stores = "The network, which changes, and the classes' names; within a task two copies.",
       .differs =
           "Captions and reference images pass through the first network once; the authors' "
           "code encodes all captions anew at every step. Without reference data the task's "
           "own images and class texts are repeated. A task takes the recipe's epochs, where "
           "the paper has a thousand steps for each: 13 epochs of 5000 images.",
       .needs = {.task_id_at_train = true, .boundaries = true, .many_passes = true},
       .network = Network::clip,
       .training = {.epochs = 13,
                    .batch_size = 64,
                    .optimizer = {.optimizer = "adamw", .lr = 1e-5, .warmup_epochs = 1.3}}});
}

}  // namespace patina
