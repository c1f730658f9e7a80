// The packed engine computes the same as the plain one, in every family, with every adaptation,
// forward and backward, up to the rounding of fp32 or of bf16.
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "patina/kernels/isa.h"
#include "tests/support/kinds.h"

namespace patina::adapt {
namespace {

double cosine(const Tensor& a, const Tensor& b) {
  const Tensor x = a.to(at::kDouble).flatten(), y = b.to(at::kDouble).flatten();
  return at::cosine_similarity(x, y, 0).item<double>();
}

std::vector<Kind> kinds_and_none() {
  std::vector<Kind> all = kinds();
  all.push_back({"none", nullptr});
  return all;
}

// The lower instruction set that this process was asked to use; "": the best there is.
std::string_view lower_set() {
  const char* asked = std::getenv("PATINA_ISA");
  return asked ? asked : "";
}

// Instruction sets differ in their kernels only. Of several kinds that need the same operations in
// the same shapes, one is enough: prompts of the first block and of each block, the parts of
// queries, keys and values that LoRA changes, adapters parallel to the MLP and after it.
bool asks_for_the_same_as_another(const std::string& kind) {
  return std::set<std::string>{"shallow_prompt", "lora_qv", "lora_kv_of_one_block",
                               "parallel_adapter"}
      .contains(kind);
}

class Engines : public testing::TestWithParam<Case> {
 protected:
  struct Seen {
    Tensor tokens, features;
    std::vector<nn::NamedTensor> gradients;
  };

  void SetUp() override {
    if (lower_set().empty()) return;
    if (kernels::name(kernels::isa()) != lower_set())
      GTEST_SKIP() << "this processor has no " << lower_set();
    if (asks_for_the_same_as_another(std::get<1>(GetParam())))
      GTEST_SKIP() << "computed with the best instruction set alone";
  }

  TinyFamily family_ = tiny_family(std::get<0>(GetParam()));

  Seen compute(std::shared_ptr<const nn::Engine> engine) const {
    family_.network->set_engine(std::move(engine));
    const auto all = kinds_and_none();
    const Kind& kind = *std::ranges::find(all, std::get<1>(GetParam()), &Kind::name);
    const Made made = kind.make ? make_stirred(kind, family_) : nullptr;
    nn::Adaptations adaptations;
    if (made) adaptations.add(made.get());
    Seen seen;
    seen.tokens = family_.forward(adaptations);
    seen.features = family_.network->features(family_.input, adaptations);
    if (!made) return seen;
    const auto probe = [](const Tensor& t) {
      return (t * random_tensor(t.sizes().vec(), 5)).sum();
    };
    (probe(seen.tokens.slice(1, 0, 4)) + probe(seen.features)).backward();
    for (const auto& own : nn::tensors(*made))
      seen.gradients.push_back({own.name, own.tensor.grad()});
    return seen;
  }
};

TEST_P(Engines, InFp32TheyAgreeToRounding) {
  const Seen plain = compute(nn::plain_engine());
  const Seen packed = compute(nn::packed_engine(nn::Precision::fp32));
  EXPECT_LT(relative_error(packed.tokens, plain.tokens), 2e-5);
  EXPECT_LT(relative_error(packed.features, plain.features), 2e-5);
  for (size_t i = 0; i < plain.gradients.size(); ++i) {
    ASSERT_TRUE(packed.gradients[i].tensor.defined()) << plain.gradients[i].name;
    EXPECT_LT(relative_error(packed.gradients[i].tensor, plain.gradients[i].tensor), 1e-4)
        << plain.gradients[i].name;
  }
}

// Random networks this small have larger rounding errors than real ones. So a single gradient is
// held to its direction, and all of an adaptation's gradients together to a small error.
TEST_P(Engines, InBf16TheyAgreeInDirection) {
  const Seen plain = compute(nn::plain_engine());
  for (const auto& engine : {nn::packed_engine(nn::Precision::bf16), nn::library_engine()}) {
    SCOPED_TRACE(engine->text());
    // LibTorch also rounds what is between a product and its activation.
    const double least = engine->text().starts_with("library") ? 0.85 : 0.9;
    const Seen bf16 = compute(engine);
    EXPECT_GT(cosine(bf16.tokens, plain.tokens), 0.999);
    EXPECT_GT(cosine(bf16.features, plain.features), 0.999);
    std::vector<Tensor> all_plain, all_bf16;
    for (size_t i = 0; i < plain.gradients.size(); ++i) {
      ASSERT_TRUE(bf16.gradients[i].tensor.defined()) << plain.gradients[i].name;
      all_plain.push_back(plain.gradients[i].tensor.flatten());
      all_bf16.push_back(bf16.gradients[i].tensor.flatten());
      EXPECT_GT(cosine(all_bf16.back(), all_plain.back()), least) << plain.gradients[i].name;
    }
    if (all_plain.empty()) continue;
    EXPECT_GT(cosine(at::cat(all_bf16), at::cat(all_plain)), 0.97);
  }
}

TEST_P(Engines, GradientsReachTheWeightsOfATrainedBackbone) {
  if (std::get<1>(GetParam()) != "none") return;
  const auto gradients = [&](std::shared_ptr<const nn::Engine> engine) {
    family_.network->set_engine(std::move(engine));
    nn::freeze(*family_.network, false);
    const Tensor tokens = family_.forward({});
    (tokens * random_tensor(tokens.sizes().vec(), 5)).sum().backward();
    std::vector<nn::NamedTensor> found;
    for (auto& item : nn::tensors(*family_.network)) {
      found.push_back({item.name, item.tensor.grad()});
      item.tensor.mutable_grad() = Tensor();
    }
    return found;
  };
  const auto plain = gradients(nn::plain_engine());
  const auto fp32 = gradients(nn::packed_engine(nn::Precision::fp32));
  const auto bf16 = gradients(nn::packed_engine(nn::Precision::bf16));
  const auto library = gradients(nn::library_engine());
  for (size_t i = 0; i < plain.size(); ++i) {
    ASSERT_EQ(fp32[i].tensor.defined(), plain[i].tensor.defined()) << plain[i].name;
    ASSERT_EQ(bf16[i].tensor.defined(), plain[i].tensor.defined()) << plain[i].name;
    if (!plain[i].tensor.defined()) continue;
    EXPECT_LT(relative_error(fp32[i].tensor, plain[i].tensor), 1e-4) << plain[i].name;
    // What softmax ignores, such as the keys' bias, has a gradient of rounding errors only.
    if (plain[i].tensor.abs().max().item<float>() < 1e-4) continue;
    EXPECT_GT(cosine(bf16[i].tensor, plain[i].tensor), 0.95) << plain[i].name;
    ASSERT_TRUE(library[i].tensor.defined()) << plain[i].name;
    EXPECT_GT(cosine(library[i].tensor, plain[i].tensor), 0.95) << plain[i].name;
  }
}

TEST_P(Engines, ASamplesFeaturesDoNotDependOnItsBatch) {
  // CLIP's projection after its towers is computed by LibTorch.
  if (std::get<1>(GetParam()) != "none" || family_.name.starts_with("clip")) return;
  family_.network->set_engine(nn::packed_engine(nn::Precision::bf16));
  const Tensor together = family_.network->features(family_.input);
  for (int64_t i = 0; i < family_.input.size(); ++i)
    EXPECT_TRUE(at::equal(family_.network->features(family_.input.slice(i, i + 1)),
                          together.slice(0, i, i + 1)))
        << i;
}

INSTANTIATE_TEST_SUITE_P(Families, Engines, in_every_family(kinds_and_none()), name_of_case);

}  // namespace
}  // namespace patina::adapt
