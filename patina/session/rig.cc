#include "patina/session/rig.h"

#include "patina/base/error.h"
#include "patina/session/feed.h"

namespace patina {

void check_fits(const LearnerRow& row, const Backbone& backbone) {
  if (const auto lack = row.network.lack(backbone))
    fail(ErrorKind::recipe, "{} {}", row.name, *lack);
}

namespace {

// Whether the answers of the data are what a method learns.
void check_answers(const LearnerRow& row, const Source& data, const TrainingOptions& training) {
  const bool classes = data.answer_kind() == AnswerKind::label;
  if (row.generates && classes)
    fail(ErrorKind::recipe,
         "{} learns to answer with texts, and the data's answers are classes: choose data.name = "
         "\"instructions\" or \"passages\", or set data.verbalized for labelled texts",
         row.name);
  if (!row.generates && !classes)
    fail(ErrorKind::recipe,
         "{} chooses among classes, and the data have none: choose a learner that answers with "
         "text, such as sft",
         row.name);
  if (!row.generates && (training.accumulate > 1 || training.pack))
    fail(ErrorKind::recipe, "training.{} is for methods that answer with text, and {} does not",
         training.pack ? "pack" : "accumulate", row.name);
}

const RigOptions& checked(const RigOptions& options, const Backbone& backbone, const Source& data) {
  const auto lack = missing(options.row->needs, options.grant);
  if (lack && !options.ungranted)
    fail(ErrorKind::scenario, "{} cannot learn here: it needs {}", options.row->name, *lack);
  check_fits(*options.row, backbone);
  check_answers(*options.row, data, options.training);
  return options;
}

std::unique_ptr<Feed> feed_of(const Backbone& backbone, const Source& source,
                              const RigOptions& options, bool training,
                              std::shared_ptr<ImageCache> images) {
  if (options.row->generates)
    return make_answer_feed(
        backbone, options.text,
        training && options.training.pack ? AnswerRows::packed : AnswerRows::whole);
  return make_feed(backbone, source, training ? options.train_transform : options.test_transform,
                   options.text, training ? "train_transform" : "test_transform",
                   std::move(images));
}

std::shared_ptr<ImageCache> cache_of(const RigOptions& options) {
  return options.images ? options.images : std::make_shared<ImageCache>(0);
}

}  // namespace

Rig::Rig(Backbone& backbone, const Source& train, const Source& test, const RigOptions& options)
    : grant_(checked(options, backbone, train).grant),
      place_(backbone.place()),
      train_feed_(feed_of(backbone, train, options, /*training=*/true, cache_of(options))),
      test_feed_(feed_of(backbone, test, options, /*training=*/false, cache_of(options))),
      pool_(options.data_threads),
      samples_(train, *train_feed_, pool_),
      learner_(
          options.row->make({backbone, options.seeds, options.grant, &samples_}, *options.learner)),
      trainer_(std::make_unique<Trainer>(options.training, *train_feed_, *test_feed_, pool_,
                                         options.seeds, options.between_steps, options.workers)) {}

void Rig::learner_state(Archive& a) {
  const Archive::MadeOn there(a, place_.device);
  a("learner", *learner_);
}

void Rig::learn(const Task& task) {
  trainer_->learn(*learner_, task, grant_);
  learner_->before_scores(*trainer_);
}

}  // namespace patina
