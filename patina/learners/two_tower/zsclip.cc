// Zero-shot CLIP (Radford et al., ICML 2021, section 3.1.4): each class is the mean embedding of
// sentences that contain its name; an image belongs to the class with the largest cosine. Learns
// from no sample: the baseline for vision-language learners.
#include "patina/learners/two_tower/two_tower_learner.h"

namespace patina {

class ZeroShotClip : public TwoTowerLearner {
 public:
  struct Options : LearnerOptions, ClassTextOptions {
    void bind(Fields& f) override { ClassTextOptions::bind(f); }
  };

  ZeroShotClip(Setup setup, const Options& options) : TwoTowerLearner(setup, options, {}) {}

  void fit(const Task&, Trainer&) override {}

  // A class is known by its name alone.
  void forget(int64_t target) override { drop(target); }
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
