// Recursive ridge regression on randomly projected features: RanPAC's head updated by recursive
// least squares, so that no Gram matrix has to be solved. The result equals the joint solution,
// whatever the order of samples. Zhuang et al., "ACIL: Analytic Class-Incremental Learning",
// NeurIPS 2022 (equations 13 and 14); McDonnell et al., "RanPAC", NeurIPS 2023, for the projection.
#include <cmath>

#include "patina/algebra/random_projection.h"
#include "patina/config/sizes.h"
#include "patina/learn/learner.h"
#include "patina/ops.h"

namespace patina {

class RecursiveRidge : public StreamingLearner {
 public:
  struct Options : LearnerOptions {
    int64_t projection = 2000;
    double penalty = 100;
    void bind(Fields& f) override {
      f("projection", projection, "Random features ReLU(f P); 0: the features themselves.",
        sized(0));
      f("penalty", penalty, "The ridge's λ.", above(0));
    }
  };

  RecursiveRidge(Setup setup, const Options& options)
      : backbone_(setup.backbone),
        project_(backbone_.width(), options.projection, setup.seeds("projection"),
                 backbone_.place()),
        penalty_(options.penalty),
        inverse_(at::eye(project_.width(), backbone_.place().options().dtype(at::kDouble)) /
                 penalty_) {}

  void begin_classes(int64_t fresh) override {
    const Tensor more = at::zeros({inverse_.size(0), fresh}, inverse_.options());
    weight_ = weight_.defined() ? at::cat({weight_, more}, 1) : more;
  }

  // R ← R - R Xᵀ (I + X R Xᵀ)⁻¹ X R, then W ← W + R Xᵀ (Y - X W).
  void observe(const Batch& batch, Trainer&) override {
    NoGrad no_grad;
    const Tensor x = projected(batch.input);
    const Tensor y = at::one_hot(batch.target, weight_.size(1)).to(at::kDouble);
    const Tensor xr = x.mm(inverse_);  // [B,M]
    const Tensor factor = at::linalg_cholesky(x.mm(xr.t()) + at::eye(x.size(0), x.options()));
    const Tensor half = at::linalg_solve_triangular(factor, xr, false);
    inverse_.addmm_(half.t(), half, 1, -1);
    weight_.add_(inverse_.mm(x.t().mm(y - x.mm(weight_))));
  }

  // With A = R⁻¹ = XᵀX + λ I the sums are A - λ I and A W = XᵀY.
  void merge(const Learner& other, const UnitedClasses& classes) override {
    NoGrad no_grad;
    const auto& from = static_cast<const RecursiveRidge&>(other);
    begin_classes(classes.size() - (weight_.defined() ? weight_.size(1) : 0));
    const Tensor a = inverted(inverse_), b = inverted(from.inverse_);
    Tensor products = a.mm(weight_);
    products.index_add_(1, tensor_of(classes.numbers, products.device()), b.mm(from.weight_));
    Tensor both = a + b;
    both.diagonal().sub_(penalty_);
    inverse_ = inverted(both);
    weight_ = inverse_.mm(products);
  }

  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    return projected(asked.input).mm(weight_).to(at::kFloat);
  }

  std::optional<AsNetwork> as_network() const override {
    if (!weight_.defined()) return AsNetwork{};
    return AsNetwork{
        .weight = weight_.t().to(at::kFloat), .bias = {}, .projection = project_.matrix()};
  }

  void state(Archive& a) override {
    a("inverse", inverse_);
    a("weight", weight_);
  }

 private:
  // L⁻ᵀ L⁻¹ of S = L Lᵀ.
  static Tensor inverted(const Tensor& s) {
    const Tensor half = at::linalg_solve_triangular(
        at::linalg_cholesky(s), at::eye(s.size(0), s.options()), /*upper=*/false);
    return half.t().mm(half);
  }

  Tensor projected(const Input& input) const {  // [B,M] double
    return project_(backbone_.features(input)).to(at::kDouble);
  }

  Backbone& backbone_;
  RandomProjection project_;
  double penalty_;
  Tensor inverse_;  // [M,M] double: (XᵀX + λ I)⁻¹ of all samples so far
  Tensor weight_;   // [M,K] double
};

LearnerRow recursive_ridge_learner() {
  return learner_row<RecursiveRidge>(
      {.paper = "Zhuang et al., NeurIPS 2022",
       .about = "Ridge regression on randomly projected features, updated batch by batch to the "
                "joint solution.",
       .stores = "One matrix as large as a Gram matrix, the weights.",
       .network = Network::any,
       .training = {.batch_size = 64}});
}

}  // namespace patina
