// TreeLoRA (Qian et al., "TreeLoRA: Efficient Continual Learning via Layer-Wise LoRAs Guided by a
// Hierarchical Gradient-Similarity Tree", ICML 2025): one LoRA learns all tasks. The gradients that
// earlier tasks had of its blocks are the leaves of a tree, whose levels are the blocks. A bandit
// searches it for the tasks whose gradients are most like the present one's, and the LoRA also
// descends along theirs.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "patina/learners/instruction/answer_learner.h"
#include "patina/ops.h"
#include "patina/place.h"

namespace patina {

namespace {

// Which tasks resemble each other. A node at depth d divides its tasks by block d: by the products
// of their gradients with the mean of these.
struct GradientTree {
  struct Node {
    std::vector<int64_t> tasks;
    size_t left = 0, right = 0;  // 0: a leaf
  };
  std::vector<Node> nodes;  // the root first; empty without tasks

  GradientTree() = default;
  explicit GradientTree(const std::vector<Tensor>& gradients) {  // of each task, [L,D]
    std::vector<int64_t> tasks;
    for (size_t k = 0; k < gradients.size(); ++k) tasks.push_back(int64_t(k));
    if (!tasks.empty()) add(gradients, std::move(tasks), 0);
  }

 private:
  size_t add(const std::vector<Tensor>& gradients, std::vector<int64_t> tasks, int64_t depth) {
    const size_t at = nodes.size();
    nodes.push_back({.tasks = tasks});
    if (tasks.size() == 1 || depth == gradients.front().size(0)) return at;
    std::vector<Tensor> rows;
    for (const int64_t task : tasks) rows.push_back(gradients[size_t(task)][depth]);
    const Tensor all = at::stack(rows).to(at::kDouble);
    const Tensor products = on_host(all.matmul(all.mean(0)));
    const double median = products.median().item<double>();
    std::vector<int64_t> near, far;
    for (size_t i = 0; i < tasks.size(); ++i)
      (products[int64_t(i)].item<double>() >= median ? near : far).push_back(tasks[i]);
    if (far.empty()) {  // as of two tasks, and of equal products
      const auto half = tasks.begin() + int64_t(tasks.size() / 2);
      near.assign(tasks.begin(), half);
      far.assign(half, tasks.end());
    }
    const size_t left = add(gradients, std::move(near), depth + 1),
                 right = add(gradients, std::move(far), depth + 1);
    nodes[at].left = left;
    nodes[at].right = right;
    return at;
  }
};

// Half the L1 distance of two directions, in [0,1]: the mean over the rows of [L,D].
double difference_of_directions(const Tensor& a, const Tensor& b) {
  const auto direction = [](const Tensor& x) {
    return x / x.abs().sum(1, /*keepdim=*/true).clamp_min(1e-30);
  };
  return 0.5 * (direction(a) - direction(b)).abs().sum(1).mean().item<double>();
}

}  // namespace

class TreeLora : public AnswerLearner {
 public:
  struct Options : LearnerOptions {
    double similarity = 0.5;
    adapt::LoraOptions lora{.rank = 8, .alpha = 32, .parts = "qv"};
    AnswerLossOptions loss;
    void bind(Fields& f) override {
      f("similarity", similarity,
        "λ: weight of the similar tasks' gradients; it grows from 0 to this over a task's steps.",
        at_least(0));
      lora.bind(f);
      loss.bind(f);
    }
  };

  TreeLora(Setup setup, const Options& options)
      : AnswerLearner(setup, {.lora = options.lora}, options.loss),
        similarity_(options.similarity) {}

  void begin_task(const Task&, Trainer&) override {
    tree_ = GradientTree(gradients_);
    sum_ = Tensor();
    steps_ = 0;
    tries_.assign(tree_.nodes.size(), 0);
    distances_.assign(tree_.nodes.size(), 0);
  }

  // g += λ t/T Ḡ, with t of T steps done, and Ḡ of each block the mean gradient of the tasks that
  // the search found for it: the gradient of λ t/T <θ, Ḡ>, the first-order part of their loss.
  void after_backward(const Step& step) override {
    NoGrad no_grad;
    const Tensor gradient = gradient_of_lora();
    sum_ = sum_.defined() ? sum_ + gradient : gradient;
    ++steps_;
    if (tree_.nodes.empty()) return;
    const double all = double(step.epochs * step.steps), done = double(step.before());
    const auto path = search(all, done);
    const Tensor similar = gradients_on(path);
    const double seen = difference_of_directions(sum_, similar);
    for (const size_t node : path) {
      tries_[node] += 1;
      distances_[node] += seen;
    }
    add(similar, similarity_ * done / all);
  }

  // G: the mean over the task's steps of the gradient of its loss.
  void end_task(const Task&, Trainer&) override {
    NoGrad no_grad;
    if (sum_.defined()) gradients_.push_back(sum_ / double(steps_));
    sum_ = Tensor();
  }

  void state(Archive& a) override {
    AnswerLearner::state(a);
    a("gradients", gradients_);
    a("sum", sum_);
    a("steps", steps_);
    a("tries", tries_);
    a("distances", distances_);
    if (!a.loading()) return;
    // That of the task being learned, since no gradient was added after it began.
    tree_ = GradientTree(gradients_);
    tries_.resize(tree_.nodes.size());
    distances_.resize(tree_.nodes.size());
  }

 private:
  // What of the LoRA learns, block by block.
  std::vector<std::vector<Tensor>> blocks() const {
    std::vector<std::vector<Tensor>> found;
    std::string last;
    for (const auto& item : learned()) {
      const std::string block = item.name.substr(0, item.name.find('.', item.name.find('.') + 1));
      if (block != last) found.emplace_back();
      last = block;
      found.back().push_back(item.tensor);
    }
    return found;
  }

  Tensor gradient_of_lora() const {  // [L,D]
    std::vector<Tensor> rows;
    for (const auto& block : blocks()) {
      std::vector<Tensor> parts;
      for (const Tensor& weight : block)
        parts.push_back(
            (weight.grad().defined() ? weight.grad() : at::zeros_like(weight)).flatten());
      rows.push_back(at::cat(parts));
    }
    return at::stack(rows);
  }

  // The nodes from below the root to a leaf; the root itself if it is one. Each is the child with
  // the lower confidence bound of its distance: mean - √(log(2 T (t + 1) (t + 2)) / (2 tries)).
  std::vector<size_t> search(double all, double done) const {
    const double confidence = std::log(2 * all * (done + 1) * (done + 2));
    const auto bound = [&](size_t node) {
      return tries_[node] == 0
                 ? -std::numeric_limits<double>::infinity()
                 : distances_[node] / tries_[node] - std::sqrt(confidence / (2 * tries_[node]));
    };
    std::vector<size_t> path;
    size_t node = 0;
    while (tree_.nodes[node].right != 0) {
      const auto& [tasks, left, right] = tree_.nodes[node];
      node = bound(right) < bound(left) ? right : left;
      path.push_back(node);
    }
    return path.empty() ? std::vector<size_t>{0} : path;
  }

  // Block d has the mean of the tasks on its side of the division by block d. [L,D]
  Tensor gradients_on(const std::vector<size_t>& path) const {
    std::vector<Tensor> rows;
    for (int64_t d = 0; d < gradients_.front().size(0); ++d) {
      const auto& tasks = tree_.nodes[path[std::min(size_t(d), path.size() - 1)]].tasks;
      Tensor sum = at::zeros_like(gradients_.front()[d]);
      for (const int64_t task : tasks) sum += gradients_[size_t(task)][d];
      rows.push_back(sum / double(tasks.size()));
    }
    return at::stack(rows);
  }

  void add(const Tensor& direction, double weight) const {
    const auto all = blocks();
    for (size_t d = 0; d < all.size(); ++d) {
      int64_t at = 0;
      for (const Tensor& tensor : all[d]) {
        const Tensor part = direction[int64_t(d)].slice(0, at, at + tensor.numel()).view_as(tensor);
        at += tensor.numel();
        Tensor gradient = tensor.grad();
        if (gradient.defined()) gradient.add_(part, weight);
      }
    }
  }

  double similarity_;
  std::vector<Tensor> gradients_;  // of each earlier task, [L,D]
  GradientTree tree_;
  Tensor sum_;  // over the present task's steps, [L,D]
  int64_t steps_ = 0;
  std::vector<double> tries_, distances_;  // of each node: how often it was on the path, and sums
};

LearnerRow treelora_learner() {
  return learner_row<TreeLora>(
      {.paper = "Qian et al., ICML 2025",
       .about = "Searches a tree of earlier tasks' gradients, block by block, for those most like "
                "the present one's, and lets the LoRA descend along them, too.",
       .stores = "One LoRA; of each task a gradient of its size.",
       .differs =
           "After the abstract and the authors' code; not held to the equations of the paper's "
           "text. The code takes the LoRA's A for its "
           "gradient; here it is the gradient of A and B. The code divides the penalty by its own "
           "value, so that of the similarity only the sign is left; here it is λ times the "
           "first-order part of the similar tasks' loss. The code draws each block's task at "
           "random by all distances, with one division of the tree; here the search descends the "
           "tree by lower confidence bounds of distances in [0,1]. λ and the search begin anew "
           "with a task, not with an epoch, and what they know is saved.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::decoder,
       .training = {.epochs = 2,
                    .batch_size = 8,
                    .optimizer = {.optimizer = "adamw", .lr = 1e-4, .schedule = "cosine"}}});
}

}  // namespace patina
