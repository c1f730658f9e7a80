#include "patina/session/exporting.h"
#include "patina/models/two_tower/fused_towers.h"

#include <algorithm>

#include "patina/base/error.h"
#include "patina/models/gguf_adapter.h"
#include "patina/models/linear_layers.h"
#include "patina/models/model_folder.h"
#include "patina/models/peft_adapter.h"
#include "patina/models/probe.h"
#include "patina/models/vision/vit_onnx.h"
#include "patina/nn/layers.h"
#include "patina/ops.h"

namespace patina {

namespace {

// What rounding the weights explains, with room: the scores of deep networks in bf16 differ by some
// percent of the largest.
double limit_of(const ExportOptions& options, at::ScalarType type) {
  if (options.limit >= 0) return options.limit;
  return type == at::kBFloat16 ? 0.05 : type == at::kHalf ? 0.01 : 1e-4;
}

// A folder that appears under its name only when it is complete.
class NewFolder {
 public:
  // Without the slash at the end of "merged/".
  explicit NewFolder(fs::path path)
      : path_(path.has_filename() ? std::move(path) : path.parent_path()),
        part_(path_.string() + ".part") {
    if (fs::exists(path_) && !(fs::is_directory(path_) && fs::is_empty(path_)))
      fail(ErrorKind::usage, "{} exists: name a new folder", path_.string());
    fs::remove_all(part_);
    make_folder(part_);
  }
  ~NewFolder() {
    std::error_code ignored;
    fs::remove_all(part_, ignored);
  }
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  const fs::path& part() const { return part_; }
  void commit() {
    fs::remove(path_);
    fs::rename(part_, path_);
  }

 private:
  fs::path path_, part_;
};

// Notes how far the written form is from what it was written from; refuses it above the limit.
Exported compared(std::vector<std::string> files, const Tensor& expected, const Tensor& actual,
                  double limit) {
  const Difference difference = difference_of(expected, actual);
  if (!(difference.relative() <= limit))
    fail(ErrorKind::model,
         "the scores on {} probes differ by up to {:.3g}, of scores up to {:.3g}, more than the "
         "limit of {:.3g}: nothing was written; choose a wider type (--dtype fp32) or another "
         "limit (--limit)",
         expected.size(0), difference.largest, difference.magnitude, limit);
  return {std::move(files), expected.size(0), difference.largest, difference.magnitude};
}

// The head with one row a class, in the order of the classes.
LinearClassifier classifier_of(const Learned& learned, const AsNetwork& network) {
  const bool of_network = network.lora || network.trains_weights;
  if (!network.weight.defined() && of_network) return {};
  const auto columns = int64_t(learned.class_of_column.size());
  if (learned.classes.empty() || columns != int64_t(learned.classes.size()))
    fail(ErrorKind::usage, "{}",
         learned.classes.empty()
             ? "nothing has been learned yet: there is nothing to export"
             : "the classes of every domain have a score of their own, which no linear head of "
               "another program has: it cannot be exported");
  std::vector<int64_t> column_of(size_t(columns), -1);
  for (int64_t c = 0; c < columns; ++c) column_of[size_t(learned.class_of_column[size_t(c)])] = c;
  const Tensor order = tensor_of(column_of).to(network.weight.device());
  return {network.weight.detach().index_select(0, order),
          network.bias.defined() ? network.bias.detach().index_select(0, order) : Tensor(),
          learned.classes, network.projection, network.cosine};
}

Tensor classified(const LinearClassifier& classifier, const Tensor& features) {
  if (!classifier.weight.defined()) return features;
  return nn::linear(features.to(at::kFloat), classifier.weight, classifier.bias);
}

// Scores of every class by the written network.
Tensor scored(const Backbone& network, const LinearClassifier& classifier, const Input& probes,
              const nn::Adaptations& adaptations = {}) {
  NoGrad no_grad;
  if (!classifier.weight.defined()) return probe_outputs(network, probes, adaptations);
  return classified(classifier, network.features(probes, adaptations));
}

// The scores that the learner itself gives, in the order of the classes.
Tensor learners_scores(const Learned& learned, const AsNetwork& network,
                       const LinearClassifier& classifier, const Input& probes) {
  if (!classifier.weight.defined()) {
    nn::Adaptations adaptations;
    auto& learner = const_cast<Learner&>(*learned.learner);  // only read
    if (const Generator* generator = learner.generator())
      adaptations = generator->adaptations(probes);
    else if (network.lora)
      adaptations.add(const_cast<adapt::Lora*>(network.lora));
    return probe_outputs(*learned.backbone, probes, adaptations);
  }
  const Tensor scores = learned.learner->scores(Question(probes)).to(at::kFloat);
  Tensor sorted = at::empty_like(scores);
  for (int64_t c = 0; c < scores.size(1); ++c)
    sorted.select(1, learned.class_of_column[size_t(c)]).copy_(scores.select(1, c));
  return sorted;
}

AsNetwork network_of(const Learned& learned, bool onnx) {
  if (learned.told_tasks)
    fail(ErrorKind::usage,
         "{} is told the task of a sample when it predicts, and no other program tells it: it "
         "cannot be exported",
         learned.row->name);
  if (reads_questions(*learned.backbone))
    fail(ErrorKind::usage,
         "{} reads an image and a question together, which no model's folder has a form for: use "
         "the artefact itself",
         learned.backbone->about());
  const auto network = learned.learner->as_network();
  if (!network)
    fail(ErrorKind::usage,
         "{} keeps more than weights, low-rank changes and a linear head ({}), for which other "
         "programs have no form: use the artefact itself",
         learned.row->name, learned.row->stores);
  if (!onnx && (network->cosine || network->projection.defined()))
    fail(ErrorKind::usage,
         "{} scores {}, for which neither PEFT nor GGUF nor a model's folder has a form: export "
         "--to onnx",
         learned.row->name, network->cosine ? "by cosines" : "projected features");
  return *network;
}

void check_is_adapter(const Learned& learned, const AsNetwork& network, const std::string& form) {
  if (network.lora && !network.trains_weights) return;
  fail(ErrorKind::usage,
       "{} {}, so that it is no adapter beside its model: export the whole network "
       "(--to safetensors) instead of {}",
       learned.row->name,
       network.lora ? "also trains weights of the network itself" : "has no low-rank changes",
       form);
}

}  // namespace

Exported export_learned(const Learned& learned, const fs::path& folder,
                        const ExportOptions& options) {
  const bool onnx = options.to == "onnx";
  const AsNetwork network = network_of(learned, onnx);
  const LinearClassifier classifier = classifier_of(learned, network);
  const at::ScalarType type = weight_type(options.dtype);
  const bool adapter = options.to == "peft" || options.to == "gguf";
  if (!adapter && !onnx && options.to != "safetensors")
    fail(ErrorKind::usage, "\"{}\" is no form to export to: peft, gguf, onnx or safetensors",
         options.to);
  if (onnx && (type != at::kFloat || !classifier.weight.defined()))
    fail(ErrorKind::usage, "{}",
         type != at::kFloat ? "a graph of ONNX is written in fp32: leave --dtype out"
                            : "a learner that answers with text has no graph of ONNX");
  if (adapter) check_is_adapter(learned, network, options.to);
  NewFolder written(folder);
  const Input probes = probe_input(*learned.backbone);
  const Tensor expected = learners_scores(learned, network, classifier, probes);
  const double limit = limit_of(options, adapter ? at::kFloat : type);
  std::vector<std::string> files;
  Tensor actual;
  if (options.to == "peft") {
    write_peft(written.part(), *network.lora, *learned.backbone, learned.base, classifier);
    const auto again = lora_of(PeftFolder::read(written.part()), *learned.backbone);
    actual = scored(*learned.backbone, classifier, probes, {again.get()});
    files = {PeftFolder::kConfig, PeftFolder::kWeights};
  } else if (options.to == "gguf") {
    if (classifier.weight.defined())
      fail(ErrorKind::usage,
           "{} has a classifier, which a GGUF adapter cannot hold: export --to peft or "
           "--to safetensors",
           learned.row->name);
    files = {kGgufAdapter};
    write_gguf_adapter(written.part() / kGgufAdapter, *network.lora, *learned.backbone);
    const auto again = gguf_lora(GgufFile::open(written.part() / kGgufAdapter), *learned.backbone);
    actual = scored(*learned.backbone, classifier, probes, {again.get()});
  } else {
    const auto merged = learned.backbone->clone();
    merged->set_cache(nullptr);
    if (network.lora) merge_lora(*merged, *network.lora);
    if (onnx) {
      files = {"model.onnx"};
      merged->to({});
      actual = write_onnx(*merged, classifier, on_host(probes.pixels()), written.part() / files[0]);
      actual = actual.to(expected.device());
    } else {
      files = write_model_folder(*merged, written.part(), type, classifier);
      const auto again = load_backbone({.name = written.part().string()});
      again->to(learned.backbone->place());
      actual = scored(*again, classifier, probes);
    }
  }
  auto report = compared(std::move(files), expected, actual, limit);
  written.commit();
  return report;
}

namespace {

// The base model with the adapter beside its weights, where an adaptation reaches all that it
// changes; else undefined.
Tensor beside(const ModelOptions& model, const PeftFolder& adapter, const Input& probes) {
  if (!adapter.saved().empty()) return {};
  ModelOptions base = model;
  base.adapter = "";
  const auto network = load_backbone(base);
  try {
    const auto lora = lora_of(adapter, *network);
    return probe_outputs(*network, probes, {lora.get()});
  } catch (const Error&) {
    return {};
  }
}

}  // namespace

Exported merge_adapter(const ModelOptions& model, const fs::path& folder,
                       const ExportOptions& options) {
  const at::ScalarType type = weight_type(options.dtype);
  NewFolder written(folder);
  const auto merged = load_backbone(model);
  const Input probes = probe_input(*merged);
  Tensor expected = beside(model, PeftFolder::read(model.adapter), probes);
  if (!expected.defined()) expected = probe_outputs(*merged, probes);
  auto files = write_model_folder(*merged, written.part(), type);
  const auto again = load_backbone({.name = written.part().string()});
  auto report =
      compared(std::move(files), expected, probe_outputs(*again, probes), limit_of(options, type));
  written.commit();
  return report;
}

}  // namespace patina
