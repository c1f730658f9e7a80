// `patina features`: a backbone's features of images or texts, or a shard of those that a recipe's
// runs read.
#include <fmt/core.h>

#include <algorithm>

#include "apps/patina/commands.h"
#include "apps/patina/features/shard.h"
#include "apps/patina/inputs.h"
#include "patina/base/json.h"
#include "patina/base/progress.h"
#include "patina/checkpoint/load.h"
#include "patina/data/dataset.h"
#include "patina/models/catalog.h"
#include "patina/models/text/encoder_decoder.h"
#include "patina/models/text/language_model.h"
#include "patina/ops.h"
#include "patina/place.h"
#include "patina/session/feed.h"

namespace patina::cli {

namespace {

struct Arguments {
  std::string model, out, device = "auto";
  InputArguments input;
  ModelOptions options;
  TransformOptions transform;
  TextOptions text;
  int64_t batch = 64;
  bool all = false;
  std::string shard;  // "": not asked for
  std::vector<std::string> overrides;
};

// Records the tokens between blocks.
class Recorder : public nn::Adaptation {
 public:
  /// For blocks numbered from `first`, a decoder's after its encoder's; names start with `prefix`.
  explicit Recorder(std::string prefix = "", int first = 0)
      : prefix_(std::move(prefix)), first_(first) {}
  Tensor tokens(int layer, Tensor x) override {
    if (layer < first_) return x;
    keep(layer == first_ ? "embedded" : fmt::format("block{}", layer - first_ - 1), x);
    return x;
  }
  Tensor after(nn::Site site, int layer, const Tensor& in, Tensor out) override {
    if (site != nn::Site::norm || layer <= first_) return out;
    keep(fmt::format("block{}", layer - first_ - 1), in);
    keep("tokens", out);
    return out;
  }
  std::vector<std::pair<std::string, Tensor>> kept;

 private:
  void keep(const std::string& name, const Tensor& x) { kept.emplace_back(prefix_ + name, x); }
  std::string prefix_;
  int first_;
};

// A network's input from a stored file: images, texts, and a decoder's input.
struct StoredInput {
  Input images, texts;
  Tensor answer;  // [N,T] ids

  int64_t size() const { return (images.data.defined() ? images : texts).size(); }
};

// Collects named tensors batch by batch and writes them concatenated, in the order of their rows.
class Collector {
 public:
  Collector(const Backbone& backbone, bool all) : backbone_(backbone), all_(all) {}

  void add(const Input& input, const Tensor& rows) {
    rows_.push_back(rows);
    add_features(input, "");
    if (all_ && input.is_text()) {
      put("input", input.data);
      put("mask", input.mask.defined() ? input.mask : at::ones_like(input.data));
    }
  }
  // Images together with texts are for CLIP; the texts' names start with text_.
  void add(const StoredInput& input, const Tensor& rows) {
    const bool both = input.images.data.defined() && input.texts.data.defined();
    if (!both)
      return add(input.images.data.defined() ? input.images : input.texts, rows, input.answer);
    rows_.push_back(rows);
    add_features(input.images, "");
    add_features(input.texts, "text_");
  }
  void put(const std::string& name, const Tensor& tensor) {
    parts_[name].push_back(on_host(tensor).contiguous().clone());
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
  void add(const Input& input, const Tensor& rows, const Tensor& answer) {
    add(input, rows);
    if (!answer.defined()) return;
    Recorder recorder("decoder_", int(backbone_.prompt_layers()));
    const Tensor tokens = backbone_.decoded(answer, input, {&recorder});
    if (!tokens.defined()) return;
    for (const auto& [name, tensor] : recorder.kept) put(name, tensor);
    put("word_scores", backbone_.word_scores(tokens));
  }

  void add_features(const Input& input, const std::string& prefix) {
    Recorder recorder(prefix);
    const Tensor features =
        all_ ? backbone_.features(input, {&recorder}) : backbone_.features(input);
    put(prefix + "features", features);
    if (!all_) return;
    for (const auto& [name, tensor] : recorder.kept) put(name, tensor);
    if (const Tensor logits = backbone_.logits(features); logits.defined()) put("logits", logits);
    if (const Tensor pooled = backbone_.pooled(features); pooled.defined()) put("pooled", pooled);
    if (backbone_.has_decoder()) return;  // words are scored at the decoder's tokens
    const Tensor words = backbone_.word_scores(recorder.kept.back().second);
    if (words.defined()) put("word_scores", words);
  }

  // Batches of texts differ in length: shorter ones are padded with zeros.
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

// Stored tensors that are network input.
StoredInput stored_input(const std::string& path) {
  const auto file = SafetensorsFile::open(path);
  StoredInput input;
  int64_t rows = -1;
  const auto same_rows = [&](const std::string& name, const Tensor& t) {
    if (t.size(0) == 0) fail(ErrorKind::data, "{}: {} has no rows", path, name);
    if (rows >= 0 && t.size(0) != rows)
      fail(ErrorKind::data, "{}: {} has {} rows, another input {}", path, name, t.size(0), rows);
    rows = t.size(0);
  };
  for (const char* name : {"input", "pixel_values"}) {
    if (!file.has(name)) continue;
    const auto& shape = file.at(name).shape;
    if (shape.size() != 4 || shape[1] != 3 || shape[2] != shape[3] || shape[2] == 0)
      fail(ErrorKind::data, "{}: {} is {}, it must be [N,3,H,W] with H = W", path, name,
           shape_text(shape));
    input.images = to_tensor(file.at(name)).to(at::kFloat);
    same_rows(name, input.images.data);
  }
  const auto ids = [&](const char* name, const Tensor& like) {
    if (!file.has(name)) return Tensor();
    const Tensor t = to_tensor(file.at(name));
    if (t.dim() != 2 || t.size(1) == 0 || at::isFloatingType(t.scalar_type()) ||
        (like.defined() && t.sizes() != like.sizes()))
      fail(ErrorKind::data, "{}: {} is {}, it must be whole numbers [N,T]{}", path, name,
           shape_text(t.sizes()), like.defined() ? " as input_ids" : "");
    same_rows(name, t);
    return t.to(at::kLong);
  };
  input.texts.data = ids("input_ids", {});
  input.texts.mask = ids("attention_mask", input.texts.data);
  input.texts.types = ids("token_type_ids", input.texts.data);
  input.answer = ids("decoder_input_ids", {});
  if (!input.images.data.defined() && !input.texts.data.defined())
    fail(ErrorKind::data, "{}: neither `input` (pixels, [N,3,H,W]) nor `input_ids` ([N,T]) in it",
         path);
  return input;
}

// The backbone for stored tensors; for images, resized to their size.
std::unique_ptr<Backbone> fitting(std::unique_ptr<Backbone> backbone, const StoredInput& input,
                                  ModelOptions options) {
  const auto takes = backbone->image_input();
  if ((input.images.data.defined() && !takes) ||
      (input.texts.data.defined() && !backbone->text_input()))
    fail(ErrorKind::data, "the stored tensors are {}, which {} does not take",
         takes ? "texts" : "images", backbone->about());
  if (!input.images.data.defined() || input.images.data.size(3) == takes->size) return backbone;
  options.image_size = input.images.data.size(3);
  return load_backbone(options);
}

void collect_stored(const StoredInput& input, const at::Device& device, int64_t batch,
                    Collector& collector) {
  Progress progress("features", input.size(), input.images.data.defined() ? "images" : "texts");
  for (int64_t row = 0; row < input.size(); row += batch) {
    const int64_t end = std::min(row + batch, input.size());
    const auto part = [&](const Input& all) {
      return all.data.defined() ? all.slice(row, end).on(device) : all;
    };
    const Tensor answer = input.answer.defined() ? input.answer.slice(0, row, end) : Tensor();
    collector.add(StoredInput{part(input.images), part(input.texts), on(device, answer)},
                  at::arange(row, end));
    progress.advance(end - row);
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

// A file of another format by its name.
std::string not_safetensors(const std::string& path) {
  static const std::vector<std::string> others = {".csv",  ".tsv", ".json", ".jsonl",  ".txt",
                                                  ".npy",  ".npz", ".pt",   ".pth",    ".bin",
                                                  ".hdf5", ".h5",  ".pkl",  ".parquet"};
  const std::string extension = fs::path(path).extension().string();
  if (std::ranges::find(others, extension) == others.end()) return "";
  return fmt::format("{}: features are written as safetensors; name the file .safetensors", path);
}

void features(Arguments& arguments) {
  NoGrad no_grad;
  const bool recipe = arguments.model.ends_with(".toml");
  if (recipe && !arguments.input.paths.empty())
    fail(ErrorKind::usage, "a recipe names its data: leave out \"{}\"",
         arguments.input.paths.front());
  if (recipe) {
    if (arguments.device != "auto")
      arguments.overrides.push_back(fmt::format("engine.device=\"{}\"", arguments.device));
    return write_shard(arguments.model, arguments.overrides,
                       shard_of(arguments.shard.empty() ? "1/1" : arguments.shard), arguments.out);
  }
  if (!arguments.shard.empty() || !arguments.overrides.empty())
    fail(ErrorKind::usage, "{} is for a recipe's features: name a recipe (.toml) as the model",
         arguments.shard.empty() ? "--set" : "--shard");
  if (arguments.input.paths.empty())
    fail(ErrorKind::usage,
         "there are no inputs: name images, folders, a file of texts, a data set "
         "or a .safetensors file after the model");
  arguments.options.name = arguments.model;
  arguments.options.normalize = arguments.transform.normalize;
  const auto& paths = arguments.input.paths;
  std::optional<StoredInput> input;
  if (paths.front().ends_with(".safetensors")) {
    if (paths.size() > 1)
      fail(ErrorKind::usage, "one .safetensors input at a time, without other inputs");
    input = stored_input(paths.front());
  } else if (arguments.transform.size > 0) {
    arguments.options.image_size = arguments.transform.size;
  }
  const Place place = place_of(arguments.device);
  auto backbone = load_backbone(arguments.options);
  if (input) backbone = fitting(std::move(backbone), *input, arguments.options);
  backbone->to(place);
  Collector collector(*backbone, arguments.all);
  std::map<std::string, std::string> metadata = {{"model", arguments.model}};
  if (input)
    collect_stored(*input, place.device, arguments.batch, collector);
  else
    collect(*backbone, arguments, collector, metadata);
  collector.write(arguments.out, metadata);
  fmt::print("{}: {}\n", arguments.out, backbone->about());
}

}  // namespace

void add_features(Command& program) {
  auto arguments = std::make_shared<Arguments>();
  const auto command = program.command(
      "features", "Write a backbone's features of images, texts, a data set or stored tensors");
  command
      .option("model", arguments->model,
              "A .safetensors file or folder, or a name of `patina list models`; or a recipe "
              "(.toml), whose runs read the features from the folder")
      .required();
  command.option("inputs", arguments->input.paths,
                 "Images, folders, a file of texts (.txt, .csv, .tsv, .json, .jsonl), a name of "
                 "`patina list datasets`, or a .safetensors file of tensors used as they are: "
                 "`input` [N,3,H,W]; `input_ids` [N,T] with `attention_mask`, `token_type_ids`, "
                 "and for T5 and BART `decoder_input_ids`; none with a recipe");
  command
      .option("-o,--out", arguments->out,
              "Path of the .safetensors file to write; with a recipe, a folder")
      .required()
      .check(not_safetensors);
  command.flag("--all", arguments->all,
               "Also `embedded`, `block0`..., `tokens`, `logits`, `pooled` and `word_scores` "
               "where the model "
               "has such a head, and a text's `input` and `mask`");
  command.flag("--skip-bad-images", arguments->input.skip_bad_images,
               "Count and leave out images that cannot be decoded");
  command.option("--split", arguments->input.split, "Split of a data set")
      .one_of({"train", "test"})
      .shows_default();
  command
      .option("--text", arguments->input.fields.text,
              "Column or field of the texts; a number from 0 if there is no header")
      .shows_default();
  command.option("--pair", arguments->input.fields.pair, "Column of the second text of a pair");
  command.option("--label", arguments->input.fields.label,
                 "Column of the labels, written as `target`");
  command
      .option("--max-length", arguments->text.max_length,
              "Tokens per text; longer texts are cut (default: the model's limit)")
      .range(1, 1 << 20);
  command.option("--weights", arguments->options.path, "The weight file of a named model");
  command.option("--part", arguments->options.part,
                 "Of a PyTorch file with several models, the name of one");
  command.option("--adapter", arguments->options.adapter,
                 "A folder of PEFT's with a LoRA, added to the model's weights");
  command
      .option("--size", arguments->transform.size,
              "Side of the network's input; positions are interpolated (default: the model's)")
      .range(1, 4096);
  command
      .option("--resize", arguments->transform.resize,
              "Resize the shorter side to this, then crop the centre (default: directly to size)")
      .range(0, 16384);
  command
      .option("--interpolation", arguments->transform.interpolation,
              "Interpolation of the resize (default: the model's)")
      .one_of({"bicubic", "bilinear"});
  command
      .option("--normalize", arguments->transform.normalize,
              "Pixel normalisation (default: the model's)")
      .one_of(normalization_names());
  command.option("--heads", arguments->options.heads, "Attention heads (default: from the file)")
      .range(1, 1024);
  command.option("--batch", arguments->batch, "Images or texts per pass")
      .range(1, 65536)
      .shows_default();
  command.option("--shard", arguments->shard,
                 "With a recipe: the part i/n of the samples, such as 2/4 (default: all)");
  command.overrides(arguments->overrides);
  command.device(arguments->device);
  command.footer(
      "example: patina features starter photos/cats/ -o cats.safetensors\n"
      "         patina features my.toml --shard 1/2 -o shards/1");
  command.action([arguments] { features(*arguments); });
}

}  // namespace patina::cli
