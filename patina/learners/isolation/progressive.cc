// Progressive networks: every task adds a network of its own, a column, whose layers also read the
// activations of all earlier columns; these are frozen. Rusu et al., "Progressive Neural Networks",
// 2016.
#include <limits>

#include <fmt/format.h>

#include "patina/learn/network_learner.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

namespace {

// Lateral connection from the earlier columns to a layer: U σ(V [α_j h_j]_j), with as many hidden
// units as the layer below has (equation 2 of the paper).
struct Lateral {
  Tensor scale;  // α, one per column
  nn::Linear down, up;

  Lateral(int64_t columns, int64_t in, int64_t out)
      : scale(at::zeros({columns})), down(columns * in, in), up(in, out, /*with_bias=*/false) {}

  void initialize(Random& random) {
    constexpr double kSmall = 0.1;
    nn::init_uniform(scale, random, 0, kSmall);
    nn::init_kaiming(down.weight, random);
    down.bias.zero_();
    nn::init_kaiming(up.weight, random);
    nn::freeze(*this, false);
  }
  Tensor operator()(const std::vector<Tensor>& units) const {  // one [B,in] per column -> [B,out]
    std::vector<Tensor> scaled;
    for (size_t j = 0; j < units.size(); ++j) scaled.push_back(units[j] * scale[int64_t(j)]);
    return up(at::relu(down(at::cat(scaled, 1))));
  }
  void walk(nn::Walk& w) {
    w("scale", scale);
    w("down", down);
    w("up", up);
  }
};

struct Column {
  std::unique_ptr<Backbone> network;
  std::vector<Lateral> laterals;  // one for each layer after the first, then one for the head

  void walk(nn::Walk& w) {
    network->walk(w);
    w("laterals", laterals);
  }
};

// Adds the lateral inputs to the layers of a column, and records the activations of its units.
class Joined : public nn::Adaptation {
 public:
  // units[l][j]: layer l of column j, [B,units].
  Joined(const Column& column, std::vector<std::vector<Tensor>>& units)
      : column_(column), units_(units) {}

  Tensor after(nn::Site site, int layer, const Tensor& in, Tensor out) override {
    if (site != nn::Site::fc1 || layer == 0) return out;
    auto& below = units_[size_t(layer) - 1];
    if (!below.empty()) out = out + column_.laterals[size_t(layer) - 1](below);
    below.push_back(in);
    return out;
  }
  bool acts(nn::Site site) const override { return site == nn::Site::fc1; }

 private:
  const Column& column_;
  std::vector<std::vector<Tensor>>& units_;
};

}  // namespace

class Progressive : public Learner {
 public:
  struct Options : LearnerOptions {};

  Progressive(Setup setup, const Options&) : initial_(setup.backbone), seeds_(setup.seeds) {
    for (const auto& item : nn::tensors(initial_))
      if (item.tensor.dim() == 2) units_.push_back(item.tensor.size(0));
  }

  void begin_task(const Task& task, Trainer&) override {
    for (auto& column : columns_) nn::freeze(column);
    heads_.freeze();
    Random random = seeds_("column", uint64_t(task.index));
    add_column(int64_t(task.fresh.size()));
    Column& column = columns_.back();
    if (task.index > 0) column.network->initialize(random);
    for (auto& lateral : column.laterals) lateral.initialize(random);
    nn::freeze(column, false);
    heads_.add(int64_t(task.fresh.size()), initial_.width(), random, initial_.place());
  }

  // Cross-entropy among the task's own classes.
  Tensor loss(const Batch& batch, const Step&) override {
    return nn::cross_entropy(task_scores(columns_.size() - 1, batch.input),
                             batch.target - heads_.known());
  }

  // Scores of the known task's classes; -inf for all others.
  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    return by_task(asked, [&](int64_t task, const Input& input) {
      const auto sizes = heads_.sizes();
      int64_t first = 0;
      for (int64_t t = 0; t < task; ++t) first += sizes[size_t(t)];
      Tensor scores = at::full({input.size(), heads_.classes()},
                               -std::numeric_limits<float>::infinity(), initial_.place().options());
      scores.slice(1, first, first + sizes[size_t(task)]).copy_(task_scores(size_t(task), input));
      return scores;
    });
  }

  std::vector<ParamGroup> trainable() override {
    return {trainable_group(columns_.back(), heads_.newest())};
  }

  void state(Archive& a) override {
    a("heads", heads_);
    if (a.loading()) {
      columns_.clear();
      for (const int64_t classes : heads_.sizes()) add_column(classes);
    }
    for (size_t j = 0; j < columns_.size(); ++j) a(fmt::format("column_{}", j), columns_[j]);
  }

 private:
  void add_column(int64_t classes) {
    const auto earlier = int64_t(columns_.size());
    Column column{initial_.clone(), {}};
    for (size_t l = 1; earlier > 0 && l < units_.size(); ++l)
      column.laterals.emplace_back(earlier, units_[l - 1], units_[l]);
    if (earlier > 0) column.laterals.emplace_back(earlier, units_.back(), classes);
    for (auto& lateral : column.laterals) nn::bring(lateral, initial_.place());
    columns_.push_back(std::move(column));
  }

  // Scores of a task's column, with its lateral inputs: [B,K_task].
  Tensor task_scores(size_t task, const Input& input) const {
    std::vector<std::vector<Tensor>> units(units_.size());
    for (size_t j = 0;; ++j) {
      Joined joined(columns_[j], units);
      const Tensor features = columns_[j].network->features(input, {&joined});
      if (j < task) {
        units.back().push_back(features);
        continue;
      }
      const Tensor scores = heads_.of_task(task, features);
      return j == 0 ? scores : scores + columns_[j].laterals.back()(units.back());
    }
  }

  Backbone& initial_;  // never trained; new columns are copies of it
  Seeds seeds_;
  std::vector<int64_t> units_;  // per layer
  std::vector<Column> columns_;
  nn::TaskHeads heads_;
};

LearnerRow progressive_learner() {
  return learner_row<Progressive>(
      {.paper = "Rusu et al., 2016",
       .about = "Adds a network for every task that also reads the layers of all earlier ones.",
       .stores = "A network for every task, what joins it to the earlier ones, a head a task.",
       .differs = "Columns are multi-layer perceptrons; the first begins with the network's own "
                  "weights, later ones with fresh ones.",
       .needs = {.task_id_at_train = true,
                 .task_id_at_test = true,
                 .boundaries = true,
                 .many_passes = true,
                 .new_classes = true},
       .network = Network::mlp,
       .training = {.epochs = 10,
                    .batch_size = 64,
                    .optimizer = {.optimizer = "adam", .lr = 1e-3, .schedule = "constant"}}});
}

}  // namespace patina
