#include "patina/learn/learner.h"

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/models/experts.h"

namespace patina {

namespace {

using Lack = std::optional<std::string>;

Lack no_blocks(const Backbone& backbone) {
  if (backbone.layers() > 0) return {};
  return "adapts transformer blocks, and the model has none: " + backbone.about();
}

Lack no_common_space(const Backbone& backbone) {
  if (!backbone.compares())
    return "reads class names: it needs a CLIP, and the model is " + backbone.about();
  if (backbone.tokenizer()) return {};
  return "reads class names, but there is no tokenizer beside the model's weights: put "
         "tokenizer.json or bpe_simple_vocab_16e6.txt.gz there";
}

Lack no_words(const Backbone& backbone) {
  if (!backbone.generates() || backbone.has_decoder())
    return "answers with text: it needs a decoder (GPT-2, LLaMA, Qwen2), and the model is " +
           backbone.about();
  if (backbone.tokenizer()) return {};
  return "answers with text, but there is no tokenizer beside the model's weights: put the model's "
         "tokenizer files there";
}

Lack no_units(const Backbone& backbone) {
  if (backbone.masks_units()) return {};
  return "masks the units of an MLP (model.name = \"mlp\"), and the model is " + backbone.about();
}

}  // namespace

// Constant-initialised, so that rows created before main can refer to them.
constinit const Network Network::any{"any", [](const Backbone&) { return Lack(); }};
constinit const Network Network::transformer{"transformer", no_blocks};
constinit const Network Network::decoder{"decoder", no_words};
constinit const Network Network::clip{"clip", no_common_space};
constinit const Network Network::mlp{"mlp", no_units};

const SampleLoader& Setup::loader() const {
  if (!samples)
    fail(ErrorKind::usage, "this learner replays earlier samples, and nothing here can load them");
  return *samples;
}

void Learner::begin_task(const Task& task, Trainer&) {
  if (!task.fresh.empty()) begin_classes(int64_t(task.fresh.size()));
}

void Learner::forget(int64_t) {
  fail(ErrorKind::usage,
       "what this method learned of a class is part of everything it knows, and cannot be taken "
       "out");
}

Experts Generator::experts(const Input& input) const {
  return adaptations(input);
}

void Learner::merge(const Learner&, const UnitedClasses&) {
  fail(ErrorKind::usage,
       "what this method learned is not a sum over samples, so what two of it learned cannot be "
       "added: learn all samples in one session, or with simplecil, fecam, ranpac, recursive_ridge "
       "or rail");
}

Classifier Learner::by_name(const std::vector<std::string>&) const {
  return nullptr;
}

Dataset Generator::samples_of(const Task& task, int64_t) const {
  return *task.train;
}

Tensor Generator::scores(const Question&) const {
  PATINA_REQUIRE(false, "a learner that answers with text has no scores of classes");
  return {};
}

Json Learner::diagnostics() const {
  return nullptr;
}

void Learner::observe(const Batch& batch, Trainer& trainer) {
  for (int64_t i = 0; i < trainer.options().updates_per_batch; ++i) trainer.descend(*this, batch);
  remember(batch);
}

void Learner::fit(const Task& task, Trainer& trainer) {
  trainer.epochs(*this, task);
}

void StreamingLearner::fit(const Task& task, Trainer& trainer) {
  trainer.each_batch(*task.train, fmt::format("task {}: learning", task.index + 1),
                     [&](const Batch& batch) { observe(batch, trainer); });
}

Tensor ClosedFormLearner::loss(const Batch&, const Step&) {
  PATINA_REQUIRE(false, "a closed form has no loss");
  return {};
}

}  // namespace patina
