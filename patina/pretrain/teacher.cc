#include "patina/pretrain/teacher.h"

#include "patina/base/progress.h"
#include "patina/checkpoint/archive.h"
#include "patina/data/sample_access.h"
#include "patina/session/feed.h"

namespace patina {

void TeacherOptions::bind(Fields& f) {
  model.bind(f);
  f("weight", weight, "Weight of the feature distillation: 1 - cos(student, teacher).",
    at_least(0));
}

Tensor teacher_features(Backbone& teacher, const Place& place, const Dataset& samples,
                        ThreadPool& pool, const fs::path& file, bool bf16) {
  constexpr int64_t kBatch = 128;
  Tensor features;
  if (fs::exists(file)) {
    auto archive = Archive::read(file);
    archive("features", features);
    if (features.size(0) == samples.size()) return features;
  }
  teacher.to(place);
  const auto feed = make_feed(teacher, SampleAccess::source(samples));
  features = at::empty({samples.size(), teacher.width()});
  Loader loader(samples, *feed, pool, kBatch);
  Progress progress("teacher", samples.size(), feed->unit());
  NoGrad no_grad;
  const MixedPrecision precision(bf16);
  while (const auto batch = loader.next()) {
    features.index_copy_(0, batch->row, on_host(teacher.features(batch->input)));
    progress.advance(batch->size());
  }
  Archive archive;
  archive("features", features);
  archive.write(file);
  return features;
}

}  // namespace patina
