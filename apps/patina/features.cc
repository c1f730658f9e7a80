// `patina features`: what a backbone makes of images.
#include <fmt/core.h>

#include <algorithm>
#include <numeric>

#include "apps/patina/commands.h"
#include "patina/base/json.h"
#include "patina/base/progress.h"
#include "patina/checkpoint/load.h"
#include "patina/data/dataset.h"
#include "patina/data/pixels.h"
#include "patina/models/model.h"
#include "patina/ops.h"

namespace patina::cli {

namespace {

struct Arguments {
  std::string model, out, split = "test";
  std::vector<std::string> inputs;
  ModelOptions options;
  TransformOptions transform;
  int64_t batch = 64;
  bool all = false;
  bool skip_bad_images = false;
};

// Image files as a source without labels.
class Files : public Source {
 public:
  explicit Files(std::vector<fs::path> files) : files_(std::move(files)) {}
  int64_t size() const override { return int64_t(files_.size()); }
  int64_t label(int64_t) const override { return 0; }
  Image image(int64_t i) const override { return read_sample(files_[size_t(i)]); }
  std::string origin(int64_t i) const override { return files_[size_t(i)].string(); }
  const std::vector<std::string>& classes() const override { return classes_; }

 private:
  std::vector<fs::path> files_;
  std::vector<std::string> classes_{"image"};
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

// Collects named tensors batch by batch and writes them joined.
class Collector {
 public:
  Collector(const Backbone& backbone, bool all) : backbone_(backbone), all_(all) {}

  void add(const Input& input) {
    Recorder recorder(int(backbone_.layers()));
    const Tensor features =
        all_ ? backbone_.features(input, {&recorder}) : backbone_.features(input);
    put("features", features);
    for (const auto& [name, tensor] : recorder.kept) put(name, tensor);
    if (const Tensor logits = backbone_.logits(features); all_ && logits.defined())
      put("logits", logits);
  }
  void put(const std::string& name, const Tensor& tensor) {
    parts_[name].push_back(tensor.contiguous().clone());
  }
  void write(const fs::path& path, const std::map<std::string, std::string>& metadata) {
    std::vector<Tensor> joined;
    std::map<std::string, StoredTensor> stored;
    for (const auto& [name, parts] : parts_) {
      joined.push_back(at::cat(parts));
      stored[name] = to_stored(joined.back());
    }
    write_safetensors(path, stored, metadata);
  }

 private:
  const Backbone& backbone_;
  bool all_;
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

bool is_named_set(const std::string& name) {
  return std::any_of(data_sets().begin(), data_sets().end(),
                     [&](const auto& info) { return info.name == name; });
}

std::vector<fs::path> image_files(const std::vector<std::string>& inputs) {
  std::vector<fs::path> files;
  for (const auto& input : inputs) {
    if (!fs::exists(input))
      fail(ErrorKind::file, "{}: neither a file, a folder nor a data set of `patina list datasets`",
           input);
    if (!fs::is_directory(input)) {
      files.emplace_back(input);
      continue;
    }
    std::vector<fs::path> found;
    for (const auto& entry : fs::recursive_directory_iterator(input))
      if (entry.is_regular_file() && is_image_name(entry.path())) found.push_back(entry.path());
    if (found.empty()) fail(ErrorKind::data, "{}: no .jpg or .png files in it", input);
    std::sort(found.begin(), found.end());
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

void features(Arguments& arguments) {
  NoGrad no_grad;
  if (fs::exists(arguments.model) || arguments.options.path.empty())
    arguments.options.name = arguments.model;
  const std::string& first = arguments.inputs.front();
  Tensor input;
  if (first.ends_with(".safetensors")) {
    if (arguments.inputs.size() > 1)
      fail(ErrorKind::usage, "one .safetensors input at a time, without other inputs");
    input = stored_input(first);
    arguments.options.image_size = input.size(3);
  } else if (arguments.transform.size > 0) {
    arguments.options.image_size = arguments.transform.size;
  }
  const auto backbone = load_backbone(arguments.options);
  Collector collector(*backbone, arguments.all);
  std::map<std::string, std::string> metadata = {{"model", arguments.model}};
  if (input.defined()) {
    Progress progress("features", input.size(0), "images");
    for (int64_t row = 0; row < input.size(0); row += arguments.batch) {
      const Tensor part = input.slice(0, row, row + arguments.batch);
      collector.add(part);
      progress.advance(part.size(0));
    }
  } else {
    DataSplits splits;
    std::unique_ptr<Source> files;
    const Source* source = nullptr;
    if (is_named_set(first)) {
      if (arguments.inputs.size() > 1) fail(ErrorKind::usage, "one data set at a time");
      DataOptions data;
      data.name = first;
      splits = open_data(data);
      source = (arguments.split == "train" ? splits.train : splits.test).get();
    } else {
      files = std::make_unique<Files>(image_files(arguments.inputs));
      if (arguments.skip_bad_images) files = without_bad_images(std::move(files));
      if (files->skipped() > 0)
        fmt::print("{} images that cannot be decoded are left out\n", files->skipped());
      source = files.get();
      Json names = Json::array();
      for (int64_t i = 0; i < source->size(); ++i) names.push_back(source->origin(i));
      metadata["inputs"] = names.dump();
    }
    arguments.transform.size = backbone->image_input()->size;
    if (arguments.transform.normalize.empty())
      arguments.transform.normalize = backbone->image_input()->normalize;
    const Transform transform(arguments.transform);
    metadata["transform"] = transform.text();
    const Dataset data = whole(*source);
    ThreadPool pool;
    Loader loader(data, transform, pool, arguments.batch);
    Progress progress("features", data.size(), "images");
    while (const auto batch = loader.next()) {
      collector.add(batch->input);
      if (!files) collector.put("target", batch->target);
      progress.advance(batch->size());
    }
  }
  collector.write(arguments.out, metadata);
  fmt::print("{}: {}\n", arguments.out, backbone->about());
}

}  // namespace

void add_features(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  auto* command = app.add_subcommand(
      "features", "Write a backbone's features of images, a data set or stored tensors");
  command
      ->add_option("model", arguments->model,
                   "A .safetensors file or folder, or a name of `patina list models`")
      ->required();
  command
      ->add_option(
          "inputs", arguments->inputs,
          "Images, folders, a name of `patina list datasets`, or a .safetensors file whose "
          "`input` [N,3,H,W] is used as it is")
      ->required();
  command->add_option("-o,--out", arguments->out, "Where the .safetensors file goes")->required();
  command->add_flag(
      "--all", arguments->all,
      "Also `embedded`, `block0`..., `tokens`, and `logits` where the model has a head");
  command->add_flag("--skip-bad-images", arguments->skip_bad_images,
                    "Count and leave out images that cannot be decoded");
  command->add_option("--split", arguments->split, "Of a data set")
      ->check(CLI::IsMember({"train", "test"}))
      ->capture_default_str();
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
  command->add_option("--batch", arguments->batch, "Images a pass")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  command->callback([arguments] { features(*arguments); });
}

}  // namespace patina::cli
