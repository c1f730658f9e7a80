// Comparing a network's stages with reference numbers.
#pragma once

#include <map>

#include "patina/checkpoint/load.h"
#include "patina/models/catalog.h"
#include "tests/support/tensors.h"

namespace patina {

/// The largest difference divided by the largest expected magnitude.
inline double error_of_largest(const Tensor& actual, const Tensor& expected) {
  if (actual.sizes() != expected.sizes()) return std::numeric_limits<double>::infinity();
  return ((actual - expected).abs().max() / expected.abs().max()).item<double>();
}

/// A learner that a fixture has numbers of, with the settings it had there.
struct Method {
  std::string fixture, learner;
  std::vector<std::string> settings;
};
inline void PrintTo(const Method& method, std::ostream* out) {
  *out << method.fixture;
}

/// What separates numbers computed in float from those computed in double.
inline constexpr double kFloatTolerance = 1e-5;

/// Records the tokens between the blocks of each stack: "embeddings", "layer0"..., "norm".
class Stages : public nn::Adaptation {
 public:
  /// Only of the blocks numbered from `first` to `first + depth`.
  explicit Stages(int depth, int first = 0) : first_(first), depth_(depth) {}
  std::map<std::string, Tensor> seen;

  Tensor tokens(int layer, Tensor x) override {
    if (layer > first_ && layer < first_ + depth_) keep(layer - 1, x);
    return x;
  }
  Tensor after(nn::Site site, int layer, const Tensor& in, Tensor out) override {
    if (site == nn::Site::embed && layer == first_) seen["embeddings"] = out;
    if (site == nn::Site::norm && layer == first_ + depth_) {
      keep(layer - 1, in);
      seen["norm"] = out;
    }
    return out;
  }

 private:
  void keep(int layer, const Tensor& x) { seen["layer" + std::to_string(layer - first_)] = x; }
  int first_, depth_;
};

/// Reference numbers of one model.
class Reference {
 public:
  explicit Reference(const std::filesystem::path& file) : file_(SafetensorsFile::open(file)) {}
  bool has(const std::string& name) const { return file_.has(name); }
  Tensor operator()(const std::string& name) const { return to_tensor(file_.at(name)); }

 private:
  SafetensorsFile file_;
};

/// The largest relative error of a network's gradients, compared with those of the same names in a
/// file.
inline double gradient_error(Backbone& network, const std::filesystem::path& file) {
  const auto expected = load_backbone({.name = file.string()});
  std::map<std::string, Tensor> theirs;
  for (const auto& item : nn::tensors(*expected)) theirs[item.name] = item.tensor;
  double worst = 0;
  for (const auto& item : nn::tensors(network)) {
    // Tensors that the loss does not reach, such as another task's head, have the gradient zero.
    const Tensor none = at::zeros_like(item.tensor), gradient = item.tensor.grad();
    const auto wanted = theirs.extract(item.name);
    worst = std::max(worst, relative_error(gradient.defined() ? gradient : none,
                                           wanted ? wanted.mapped() : none));
  }
  if (!theirs.empty()) return std::numeric_limits<double>::infinity();
  return worst;
}

}  // namespace patina

#define EXPECT_PARITY(actual, expected)                                                 \
  do {                                                                                  \
    const ::patina::Tensor& a_ = (actual);                                              \
    const ::patina::Tensor& e_ = (expected);                                            \
    EXPECT_LT(::patina::relative_error(a_, e_), 1e-4) << #actual << " " << #expected;   \
    EXPECT_LT(::patina::error_of_largest(a_, e_), 1e-4) << #actual << " " << #expected; \
  } while (false)
