#include "patina/learners/replay/herded_memory.h"

#include "patina/base/error.h"
#include "patina/nn/heads.h"
#include "patina/ops.h"

namespace patina {

void HerdedMemoryOptions::bind(Fields& f) {
  f("memory", memory, "Samples that may be kept, shared evenly among the classes seen.",
    at_least(1));
  f("memory_per_class", memory_per_class, "So many of each class instead; 0: as above.",
    at_least(0));
}

Dataset HerdedMemory::beside(const Task& task) const {
  return task.train->joined(samples_.dataset(memory_.all()));
}

int64_t HerdedMemory::share(const Task& task) const {
  if (options_.memory_per_class > 0) return options_.memory_per_class;
  const auto classes = int64_t(task.seen.size());
  if (options_.memory < classes)
    fail(ErrorKind::recipe,
         "learner.memory is {}, and there are {} classes by task {}: it must hold a sample of each",
         options_.memory, classes, task.index + 1);
  return options_.memory / classes;
}

void HerdedMemory::train_beside(Learner& learner, const Task& task, Trainer& trainer,
                                int64_t epochs) const {
  share(task);
  const Dataset joined = beside(task);
  Task both = task;
  both.train = &joined;
  trainer.epochs(learner, both, epochs);
}

Tensor HerdedMemory::means(const Backbone& network, Trainer& trainer) const {
  std::vector<Tensor> means;
  for (int64_t c = 0; c < memory_.classes(); ++c) {
    const Dataset own = samples_.dataset(memory_.of_class(c));
    means.push_back(normalized(trainer.features(network, own).features).mean(0));
  }
  return at::stack(means);
}

void HerdedMemory::update(const Task& task, const FeatureSet& set) {
  const int64_t count = share(task);
  memory_.truncate(count);
  for (const int64_t c : task.fresh) {
    const auto rows = items_of((set.targets == c).nonzero().flatten());
    SampleHandles kept;
    for (const int64_t row :
         herded(set.features.index_select(0, tensor_of(rows, set.features.device())), count))
      kept.add(task.train->handle(rows[size_t(row)]));
    memory_.set(c, std::move(kept));
  }
}

}  // namespace patina
