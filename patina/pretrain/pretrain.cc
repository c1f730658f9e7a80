#include "patina/pretrain/pretrain.h"

#include <algorithm>

#include "patina/base/error.h"
#include "patina/base/progress.h"
#include "patina/checkpoint/archive.h"
#include "patina/config/folder_name.h"
#include "patina/config/recipe_file.h"
#include "patina/data/dataset.h"
#include "patina/data/sample_access.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"
#include "patina/place.h"
#include "patina/session/feed.h"

namespace patina {

void StudentOptions::bind(Fields& f) {
  f("image_size", image_size, "Side of the input in pixels.", between(8, 1024));
  f("patch_size", patch_size, "Side of a patch; divides image_size.", between(1, 256));
  f("width", width, "Channels of a token.", between(8, 4096));
  f("depth", depth, "Blocks.", between(1, 100));
  f("heads", heads, "Attention heads; divides width.", between(1, 256));
  f("normalize", normalize, "Pixel normalisation.", normalization_names());
  f("inherit", inherit,
    "Begin with the teacher's first blocks, its patch projection summed down to patch_size and its "
    "positions interpolated, instead of random weights (Xu et al., ICLR 2024).");
  f.require(image_size % patch_size == 0, "patch_size", "must divide image_size");
  f.require(width % heads == 0, "heads", "must divide width");
}

void TeacherOptions::bind(Fields& f) {
  model.bind(f);
  f("weight", weight, "Weight of the feature distillation: 1 - cos(student, teacher).",
    at_least(0));
}

void PretrainTraining::bind(Fields& f) {
  f("epochs", epochs, "Passes over the training set.", at_least(1));
  f("batch_size", batch_size, "Images a step.", at_least(1));
  f("label_smoothing", label_smoothing, "Part of the target spread over all classes.",
    between(0, 0.9));
  f("keep_tokens", keep_tokens,
    "Part of the patches a training step sees, drawn anew each time: half of them trains twice as "
    "fast "
    "(PatchDropout, Liu et al., WACV 2023).",
    {.low = 0, .high = 1, .low_open = true});
  f("full_epochs", full_epochs, "Epochs at the end that see every patch.", at_least(0));
  f("precision", precision, "bf16: matrix products in bf16 with fp32 weights; on the CPU alone.",
    {"fp32", "bf16"});
  f("device", device,
    "Where to compute: cpu, cuda, cuda:1 or auto, the first GPU, otherwise the CPU.");
  optimizer.bind(f);
}

PretrainOptions::PretrainOptions() {
  teacher.model.name = "";
  train_transform.random_resized_crop = true;
  train_transform.scale = {0.3, 1};
  train_transform.flip = true;
  training.optimizer = {
      .optimizer = "adamw", .lr = 1e-3, .weight_decay = 0.05, .warmup_epochs = 2, .clip_norm = 1};
}

void PretrainOptions::bind(Fields& f) {
  folder_name(f, "name", name, "Name of the weights, and of the run's folder under runs/.");
  f("seed", seed, "Seed of the weights, the order and the augmentation.", at_least(0));
  f.section("data", data, "The labelled images.");
  f.section("model", model, "The network to train.");
  f.section("teacher", teacher, "A larger trained network to imitate; no name: none.");
  f.section("train_transform", train_transform, "From stored image to training input.");
  f.section("test_transform", test_transform, "From stored image to test input.");
  f.section("training", training, "How it is trained.");
}

namespace {

// Keeps the class token and a random part of the patches, the same for the whole batch.
class TokenDrop : public nn::Adaptation {
 public:
  TokenDrop(double keep, Random random) : keep_(keep), random_(random) {}
  Tensor tokens(int layer, Tensor x) override {
    if (layer > 0) return x;
    const int64_t patches = x.size(1) - 1;
    auto kept = random_.permutation(patches);
    kept.resize(size_t(std::max<int64_t>(1, std::llround(keep_ * double(patches)))));
    for (auto& row : kept) ++row;
    kept.insert(kept.begin(), 0);
    return x.index_select(1, tensor_of(kept, x.device()));
  }

 private:
  double keep_;
  Random random_;
};

// What is trained, and how far it is.
struct Training {
  ViT vit;
  nn::Linear projection;  // student width -> teacher width; undefined without a teacher
  int64_t epoch = 0;
  std::vector<Tensor> optimizer;

  void walk(nn::Walk& w) {
    vit.walk(w);
    w("projection", projection);
  }
  void state(Archive& a) {
    nn::Walk walk_tensors([&](const std::string& name, Tensor& tensor) { a(name, tensor); });
    walk(walk_tensors);
    a("epoch", epoch);
    a("optimizer", optimizer);
  }
};

// Copies into `vit` what it can hold of a teacher of the same width: the first blocks, the norms,
// and the patch projection and positions brought to its sizes. Summing a projection over k x k
// pixels makes it see an image as the teacher sees the same image enlarged k times.
void inherit(ViT& vit, const ModelOptions& from) {
  ModelOptions options = from;
  options.image_size = 0;
  const auto loaded = load_vit(options);
  ViT& teacher = *loaded;
  const ViTShape &own = vit.shape(), &its = teacher.shape();
  if (own.width != its.width || own.heads != its.heads || own.hidden != its.hidden ||
      own.depth > its.depth || its.patch_size % own.patch_size != 0)
    fail(ErrorKind::recipe,
         "model.inherit: {} cannot begin as a part of {}: the widths and heads must be "
         "the same, the depth at most the teacher's, and the patch size a divisor of its",
         vit.about(), teacher.about());
  teacher.resize_input(own.grid() * its.patch_size);
  std::map<std::string, Tensor> source;
  for (const auto& item : nn::tensors(teacher)) source[item.name] = item.tensor;
  const int64_t factor = its.patch_size / own.patch_size, side = own.patch_size;
  source["patch_embed.proj.weight"] = source["patch_embed.proj.weight"]
                                          .reshape({own.width, 3, side, factor, side, factor})
                                          .sum(at::IntArrayRef{3, 5});
  NoGrad no_grad;
  for (const auto& item : nn::tensors(vit))
    if (!item.name.starts_with("head")) item.tensor.detach().copy_(source.at(item.name));
}

// The teacher's features of every training image, [N,D], kept in the run folder; on the host.
Tensor teacher_features(const TeacherOptions& options, const Place& place, const Dataset& train,
                        ThreadPool& pool, const fs::path& folder, bool bf16) {
  const fs::path file = folder / "teacher.safetensors";
  Tensor features;
  if (fs::exists(file)) {
    auto archive = Archive::read(file);
    archive("features", features);
    if (features.size(0) == train.size()) return features;
  }
  const auto teacher = load_backbone(options.model);
  teacher->to(place);
  const auto feed = make_feed(*teacher, SampleAccess::source(train));
  features = at::empty({train.size(), teacher->width()});
  Loader loader(train, *feed, pool, 128);
  Progress progress("teacher", train.size(), "images");
  NoGrad no_grad;
  const MixedPrecision precision(bf16);
  int64_t row = 0;
  while (const auto batch = loader.next()) {
    features.slice(0, row, row + batch->size()).copy_(teacher->features(batch->input));
    row += batch->size();
    progress.advance(batch->size());
  }
  Archive archive;
  archive("features", features);
  archive.write(file);
  return features;
}

double test_accuracy(const ViT& vit, const Dataset& test, const Feed& feed, ThreadPool& pool,
                     bool bf16) {
  NoGrad no_grad;
  const MixedPrecision precision(bf16);
  Loader loader(test, feed, pool, 256);
  int64_t right = 0;
  while (auto batch = loader.next()) {
    const Tensor best = vit.logits(vit.features(batch->input)).argmax(-1);
    right += (best == batch->target).sum().item<int64_t>();
  }
  return double(right) / double(test.size());
}

}  // namespace

double pretrain(PretrainOptions& options, const fs::path& folder, bool resume) {
  const auto& how = options.training;
  const bool bf16 = how.precision == "bf16";
  const Place place = place_of(how.device);
  if (bf16 && !place.on_host())
    fail(ErrorKind::recipe, "training.precision is bf16, but on {} LibTorch computes in fp32",
         place.text());
  const fs::path state_file = folder / "state.safetensors";
  if (!resume && fs::exists(state_file))
    fail(ErrorKind::state,
         "{} already contains a run: continue it with --resume or choose another --out",
         folder.string());
  make_folder(folder);
  write_text(folder / "recipe.toml", to_toml(options));

  ThreadPool pool;
  const DataSplits data = open_data(options.data);
  const Dataset train = whole(*data.train), test = whole(*data.test);
  const auto& student = options.model;
  const ViTShape shape{.image_size = student.image_size,
                       .patch_size = student.patch_size,
                       .width = student.width,
                       .depth = student.depth,
                       .heads = student.heads,
                       .hidden = 4 * student.width,
                       .classes = int64_t(data.train->classes().size())};
  const Seeds seeds{uint64_t(options.seed)};
  Training training{.vit = ViT(shape, student.normalize)};
  Random weights = seeds("weights");
  training.vit.initialize(weights);
  if (student.inherit) inherit(training.vit, options.teacher.model);
  Tensor targets;  // [N,D] the teacher's features
  if (!options.teacher.model.name.empty() && options.teacher.weight > 0) {
    targets = teacher_features(options.teacher, place, train, pool, folder, bf16);
    training.projection = nn::Linear(student.width, targets.size(1));
    nn::init_kaiming(training.projection.weight, weights);
  }
  nn::bring(training, place);
  const auto train_feed =
      make_feed(training.vit, *data.train, options.train_transform, {}, "train_transform");
  const auto test_feed = make_feed(training.vit, *data.test, options.test_transform);
  nn::freeze(training, false);
  if (resume && fs::exists(state_file)) {
    auto archive = Archive::read(state_file);
    const Archive::MadeOn there(archive, place.device);
    training.state(archive);
    note(fmt::format("continuing after epoch {}", training.epoch));
  }

  // Biases, norms and positions are not decayed.
  std::vector<ParamGroup> groups(2);
  groups[1].weight_decay_factor = 0;
  for (const auto& item : nn::trainable(training))
    groups[item.tensor.dim() < 2 || item.name == "cls_token" || item.name == "pos_embed"]
        .tensors.push_back(item.tensor);
  Optimizer optimizer(how.optimizer, groups);
  if (!training.optimizer.empty()) optimizer.set_state(training.optimizer);

  double accuracy = 0;
  for (; training.epoch < how.epochs;) {
    const int64_t epoch = training.epoch;
    const double keep = epoch >= how.epochs - how.full_epochs ? 1 : how.keep_tokens;
    TokenDrop drop(keep, seeds("tokens", uint64_t(epoch)));
    const nn::Adaptations adaptations = keep < 1 ? nn::Adaptations{&drop} : nn::Adaptations{};
    Loader loader(train, *train_feed, pool,
                  seeds("order", uint64_t(epoch)).permutation(train.size()), how.batch_size,
                  seeds("augment", uint64_t(epoch)));
    Progress progress(fmt::format("epoch {}/{}", epoch + 1, how.epochs), train.size(), "images");
    double loss_sum = 0;
    int64_t step = 0;
    while (const auto batch = loader.next()) {
      optimizer.zero_grad();
      Tensor loss;
      {
        const MixedPrecision precision(bf16);
        const Tensor features = training.vit.features(batch->input, adaptations);
        loss = nn::cross_entropy(training.vit.logits(features), batch->target, how.label_smoothing);
        if (targets.defined())
          loss = loss + options.teacher.weight *
                            nn::cosine_distance(
                                training.projection(features).to(at::kFloat),
                                on(place.device, targets.index_select(0, batch->sample())));
      }
      loss.backward();
      const double at = double(epoch) + double(step) / double(loader.batches());
      optimizer.step(learning_rate(how.optimizer, at, how.epochs),
                     unscaled_rate(how.optimizer, at, how.epochs));
      loss_sum += loss.item<double>();
      ++step;
      progress.advance(batch->size());
      progress.note(fmt::format("loss {:.3f}", loss_sum / double(step)));
    }
    accuracy = test_accuracy(training.vit, test, *test_feed, pool, bf16);
    training.epoch = epoch + 1;
    training.optimizer = optimizer.state();
    Archive archive;
    training.state(archive);
    archive.write(state_file);
    save_vit(training.vit, folder / "weights.safetensors", /*bf16=*/true,
             {{"name", options.name}, {"epochs", std::to_string(training.epoch)}});
    note(fmt::format("epoch {}/{}: loss {:.3f}, test accuracy {:.1f} %", training.epoch, how.epochs,
                     loss_sum / double(loader.batches()), 100 * accuracy));
  }
  return accuracy;
}

}  // namespace patina
