#include "patina/learners/isolation/masked_adapters.h"

#include <cmath>

#include <fmt/format.h>

#include "patina/base/json.h"
#include "patina/config/sizes.h"
#include "patina/learn/own_heads.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

namespace {

constexpr int64_t kCapsule = 3;     // C
constexpr int64_t kChannels = 100;  // of a convolution
constexpr int kRounds = 3;          // of dynamic routing
constexpr size_t kLayers = 3;       // masked ones at a place
constexpr double kSmall = 0.01;     // so that a new adapter changes little

nn::Linear drawn_linear(int64_t in, int64_t out, Random& random, bool bias = true) {
  nn::Linear layer(in, out, bias);
  nn::init_kaiming(layer.weight, random);
  if (bias) layer.bias.zero_();
  return layer;
}

// What the convolutions of `capsule` see of `read` [B,T,C], as the maximum over the text:
// [B,3*100]. Zeros before and behind make the result the same for any padding.
Tensor seen(const Capsule& capsule, const Tensor& read, const Tensor& add) {
  std::vector<Tensor> parts;
  for (size_t k = 0; k < capsule.windows.size(); ++k) {
    const int64_t size = 3 + int64_t(k);
    const Tensor padded = at::constant_pad_nd(read, {0, 0, size, size}).unsqueeze(1);
    const Tensor kernel = capsule.windows[k].weight.reshape({kChannels, 1, size, kCapsule});
    Tensor out = at::conv2d(padded, kernel, capsule.windows[k].bias).squeeze(3);  // [B,100,T']
    if (add.defined())
      out = out + add.slice(1, int64_t(k) * kChannels, int64_t(k + 1) * kChannels).unsqueeze(2);
    parts.push_back(at::relu(out).amax(2));
  }
  return at::cat(parts, 1);
}

// 1 where the first of two scores [B,2] wins, with the gradient of its probability.
Tensor gated(const Tensor& scores, Random* noise) {
  Tensor z = scores;
  if (noise) {
    Tensor uniform = at::empty(z.sizes());
    noise->fill_uniform(host_values(uniform), 1e-6, 1 - 1e-6);
    z = z - at::log(-at::log(on(z.device(), uniform)));
  }
  const Tensor p = at::softmax(z, 1).select(1, 0);
  const Tensor hard = p.detach().gt(0.5).to(p.scalar_type());
  return noise ? hard - p.detach() + p : hard;
}

}  // namespace

void MaskedAdapterOptions::bind(Fields& f) {
  f("hidden", hidden, "Units within an adapter.", sized(1));
  f("steepness", steepness, "Of the masks at the end of an epoch and in use (s_max).", above(1));
  f("sparsity", sparsity, "Weight of the units used beyond those of earlier tasks (λ).",
    at_least(0));
  f("norms", norms, "Whether the network's norms are trained, which nothing protects.");
}

Capsule::Capsule(int64_t width, Sharing sharing, Random& random)
    : read(drawn_linear(width, kCapsule, random)), route(at::empty({kCapsule, kCapsule})) {
  nn::init_normal(route, random, 0, 1);
  if (sharing != Sharing::transfer) return;
  for (size_t k = 0; k < windows.size(); ++k)
    windows[k] = drawn_linear((3 + int64_t(k)) * kCapsule, kChannels, random);
  const int64_t seen = int64_t(windows.size()) * kChannels;
  query = drawn_linear(seen, seen, random, /*bias=*/false);
  gate = drawn_linear(seen, 2, random);
  likeness = drawn_linear(seen, kCapsule, random);
}

void Capsule::walk(nn::Walk& w) {
  w("read", read);
  w("route", route);
  for (size_t k = 0; k < windows.size(); ++k) w(fmt::format("window_{}", 3 + k), windows[k]);
  w("query", query);
  w("gate", gate);
  w("likeness", likeness);
}

Tensor squashed(const Tensor& v) {
  const Tensor squared = v.square().sum(-1, /*keepdim=*/true);
  return v * (squared / (1 + squared) * at::rsqrt(squared + 1e-12));
}

Tensor routed(const std::vector<Tensor>& votes) {
  const Tensor u = at::stack(votes);  // [tasks,B,T,C]
  Tensor b = at::zeros_like(u), v;
  for (int round = 0; round < kRounds; ++round) {
    v = (at::softmax(b, 0) * u).sum(0);
    if (round + 1 < kRounds) b = b + u * squashed(v.unsqueeze(-1)).squeeze(-1).unsqueeze(0);
  }
  return v;
}

Tensor transferred(const std::vector<Capsule>& capsules, size_t task,
                   const std::vector<Tensor>& read, const Tensor& there, Random* noise) {
  const Capsule& own = capsules[task];
  std::vector<Tensor> visible;
  for (const auto& c : read) visible.push_back(there.defined() ? c * there.unsqueeze(2) : c);
  const Tensor query = own.query(seen(own, visible[task], {}));  // [B,300]
  Tensor sum;
  for (size_t i = 0; i <= task; ++i) {
    const Tensor y = seen(own, visible[i], query);
    const Tensor weight = gated(own.gate(y), noise).unsqueeze(1) * own.likeness(y);  // [B,C]
    const Tensor part = weight.unsqueeze(1) * at::matmul(read[i], capsules[i].route);
    sum = i == 0 ? part : sum + part;
  }
  return sum;
}

MaskedAdapter::MaskedAdapter(int64_t width, int64_t hidden, Sharing sharing)
    : fc1(width, hidden), fc2(hidden, width) {
  if (sharing != Sharing::none) up = nn::Linear(kCapsule, width);
}

void MaskedAdapter::initialize(Random& random) {
  NoGrad no_grad;
  nn::init_kaiming(fc1.weight, random);
  fc1.bias.zero_();
  nn::init_normal(fc2.weight, random, 0, kSmall);
  fc2.bias.zero_();
  if (up.weight.defined()) {
    nn::init_normal(up.weight, random, 0, kSmall);
    up.bias.zero_();
  }
}

void MaskedAdapter::walk(nn::Walk& w) {
  w("up", up);
  w("fc1", fc1);
  w("fc2", fc2);
  w("capsules", capsules);
}

// A pass under some masks, for a task's capsules and those before.
class MaskedAdapterLearner::Pass : public nn::Adaptation {
 public:
  Pass(const MaskedAdapterLearner& learner, size_t task, const std::vector<Tensor>& masks,
       const Input& input, std::optional<Random> noise)
      : learner_(learner), task_(task), masks_(masks), noise_(noise) {
    if (input.mask.defined()) there_ = input.mask.to(at::kFloat);
  }

  Tensor after(nn::Site site, int layer, const Tensor&, Tensor out) override {
    if (!acts(site)) return out;
    const size_t place = size_t(layer) * 2 + (site == nn::Site::mlp);
    const MaskedAdapter& adapter = learner_.places_[place];
    const Tensor* mask = &masks_[place * kLayers];
    const Tensor x = out.to(at::kFloat);
    Tensor in = x;
    if (learner_.sharing_ != Sharing::none)
      in = x + adapter.up(shared(adapter, x, place)) * mask[0];
    const Tensor hidden = at::relu(adapter.fc1(in)) * mask[1];
    return x + at::relu(adapter.fc2(hidden)) * mask[2];
  }
  bool acts(nn::Site site) const override {
    return site == nn::Site::attention || site == nn::Site::mlp;
  }

 private:
  Tensor shared(const MaskedAdapter& adapter, const Tensor& x, size_t place) const {
    std::vector<Tensor> read;
    for (size_t i = 0; i <= task_; ++i) read.push_back(squashed(adapter.capsules[i].read(x)));
    if (learner_.sharing_ == Sharing::transfer) {
      std::optional<Random> noise;
      if (noise_) noise = noise_->at(place);
      return transferred(adapter.capsules, task_, read, there_, noise ? &*noise : nullptr);
    }
    for (size_t i = 0; i <= task_; ++i) read[i] = at::matmul(read[i], adapter.capsules[i].route);
    return routed(read);
  }

  const MaskedAdapterLearner& learner_;
  size_t task_;
  const std::vector<Tensor>& masks_;
  Tensor there_;                 // [B,T]: 0 where there is padding
  std::optional<Random> noise_;  // in training
};

MaskedAdapterLearner::MaskedAdapterLearner(Setup setup, const MaskedAdapterOptions& options,
                                           Sharing sharing)
    : backbone_(setup.backbone),
      seeds_(setup.seeds),
      options_(options),
      sharing_(sharing),
      attention_(units(), options.steepness, setup.backbone.place().options()) {
  Random random = seeds_("adapters");
  for (int64_t i = 0; i < backbone_.layers() * 2; ++i) {
    places_.emplace_back(backbone_.block().width, options.hidden, sharing);
    places_.back().initialize(random);
    nn::bring(places_.back(), backbone_.place());
  }
  if (options.norms)
    for (auto& item : norms()) item.tensor.requires_grad_(true);
}

// Layers that are not masked have no units.
std::vector<int64_t> MaskedAdapterLearner::units() const {
  const int64_t width = backbone_.block().width;
  std::vector<int64_t> units;
  for (int64_t i = 0; i < backbone_.layers() * 2; ++i)
    for (const int64_t count :
         {sharing_ == Sharing::none ? int64_t{0} : width, options_.hidden, width})
      units.push_back(count);
  return units;
}

std::vector<nn::NamedTensor> MaskedAdapterLearner::norms() const {
  std::vector<nn::NamedTensor> norms;
  for (auto& item : nn::tensors(backbone_))
    if (item.name.find("norm1.") != std::string::npos ||
        item.name.find("norm2.") != std::string::npos)
      norms.push_back(item);
  return norms;
}

void MaskedAdapterLearner::add_capsules(Random random) {
  if (sharing_ == Sharing::none) return;
  NoGrad no_grad;
  for (auto& place : places_) {
    for (auto& capsule : place.capsules) nn::freeze(capsule);
    place.capsules.emplace_back(backbone_.block().width, sharing_, random);
    nn::bring(place.capsules.back(), backbone_.place());
    nn::freeze(place.capsules.back(), false);
  }
}

void MaskedAdapterLearner::begin_task(const Task& task, Trainer&) {
  add_capsules(seeds_("capsules", uint64_t(task.index)));
  for (auto& place : places_)
    for (auto* layer : {&place.up, &place.fc1, &place.fc2}) nn::freeze(*layer, false);
  attention_.begin_task(seeds_("embedding", uint64_t(task.index)));
  heads_.freeze();
  if (task.fresh.empty()) return;
  Random random = seeds_("head", uint64_t(task.index));
  heads_.add(int64_t(task.fresh.size()), backbone_.width(), random, backbone_.place());
}

Tensor MaskedAdapterLearner::features(const Input& input, size_t task) const {
  const auto masks = attention_.of_task(int64_t(task));
  Pass pass(*this, task, masks, input, {});
  return backbone_.features(input, {&pass});
}

Tensor MaskedAdapterLearner::features_in(const Input& input, const std::vector<Tensor>& masks,
                                         const Step& step) const {
  Pass pass(*this, tasks() - 1, masks, input, seeds_("gates", step.number()));
  return backbone_.features(input, {&pass});
}

Tensor MaskedAdapterLearner::error(const Tensor& features, const Batch& batch, const Step&) {
  return nn::cross_entropy(heads_.newest()(features), batch.target - heads_.known());
}

Tensor MaskedAdapterLearner::loss(const Batch& batch, const Step& step) {
  const auto masks = attention_.training(attention_.scale(step));
  return error(features_in(batch.input, masks, step), batch, step) +
         attention_.taken(masks) * options_.sparsity;
}

std::vector<MaskedAdapterLearner::Guarded> MaskedAdapterLearner::guarded() const {
  std::vector<Guarded> list;
  for (size_t i = 0; i < places_.size(); ++i) {
    const size_t shared = i * kLayers, fc1 = shared + 1, fc2 = shared + 2;
    const MaskedAdapter& place = places_[i];
    if (place.up.weight.defined()) {
      list.push_back({place.up.weight, attention_.freedom_of_rows(shared, 2)});
      list.push_back({place.up.bias, attention_.freedom_of_rows(shared, 1)});
    }
    list.push_back({place.fc1.weight, attention_.freedom_of_rows(fc1, 2)});
    list.push_back({place.fc1.bias, attention_.freedom_of_rows(fc1, 1)});
    list.push_back({place.fc2.weight, attention_.freedom(fc2, fc1)});
    list.push_back({place.fc2.bias, attention_.freedom_of_rows(fc2, 1)});
  }
  return list;
}

void MaskedAdapterLearner::after_backward(const Step& step) {
  before_.clear();
  for (const auto& [weight, freedom] : guarded()) before_.push_back(weight.detach().clone());
  attention_.compensate(step);
}

// What a step changes is scaled, not the gradient, which Adam would scale back.
void MaskedAdapterLearner::after_step(const Batch&, const Step&) {
  NoGrad no_grad;
  const auto list = guarded();
  for (size_t i = 0; i < list.size(); ++i) {
    Tensor weight = list[i].weight;
    weight.copy_(before_[i] + (weight - before_[i]) * list[i].freedom);
  }
  before_.clear();
  attention_.clamp();
}

void MaskedAdapterLearner::end_task(const Task&, Trainer&) {
  attention_.end_task();
}

Tensor MaskedAdapterLearner::scores(const Question& asked) const {
  NoGrad no_grad;
  return own_scores(asked, heads_,
                    [this](size_t task, const Input& input) { return features(input, task); });
}

std::vector<ParamGroup> MaskedAdapterLearner::trainable() {
  ParamGroup group;
  for (auto& place : places_)
    for (auto& item : nn::trainable(place)) group.tensors.push_back(item.tensor);
  for (auto& item : norms())
    if (item.tensor.requires_grad()) group.tensors.push_back(item.tensor);
  for (auto& tensor : attention_.trained())
    if (tensor.numel() > 0) group.tensors.push_back(tensor);
  for (auto& tensor : heads_.tensors())
    if (tensor.requires_grad()) group.tensors.push_back(tensor);
  return {group};
}

void MaskedAdapterLearner::state(Archive& a) {
  a("heads", heads_);
  attention_.state(a);
  if (a.loading()) {
    for (auto& place : places_) place.capsules.clear();
    for (int64_t t = 0; t < attention_.tasks(); ++t) add_capsules(Random());
  }
  for (size_t i = 0; i < places_.size(); ++i) a(fmt::format("place_{}", i), places_[i]);
  for (auto& item : norms()) a("network." + item.name, item.tensor);
}

Json MaskedAdapterLearner::diagnostics() const {
  Json parts = Json::array();
  for (size_t i = 0; i < places_.size(); ++i)
    parts.push_back(attention_.used(i * kLayers + 1).gt(0.5).to(at::kDouble).mean().item<double>());
  return {{"units_used", parts}};
}

LearnerRow masked_adapters_of_told_tasks(LearnerRow row) {
  row.needs = {.task_id_at_train = true,
               .task_id_at_test = true,
               .boundaries = true,
               .many_passes = true,
               .new_classes = true};
  row.training = {.epochs = 10,
                  .batch_size = 32,
                  .optimizer = {.optimizer = "adam", .lr = 5e-5, .schedule = "constant"}};
  return row;
}

}  // namespace patina
