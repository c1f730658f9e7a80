#include "patina/pretrain/pretrain.h"

#include <algorithm>
#include <optional>

#include "patina/base/error.h"
#include "patina/config/folder_name.h"
#include "patina/config/recipe_file.h"
#include "patina/data/dataset.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"
#include "patina/place.h"
#include "patina/pretrain/epochs.h"
#include "patina/pretrain/token_drop.h"
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
  f("kind", kind, "What is pre-trained: an encoder of images.", {"images", "text", "two_tower"});
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

// What is trained.
struct Training {
  ViT vit;
  nn::Linear projection;  // student width -> teacher width; undefined without a teacher

  void walk(nn::Walk& w) {
    vit.walk(w);
    w("projection", projection);
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
  begin_folder(folder, to_toml(options), resume);

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
    targets = teacher_features(*load_backbone(options.teacher.model), place, train, pool,
                               folder / "teacher.safetensors", bf16);
    training.projection = nn::Linear(student.width, targets.size(1));
    nn::init_kaiming(training.projection.weight, weights);
  }
  nn::bring(training, place);  // the feeds' batches go to the network's place
  const auto train_feed =
      make_feed(training.vit, *data.train, options.train_transform, {}, "train_transform");
  const auto test_feed = make_feed(training.vit, *data.test, options.test_transform);

  double accuracy = 0;
  std::optional<TokenDrop> drop;  // of the epoch
  const EpochPlan plan{
      .epochs = how.epochs,
      .optimizer = how.optimizer,
      .not_decayed = {"cls_token", "pos_embed"},
      .weights = [&](nn::Walk& w) { training.walk(w); },
      .loader =
          [&](int64_t epoch) {
            const double keep = epoch >= how.epochs - how.full_epochs ? 1 : how.keep_tokens;
            drop.reset();
            if (keep < 1) drop.emplace(keep, seeds("tokens", uint64_t(epoch)));
            return std::make_unique<Loader>(
                train, *train_feed, pool, seeds("order", uint64_t(epoch)).permutation(train.size()),
                how.batch_size, seeds("augment", uint64_t(epoch)));
          },
      .loss =
          [&](const Batch& batch, const StepAt&) {
            const MixedPrecision precision(bf16);
            const Tensor features = training.vit.features(
                batch.input, drop ? nn::Adaptations{&*drop} : nn::Adaptations{});
            Tensor loss =
                nn::cross_entropy(training.vit.logits(features), batch.target, how.label_smoothing);
            if (targets.defined())
              loss = loss + options.teacher.weight *
                                nn::cosine_distance(
                                    training.projection(features).to(at::kFloat),
                                    on(place.device, targets.index_select(0, batch.sample())));
            return loss;
          },
      .end =
          [&](int64_t epoch) {
            accuracy = test_accuracy(training.vit, test, *test_feed, pool, bf16);
            save_vit(training.vit, folder / "weights.safetensors", /*bf16=*/true,
                     {{"name", options.name}, {"epochs", std::to_string(epoch)}});
            return fmt::format("test accuracy {:.1f} %", 100 * accuracy);
          }};
  train_epochs(plan, folder, place, resume);
  return accuracy;
}

}  // namespace patina
