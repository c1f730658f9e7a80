// OSF, orthogonal subspace fine-tuning (Nayak et al., "Sculpting Subspaces: Constrained Full
// Fine-Tuning in LLMs for Continual Learning", 2025): the large singular values of every weight
// stay as they are, with their vectors, and the rest of the weight learns in directions orthogonal
// to them.
#include <algorithm>

#include "patina/learners/instruction/answer_learner.h"
#include "patina/models/linear_layers.h"
#include "patina/ops.h"

namespace patina {

class Osf : public AnswerLearner {
 public:
  struct Options : LearnerOptions {
    std::vector<double> protect = {0.3, 0.5, 0.7};
    AnswerLossOptions loss;
    void bind(Fields& f) override {
      f("protect", protect,
        "The part of a weight's singular values, largest first, that a task may not change; a "
        "number "
        "a task, of which the last is for all that follow.",
        {.low = 0, .high = 1, .low_open = true, .high_open = true});
      f.require(!protect.empty(), "protect", "is empty: name the part of the first task");
      loss.bind(f);
    }
  };

  Osf(Setup setup, const Options& options)
      : AnswerLearner(setup, {.tune = "full"}, options.loss), options_(options) {
    nn::freeze(backbone());
    const nn::BlockShape shape = backbone().block();
    const auto fc1 = shape.gated ? std::vector{adapt::Part::gate, adapt::Part::up}
                                 : std::vector{adapt::Part::fc1};
    std::vector<adapt::Part> all = {adapt::Part::q, adapt::Part::k, adapt::Part::v, adapt::Part::o,
                                    adapt::Part::fc2};
    all.insert(all.end(), fc1.begin(), fc1.end());
    for (int64_t layer = 0; layer < backbone().layers(); ++layer)
      for (const auto part : all) {
        const auto rows = adapt::part_shape(part, shape);
        Tensor weight = layer_weight(backbone(), layer, part).requires_grad_(true);
        parts_.push_back({.weight = weight, .from = rows.from, .rows = rows.rows});
      }
  }

  // W = U_h Σ_h V_h + U S V, the second of which learns.
  void begin_task(const Task& task, Trainer&) override {
    NoGrad no_grad;
    const double protect =
        options_.protect[std::min(size_t(task.index), options_.protect.size() - 1)];
    for (Part& part : parts_) {
      const Tensor w = part.of_weight();
      const auto [u, s, v] = on_host(w).to(at::kDouble).svd();
      const auto high = std::max<int64_t>(1, int64_t(protect * double(s.size(0))));
      const auto to = [&](const Tensor& t) { return t.contiguous().to(w.options()); };
      part.u_high = to(u.slice(1, 0, high));
      part.v_high = to(v.slice(1, 0, high).t());
      part.fixed = to((u.slice(1, 0, high) * s.slice(0, 0, high)).matmul(v.slice(1, 0, high).t()));
      part.u = to(u.slice(1, high)).requires_grad_(true);
      part.s = to(s.slice(0, high)).requires_grad_(true);
      part.v = to(v.slice(1, high).t()).requires_grad_(true);
    }
  }

  std::vector<ParamGroup> trainable() override {
    ParamGroup group;
    for (const Part& part : parts_)
      group.tensors.insert(group.tensors.end(), {part.u, part.s, part.v});
    return {group};
  }

  std::vector<Tensor> reached() override {
    std::vector<Tensor> weights;  // several parts may be rows of one
    for (const Part& part : parts_)
      if (weights.empty() || !weights.back().is_same(part.weight)) weights.push_back(part.weight);
    return weights;
  }

  // The weight's gradient becomes that of its factors, without what is along U_h and V_h.
  void after_backward(const Step&) override {
    NoGrad no_grad;
    for (const Part& part : parts_) {
      if (!part.weight.grad().defined()) continue;
      const Tensor g = part.weight.grad().slice(0, part.from, part.from + part.rows);
      const Tensor u = part.u.detach(), s = part.s.detach(), v = part.v.detach();
      const Tensor left = u.t().matmul(g);  // UᵀG
      part.u.mutable_grad() = across(g.matmul(v.t()) * s, part.u_high);
      part.v.mutable_grad() = along(left * s.unsqueeze(1), part.v_high);
      part.s.mutable_grad() = (left * v).sum(1);
    }
    for (const Part& part : parts_) part.weight.mutable_grad() = Tensor();
  }

  // An optimizer that scales each number by itself leaves the directions; they are restored.
  void after_step(const Batch&, const Step&) override {
    NoGrad no_grad;
    for (Part& part : parts_) {
      Tensor u = part.u.detach(), v = part.v.detach();
      u.copy_(across(u, part.u_high));
      v.copy_(along(v, part.v_high));
      part.of_weight().copy_(part.fixed + (u * part.s.detach()).matmul(v));
    }
  }

  void state(Archive& a) override {
    AnswerLearner::state(a);
    for (size_t i = 0; i < parts_.size(); ++i) a(fmt::format("part_{}", i), parts_[i]);
  }

 private:
  struct Part {
    Tensor weight;  // the network's
    int64_t from = 0, rows = 0;
    Tensor u_high, v_high;  // [out,h], [h,in]
    Tensor fixed;           // U_h Σ_h V_h
    Tensor u, s, v;         // [out,m-h], [m-h], [m-h,in]: learn

    Tensor of_weight() const { return weight.detach().slice(0, from, from + rows); }
    void state(Archive& a) {
      bool begun = u.defined();
      a("begun", begun);
      if (!begun) return;
      for (const auto& [key, tensor] :
           {std::pair("u_high", &u_high), std::pair("v_high", &v_high), std::pair("fixed", &fixed)})
        a(key, *tensor);
      for (const auto& [key, tensor] :
           {std::pair("u", &u), std::pair("s", &s), std::pair("v", &v)}) {
        a(key, *tensor);
        tensor->requires_grad_(true);
      }
    }
  };

  // x [out,n] without its components along the columns of u.
  static Tensor across(const Tensor& x, const Tensor& u) { return x - u.matmul(u.t().matmul(x)); }
  // x [n,in] without its components along the rows of v.
  static Tensor along(const Tensor& x, const Tensor& v) { return x - x.matmul(v.t()).matmul(v); }

  Options options_;
  std::vector<Part> parts_;
};

LearnerRow osf_learner() {
  return learner_row<Osf>(
      {.paper = "Nayak et al., 2025",
       .about =
           "Trains every weight in directions orthogonal to its largest singular vectors, which "
           "stay, more of them for every task.",
       .stores = "The network and three times the weights of its linear layers.",
       .differs = "After every step the factors are made orthogonal to what stays: projecting "
                  "gradients alone, as PEFT does, does not keep them so under Adam.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::decoder,
       .training = {.epochs = 1,
                    .batch_size = 16,
                    .optimizer = {.optimizer = "adamw", .lr = 1e-5, .schedule = "cosine"}}});
}

}  // namespace patina
