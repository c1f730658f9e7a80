#include "patina/session/rig.h"

#include "patina/base/error.h"
#include "patina/session/feed.h"

namespace patina {

void check_fits(const LearnerRow& row, const Backbone& backbone) {
  if (const auto lack = row.network.lack(backbone))
    fail(ErrorKind::recipe, "{} {}", row.name, *lack);
}

namespace {

const RigOptions& checked(const RigOptions& options, const Backbone& backbone) {
  const auto lack = missing(options.row->needs, options.grant);
  if (lack && !options.ungranted)
    fail(ErrorKind::scenario, "{} cannot learn here: it needs {}", options.row->name, *lack);
  check_fits(*options.row, backbone);
  return options;
}

std::shared_ptr<ImageCache> cache_of(const RigOptions& options) {
  return options.images ? options.images : std::make_shared<ImageCache>(0);
}

}  // namespace

Rig::Rig(Backbone& backbone, const Source& train, const Source& test, const RigOptions& options)
    : grant_(checked(options, backbone).grant),
      place_(backbone.place()),
      train_feed_(make_feed(backbone, train, options.train_transform, options.text,
                            "train_transform", cache_of(options))),
      test_feed_(make_feed(backbone, test, options.test_transform, options.text, "test_transform",
                           cache_of(options))),
      pool_(options.data_threads),
      samples_(train, *train_feed_, pool_),
      learner_(
          options.row->make({backbone, options.seeds, options.grant, &samples_}, *options.learner)),
      trainer_(std::make_unique<Trainer>(options.training, *train_feed_, *test_feed_, pool_,
                                         options.seeds, options.between_steps)) {}

void Rig::learner_state(Archive& a) {
  const Archive::MadeOn there(a, place_.device);
  a("learner", *learner_);
}

void Rig::learn(const Task& task) {
  trainer_->learn(*learner_, task, grant_);
  learner_->before_scores(*trainer_);
}

}  // namespace patina
