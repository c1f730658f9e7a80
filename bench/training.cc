#include "bench/training.h"

#include "patina/learn/adapted.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina::bench {

namespace {

constexpr int64_t kClasses = 100;
constexpr double kRate = 0.01;

std::unique_ptr<nn::Adaptation> make(Adapting adapting, const ViT& vit) {
  if (adapting == Adapting::network) return nullptr;
  Random random = Seeds(1)("adaptation");
  if (adapting == Adapting::adapter) return make_adapter({.bottleneck = 64}, vit.tower(), random);
  return make_prefix({.length = 20, .layers = {0, 1, 2, 3, 4}}, vit.tower(), random);
}

}  // namespace

std::string text(Adapting adapting) {
  switch (adapting) {
    case Adapting::prefix:
      return "prefix prompts";
    case Adapting::adapter:
      return "adapters";
    case Adapting::network:
      break;
  }
  return "the whole network";
}

Way eager_fp32() {
  return {nn::plain_engine()};
}
Way autocast_bf16() {
  return {nn::plain_engine(), true};
}
Way packed(nn::Precision precision) {
  return {nn::packed_engine(precision)};
}

Training::Training(ViT& vit, Adapting adapting, Way way)
    : vit_(vit), adapting_(adapting), way_(std::move(way)), adaptation_(make(adapting, vit)) {
  Random random = Seeds(1)("head");
  head_.grow(kClasses, vit.width(), random);
  nn::freeze(head_, false);
  ParamGroup trained;
  if (adaptation_)
    for (auto& item : nn::trainable(*adaptation_)) trained.tensors.push_back(item.tensor);
  else
    for (auto& item : nn::tensors(vit_))
      if (item.learned) trained.tensors.push_back(item.tensor);
  for (auto& item : nn::trainable(head_)) trained.tensors.push_back(item.tensor);
  optimizer_.emplace(OptimizerOptions{.optimizer = "sgd"}, std::vector{trained});
}

Tensor Training::features(const Tensor& images) const {
  return adaptation_ ? vit_.features(images, {adaptation_.get()}) : vit_.features(images);
}

double Training::step(const Tensor& images) {
  vit_.set_engine(way_.engine);
  nn::freeze(vit_, adapting_ != Adapting::network);
  optimizer_->zero_grad();
  Tensor loss;
  {
    MixedPrecision mixed(way_.autocast);
    const Tensor scores = head_(features(images).to(at::kFloat));
    loss = nn::cross_entropy(scores.to(at::kFloat), at::arange(images.size(0)) % kClasses);
  }
  loss.backward();
  optimizer_->step(kRate);
  return loss.item<double>();
}

}  // namespace patina::bench
