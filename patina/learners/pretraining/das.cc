// DAS (Ke et al., "Continual Pre-training of Language Models", ICLR 2023): before the first domain
// and after each, every head and unit gets an importance; later gradients of a unit's own weights
// are multiplied by one minus it. What is important for the model's general knowledge is measured
// without its data, by how two passes with dropout differ. A contrast keeps what is learned apart
// from what the important units alone make of a text.
#include "patina/learners/pretraining/das.h"

#include "patina/base/error.h"
#include "patina/learn/adapted.h"
#include "patina/learners/pretraining/round_learner.h"
#include "patina/learners/regularization/fisher.h"
#include "patina/memory/sample_memory.h"
#include "patina/models/answer_scores.h"
#include "patina/models/text/text_tower.h"
#include "patina/nn/dropout.h"
#include "patina/nn/layers.h"
#include "patina/ops.h"

namespace patina {

namespace {

Tensor weight(const Backbone& backbone, int64_t layer, const char* name) {
  return weight_of(backbone, fmt::format("text.blocks.{}.{}", layer, name));
}

}  // namespace

void Units::walk(nn::Walk& w) {
  w("heads", heads);
  w("hidden", hidden);
  w("outputs", outputs);
}

Gates::Gates(const Backbone& backbone, double dropout)
    : head_size_(backbone.block().size()), dropout_(dropout) {
  const TowerShape tower = backbone.tower();
  for (int64_t layer = 0; layer < tower.layers; ++layer) {
    proj_.push_back(weight(backbone, layer, "attn.proj.weight"));
    fc2_.push_back(weight(backbone, layer, "mlp.fc2.weight"));
  }
  values = {.heads = at::ones({tower.layers, tower.block.heads}),
            .hidden = at::ones({tower.layers, tower.block.hidden}),
            .outputs = at::ones({tower.layers, tower.block.width})};
  set_tower(tower.tower);
  nn::bring(*this, tower.place);
}

bool Gates::acts(nn::Site site) const {
  return site == nn::Site::proj || site == nn::Site::attention || site == nn::Site::fc2 ||
         site == nn::Site::mlp;
}

// A layer's output changes by W (in * (gate - 1)), whatever computed it.
Tensor Gates::after(nn::Site site, int layer, const Tensor& in, Tensor out) {
  switch (site) {
    case nn::Site::proj: {
      const Tensor change = (values.heads[layer] - 1).repeat_interleave(head_size_);
      return out + nn::linear(in * change, proj_[size_t(layer)]);
    }
    case nn::Site::fc2:
      return out + nn::linear(in * (values.hidden[layer] - 1), fc2_[size_t(layer)]);
    case nn::Site::attention:
      return nn::dropout(out, dropout_);
    case nn::Site::mlp:
      return nn::dropout(out * values.outputs[layer], dropout_);
    default:
      return out;
  }
}

Units normalised(const Units& raw) {
  NoGrad no_grad;
  const auto of_layers = [](const Tensor& t) {
    const Tensor apart = t - t.mean(-1, true);
    const Tensor deviation = apart.square().mean(-1, true).sqrt();
    return at::tanh(apart / deviation.clamp_min(1e-30)).abs();
  };
  return {of_layers(raw.heads), of_layers(raw.hidden), of_layers(raw.outputs)};
}

void soften_gradients(Backbone& backbone, const Units& importance) {
  NoGrad no_grad;
  const nn::BlockShape shape = backbone.block();
  const int64_t size = shape.size(), keys = shape.key_width() / size;
  const auto scale = [&](int64_t layer, const char* name, const Tensor& by) {
    const Tensor tensor = weight(backbone, layer, name);
    if (tensor.defined() && tensor.grad().defined()) tensor.mutable_grad().mul_(by);
  };
  for (int64_t layer = 0; layer < backbone.layers(); ++layer) {
    const Tensor of_heads = importance.heads[layer];
    const Tensor of_keys = of_heads.view({keys, shape.heads / keys}).amax(1);
    const Tensor queries = (1 - of_heads).repeat_interleave(size);
    const Tensor shared = (1 - of_keys).repeat_interleave(size);
    const Tensor qkv = at::cat({queries, shared, shared});
    Tensor hidden = 1 - importance.hidden[layer];
    if (shape.gated) hidden = at::cat({hidden, hidden});
    const Tensor outputs = 1 - importance.outputs[layer];
    scale(layer, "attn.qkv.weight", qkv.unsqueeze(1));
    scale(layer, "attn.qkv.bias", qkv);
    scale(layer, "attn.proj.weight", queries.unsqueeze(0));
    scale(layer, "mlp.fc1.weight", hidden.unsqueeze(1));
    scale(layer, "mlp.fc1.bias", hidden);
    scale(layer, "mlp.fc2.weight", outputs.unsqueeze(1));
    scale(layer, "mlp.fc2.bias", outputs);
  }
}

Tensor view_contrast(const Tensor& one, const Tensor& two, const Tensor& apart,
                     double temperature) {
  const Tensor from = unit_length(one);
  const Tensor to = at::cat({unit_length(two), unit_length(apart)});  // [2B,D]
  const Tensor scores = at::log_softmax(from.matmul(to.t()) / temperature, 1);
  return -scores.slice(1, 0, one.size(0)).diagonal().mean();
}

class Das : public RoundLearner {
 public:
  struct Options : LearnerOptions, RoundOptions {
    double dropout = 0.1;
    double contrast = 1;
    double temperature = 0.05;
    int64_t importance_samples = 256;
    void bind(Fields& f) override {
      f("dropout", dropout, "Part of each half of a block that is dropped while the method learns.",
        {.low = 0, .high = 1, .low_open = true, .high_open = true});
      f("contrast", contrast, "Weight of the contrast between views; 0: none.", at_least(0));
      f("temperature", temperature, "Of the contrast.", above(0));
      f("importance_samples", importance_samples,
        "Samples of a task on which importance is measured.", at_least(1));
      RoundOptions::bind(f);
    }
  };

  Das(Setup setup, const Options& options)
      : RoundLearner(setup, {.tune = "full"}, options),
        options_(options),
        gates_(setup.backbone, options.dropout),
        important_(setup.backbone, options.dropout) {
    important_.values = {at::zeros_like(gates_.values.heads), at::zeros_like(gates_.values.hidden),
                         at::zeros_like(gates_.values.outputs)};
  }

  // Of general knowledge: how two passes with dropout differ.
  void begin_task(const Task& task, Trainer& trainer) override {
    RoundLearner::begin_task(task, trainer);
    if (task.index > 0) return;
    Random random = seeds()("views");
    int64_t views = 0;
    raise_importance(task, trainer, [&](const Batch& batch) {
      const auto view = [&] {
        const nn::Dropping dropping(random.at(uint64_t(views++)));
        return at::log_softmax(
            answer_scores(backbone(), batch.input, nn::Adaptations{&gates_}).scores, -1,
            at::kFloat);
      };
      const Tensor p = view(), q = view();
      return (p.exp() * (p - q)).sum(1).mean();
    });
  }

  // Of the domain: its own loss.
  void end_task(const Task& task, Trainer& trainer) override {
    raise_importance(task, trainer, [&](const Batch& batch) {
      return answer_losses(answer_scores(backbone(), batch.input, nn::Adaptations{&gates_})).mean();
    });
  }

  Tensor loss(const Batch& batch, const Step& step) override {
    note_annealing(step);
    const Tensor one = backbone().tokens(batch.input, {&gates_});
    const Tensor losses = answer_losses(answer_scores_of(backbone(), batch.input, one));
    Tensor loss = losses.sum() / double(step.tokens);
    if (options_.contrast == 0) return loss;
    if (batch.input.positions.defined())
      fail(ErrorKind::recipe,
           "das contrasts texts, and packed rows hold several: set training.pack = false, or "
           "learner.contrast = 0");
    // A part of a batch counts as much as its tokens.
    const double share = double(losses.size(0)) / double(step.tokens);
    return loss + options_.contrast * share *
                      view_contrast(mean_of(one, batch.input.mask), view(batch.input, gates_),
                                    view(batch.input, important_), options_.temperature);
  }

  void after_backward(const Step&) override { soften_gradients(backbone(), important_.values); }

  void state(Archive& a) override {
    RoundLearner::state(a);
    a("importance", important_);
  }

 private:
  Tensor view(const Input& input, Gates& gates) const {
    return mean_of(backbone().tokens(input, {&gates}), input.mask);
  }

  // The mean over samples of |d loss / d gate|, normalised; of each unit the largest so far stays.
  void raise_importance(const Task& task, Trainer& trainer,
                        const std::function<Tensor(const Batch&)>& loss) {
    const auto index = uint64_t(task.index);
    std::vector<int64_t> chosen;
    for (const size_t i : drawn(size_t(options_.importance_samples), size_t(task.train->size()),
                                seeds()("importance", index)))
      chosen.push_back(int64_t(i));
    nn::freeze(gates_, false);
    const Weights sums =
        mean_of_gradients(nn::tensors(gates_), task.train->select(chosen), trainer,
                          seeds()("importance order", index),
                          /*by_batch=*/false, "importance", loss,
                          [](const Tensor& sum, const Tensor& g) { sum.add_(g.abs()); });
    nn::freeze(gates_);
    Units now = normalised({sums[0], sums[1], sums[2]});
    NoGrad no_grad;
    const auto raise = [](Tensor& kept, const Tensor& more) { kept = at::maximum(kept, more); };
    raise(important_.values.heads, now.heads);
    raise(important_.values.hidden, now.hidden);
    raise(important_.values.outputs, now.outputs);
  }

  Options options_;
  Gates gates_;      // all 1
  Gates important_;  // the importance of each unit
};

LearnerRow das_learner() {
  return learner_row<Das>(
      {.paper = "Ke et al., ICLR 2023",
       .about = "Multiplies the gradients of a unit's weights by one minus its importance for "
                "general and for earlier domains' knowledge, and contrasts what is learned with "
                "what the important units make of a text.",
       .stores = "The network, and the importance of each head, hidden unit "
                 "and output.",
       .differs =
           "The authors' code multiplies gradients of queries, keys and values along their inputs, "
           "sums signed gradients without resetting them, and pairs two samples as views of one; "
           "here it is as in the paper. The loss is a decoder's own, of the next word. A head's "
           "importance also softens the columns by which it leaves.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::decoder,
       .training = round_training(1e-4, 248)});
}

}  // namespace patina
