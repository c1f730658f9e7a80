// `patina features`: what a backbone makes of images or texts.
#include <fmt/core.h>

#include <algorithm>

#include "apps/patina/commands.h"
#include "apps/patina/inputs.h"
#include "patina/base/json.h"
#include "patina/base/progress.h"
#include "patina/checkpoint/load.h"
#include "patina/data/dataset.h"
#include "patina/models/model.h"
#include "patina/ops.h"
#include "patina/run/feed.h"

namespace patina::cli {

namespace {

struct Arguments {
  std::string model, out;
  InputArguments input;
  ModelOptions options;
  TransformOptions transform;
  TextOptions text;
  int64_t batch = 64;
  bool all = false;
};

// Keeps what passes between the blocks.
class Recorder : public nn::Adaptation {
 public:
  explicit Recorder(int layers) : layers_(layers) {}
  Tensor tokens(int layer, Tensor x) override {
    kept.emplace_back(layer == 0 ? "embedded" : fmt::format("block{}", layer - 1), x);
    return x;
  }
  Tensor after(nn::Site site, int, const Tensor& in, Tensor out) override {
    if (site != nn::Site::norm) return out;
    kept.emplace_back(fmt::format("block{}", layers_ - 1), in);
    kept.emplace_back("tokens", out);
    return out;
  }
  std::vector<std::pair<std::string, Tensor>> kept;

 private:
  int layers_;
};

// Collects named tensors batch by batch and writes them joined, in the order of their rows.
class Collector {
 public:
  Collector(const Backbone& backbone, bool all) : backbone_(backbone), all_(all) {}

  void add(const Input& input, const Tensor& rows) {
    Recorder recorder(int(backbone_.layers()));
    const Tensor features =
        all_ ? backbone_.features(input, {&recorder}) : backbone_.features(input);
    rows_.push_back(rows);
    put("features", features);
    for (const auto& [name, tensor] : recorder.kept) put(name, tensor);
    if (const Tensor logits = backbone_.logits(features); all_ && logits.defined())
      put("logits", logits);
    if (all_ && input.is_text()) {
      put("input", input.data);
      put("mask", input.mask);
    }
  }
  void put(const std::string& name, const Tensor& tensor) {
    parts_[name].push_back(tensor.contiguous().clone());
  }
  void write(const fs::path& path, const std::map<std::string, std::string>& metadata) {
    const Tensor order = at::cat(rows_).argsort();
    std::vector<Tensor> joined;
    std::map<std::string, StoredTensor> stored;
    for (auto& [name, parts] : parts_) {
      joined.push_back(joined_rows(parts).index_select(0, order));
      parts.clear();
      stored[name] = to_stored(joined.back());
    }
    write_safetensors(path, stored, metadata);
  }

 private:
  // Batches of texts differ in length: what is missing behind a text's tokens becomes 0.
  static Tensor joined_rows(const std::vector<Tensor>& parts) {
    if (parts.front().dim() < 2) return at::cat(parts);
    Shape shape = parts.front().sizes().vec();
    shape[0] = 0;
    for (const auto& part : parts) {
      shape[0] += part.size(0);
      shape[1] = std::max(shape[1], part.size(1));
    }
    Tensor all = at::zeros(shape, parts.front().options());
    int64_t row = 0;
    for (const auto& part : parts) {
      all.slice(0, row, row + part.size(0)).slice(1, 0, part.size(1)).copy_(part);
      row += part.size(0);
    }
    return all;
  }

  const Backbone& backbone_;
  bool all_;
  std::vector<Tensor> rows_;
  std::map<std::string, std::vector<Tensor>> parts_;
};

// Tensors that are network input already.
Tensor stored_input(const std::string& path) {
  const auto file = SafetensorsFile::open(path);
  const auto& stored = file.at("input");
  if (stored.shape.size() != 4 || stored.shape[1] != 3 || stored.shape[2] != stored.shape[3] ||
      stored.shape[2] == 0)
    fail(ErrorKind::data, "{}: input is {}, it must be [N,3,H,W] with H = W", path,
         shape_text(stored.shape));
  return to_tensor(stored).to(at::kFloat);
}

void collect_stored(const Tensor& input, int64_t batch, Collector& collector) {
  Progress progress("features", input.size(0), "images");
  for (int64_t row = 0; row < input.size(0); row += batch) {
    const Tensor part = input.slice(0, row, row + batch);
    collector.add(part, at::arange(row, row + part.size(0)));
    progress.advance(part.size(0));
  }
}

void collect(const Backbone& backbone, const Arguments& arguments, Collector& collector,
             std::map<std::string, std::string>& metadata) {
  const Inputs inputs = open_inputs(arguments.input);
  if (!inputs.origins.empty()) metadata["inputs"] = Json(inputs.origins).dump();
  if (inputs.labelled) metadata["classes"] = Json(inputs.source->classes()).dump();
  const auto feed = make_feed(backbone, *inputs.source, arguments.transform, arguments.text);
  metadata["transform"] = feed->text();
  const Dataset data = whole(*inputs.source);
  ThreadPool pool;
  Loader loader(data, *feed, pool, arguments.batch);
  Progress progress("features", data.size(), feed->unit());
  while (const auto batch = loader.next()) {
    collector.add(batch->input, batch->row);
    if (inputs.labelled) collector.put("target", batch->target);
    progress.advance(batch->size());
  }
}

void features(Arguments& arguments) {
  NoGrad no_grad;
  if (fs::exists(arguments.model) || arguments.options.path.empty())
    arguments.options.name = arguments.model;
  const auto& paths = arguments.input.paths;
  Tensor input;
  if (paths.front().ends_with(".safetensors")) {
    if (paths.size() > 1)
      fail(ErrorKind::usage, "one .safetensors input at a time, without other inputs");
    input = stored_input(paths.front());
    arguments.options.image_size = input.size(3);
  } else if (arguments.transform.size > 0) {
    arguments.options.image_size = arguments.transform.size;
  }
  const auto backbone = load_backbone(arguments.options);
  Collector collector(*backbone, arguments.all);
  std::map<std::string, std::string> metadata = {{"model", arguments.model}};
  if (input.defined())
    collect_stored(input, arguments.batch, collector);
  else
    collect(*backbone, arguments, collector, metadata);
  collector.write(arguments.out, metadata);
  fmt::print("{}: {}\n", arguments.out, backbone->about());
}

}  // namespace

void add_features(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  auto* command = app.add_subcommand(
      "features", "Write a backbone's features of images, texts, a data set or stored tensors");
  command
      ->add_option("model", arguments->model,
                   "A .safetensors file or folder, or a name of `patina list models`")
      ->required();
  command
      ->add_option(
          "inputs", arguments->input.paths,
          "Images, folders, a file of texts (.txt, .csv, .tsv, .json, .jsonl), a name of `patina "
          "list datasets`, or a .safetensors file whose `input` [N,3,H,W] is used as it is")
      ->required();
  command->add_option("-o,--out", arguments->out, "Where the .safetensors file goes")->required();
  command->add_flag(
      "--all", arguments->all,
      "Also `embedded`, `block0`..., `tokens`, `logits` where the model has a head, and a text's "
      "`input` and `mask`");
  command->add_flag("--skip-bad-images", arguments->input.skip_bad_images,
                    "Count and leave out images that cannot be decoded");
  command->add_option("--split", arguments->input.split, "Of a data set")
      ->check(CLI::IsMember({"train", "test"}))
      ->capture_default_str();
  command
      ->add_option("--text", arguments->input.fields.text,
                   "The column or field of the texts; a number from 0 without a header")
      ->capture_default_str();
  command->add_option("--pair", arguments->input.fields.pair, "The column of their second parts");
  command->add_option("--label", arguments->input.fields.label,
                      "The column of labels, written as `target`");
  command
      ->add_option("--max-length", arguments->text.max_length,
                   "Tokens of a text; what is longer is cut (default: the model's limit)")
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("--weights", arguments->options.path, "The weight file of a named model");
  command
      ->add_option("--size", arguments->transform.size,
                   "Side of the network's input; positions are interpolated (default: the model's)")
      ->check(CLI::Range(1, 4096));
  command
      ->add_option(
          "--resize", arguments->transform.resize,
          "Resize the shorter side to this, then crop the centre (default: straight to size)")
      ->check(CLI::Range(0, 16384));
  command->add_option("--interpolation", arguments->transform.interpolation, "Of the resize")
      ->check(CLI::IsMember({"bicubic", "bilinear"}))
      ->capture_default_str();
  command
      ->add_option("--normalize", arguments->transform.normalize,
                   "Pixel normalisation (default: the model's)")
      ->check(CLI::IsMember(normalization_names()));
  command
      ->add_option("--heads", arguments->options.heads, "Attention heads (default: from the file)")
      ->check(CLI::Range(1, 1024));
  command->add_option("--batch", arguments->batch, "Images or texts a pass")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  command->callback([arguments] { features(*arguments); });
}

}  // namespace patina::cli
