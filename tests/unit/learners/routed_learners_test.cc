// Methods that answer with text and route between LoRAs, against their papers' formulas.
#include <cmath>

#include "patina/adapt/routed_lora.h"
#include "patina/base/json.h"
#include "patina/learners/instruction/prompts.h"
#include "tests/support/answer_course.h"

namespace patina {
namespace {

// Each set asks in words of its own.
class OwnWords : public ToyAnswers {
 public:
  OwnWords(int64_t set, int64_t count) : ToyAnswers(set, count), set_(set) {}
  Exchange exchange(int64_t i) const override {
    Exchange said = ToyAnswers::exchange(i);
    const char* const words[] = {"say", "ask", "tell"};
    said.turns = {{"user", fmt::format("{} {}", words[set_], char('a' + 7 * set_ + i % 7))}};
    return said;
  }

 private:
  int64_t set_;
};

// The weight of each LoRA for each sample: [B,n].
Tensor weights_of(AnswerCourse& course, const Input& input) {
  NoGrad no_grad;
  const auto adaptations = course.learner().generator()->adaptations(input);
  const auto* mixed = dynamic_cast<const adapt::MixedLora*>(adaptations.list().front());
  EXPECT_NE(mixed, nullptr);
  return mixed->weights().squeeze(1);
}

// The embeddings of the tokens before the first that carries loss, of one sample: [P,D].
Tensor prompt_words(AnswerCourse& course, const Input& input, int64_t row) {
  const int64_t answer = input.loss[row].argmax(0).item<int64_t>();
  for (const auto& item : nn::tensors(*course.network))
    if (item.name == "text.embed.weight")
      return item.tensor.detach().index_select(0, input.data[row].slice(0, 0, answer));
  return {};
}

Tensor silu(const Tensor& x) {
  return x * at::sigmoid(x);
}

// With B = 0 a plain LoRA's A has no gradient. These atoms' has one, since they share the softmax
// with those of the task before.
TEST(Moram, NewAtomsLearnThroughTheSoftmaxAndOldOnesStay) {
  AnswerCourse course("moram", {"rank=2", "alpha=2", "k=4", "temperature=1"});
  course.learn();
  const auto first = course.state();
  course.begin();
  course.learner().loss(course.batch(), {.tokens = 8}).backward();
  for (const auto& group : course.learner().trainable())
    for (const auto& tensor : group.tensors) {
      EXPECT_EQ(tensor.size(0) == 2 || tensor.size(1) == 2, true) << "only new atoms learn";
      EXPECT_GT(tensor.grad().abs().sum().item<double>(), 0);
    }
  EXPECT_EQ(course.learner().trainable().front().tensors.size(), 8u);  // A, B of q, v; 2 blocks
  course.rig.learn(*course.task);
  const auto second = course.state();
  for (const auto& [name, tensor] : first) {
    if (!name.starts_with("lora.")) continue;
    EXPECT_EQ(furthest(second.at("task_0." + name.substr(5)), tensor), 0) << name;
  }
}

TEST(Moram, AThresholdHoldsInAnswersOnly) {
  AnswerCourse course("moram", {"threshold=1"});
  course.learn();
  const Batch batch = course.batch();
  NoGrad no_grad;
  const Tensor base = answer_losses(answer_scores(*course.network, batch.input, {}));
  EXPECT_LT(furthest(course.losses(batch.input), base), 1e-6) << "y = W x";
  const double learning = course.learner().loss(batch, {.tokens = base.size(0)}).item<double>();
  EXPECT_GT(std::abs(learning - base.mean().item<double>()), 1e-4);
}

TEST(Moram, SamplesAreApart) {
  AnswerCourse course("moram", {"k=3"});
  course.learn();
  course.learn();
  expect_samples_apart(course);
}

TEST(Prompts, EndBeforeTheLastAnswerAndHaveNoPadding) {
  Input input(at::zeros({2, 7}, at::kLong), at::zeros({2, 7}, at::kLong));
  input.data = tensor_of(std::vector<int64_t>{1, 11, 12, 13, 14, 15, 0,  //
                                              1, 21, 22, 23, 0, 0, 0})
                   .view({2, 7});
  input.mask =
      tensor_of(std::vector<int64_t>{1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 0, 0}).view({2, 7});
  // The first is a conversation: 11 and 13, 14 are answers.
  input.loss =
      tensor_of(std::vector<int64_t>{0, 1, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0}).view({2, 7});
  const Prompts prompts = prompts_of(input);
  EXPECT_EQ(items_of(prompts.input.data.flatten()), (std::vector<int64_t>{1, 11, 12, 1, 21, 0}));
  EXPECT_EQ(items_of(prompts.input.mask.flatten()), (std::vector<int64_t>{1, 1, 1, 1, 1, 0}));
  EXPECT_FALSE(prompts.text.defined());
  // What is asked is all prompt.
  input.loss = Tensor();
  EXPECT_EQ(prompts_of(input).input.mask.sum().item<int64_t>(), 10);
}

TEST(Prompts, OfPackedRowsAreEachTexts) {
  Input input(tensor_of(std::vector<int64_t>{1, 11, 12, 1, 21, 22, 23, 0}).view({1, 8}),
              tensor_of(std::vector<int64_t>{1, 1, 1, 1, 1, 1, 1, 0}).view({1, 8}));
  input.positions = tensor_of(std::vector<int64_t>{0, 1, 2, 0, 1, 2, 3, 0}).view({1, 8});
  input.loss = tensor_of(std::vector<int64_t>{0, 0, 1, 0, 0, 0, 1, 0}).view({1, 8});
  const Prompts prompts = prompts_of(input);
  EXPECT_EQ(items_of(prompts.input.data.flatten()), (std::vector<int64_t>{1, 11, 0, 1, 21, 22}));
  const Tensor own = prompts.for_tokens(tensor_of(std::vector<int64_t>{5, 6}).view({2, 1}));
  EXPECT_EQ(items_of(own.flatten()).at(2), 5);
  EXPECT_EQ(items_of(own.flatten()).at(3), 6);
  EXPECT_EQ(own.dim(), 3);
}

// a = |2 σ(4 cos(SiLU(V SiLU(U u)), k)) - 1|, u the mean over the prompt alone.
TEST(GainLora, GatesAreThePapers) {
  AnswerCourse course("gainlora", {"hidden=10", "energy=1"}, toy_answers<OwnWords>());
  course.learn();
  course.learn();
  const auto state = course.state();
  const Input input = course.batch().input;
  const Tensor weights = weights_of(course, input);
  for (int64_t row = 0; row < input.size(); ++row)
    for (int64_t gate = 0; gate < 2; ++gate) {
      const auto part = [&](const char* name) {
        return state.at(fmt::format("gate_{}.{}", gate, name)).to(at::kDouble);
      };
      const Tensor u = prompt_words(course, input, row).to(at::kDouble).mean(0);
      const Tensor h = silu(part("outer").mv(silu(part("inner").mv(u))));
      const double cosine = (h.dot(part("key")) / (h.norm() * part("key").norm())).item<double>();
      EXPECT_NEAR(weights[row][gate].item<double>(), std::abs(2 / (1 + std::exp(-4 * cosine)) - 1),
                  1e-4);
    }
  expect_samples_apart(course);
}

// What a later gate computes from the prompts of earlier tasks does not change, and its key is
// orthogonal to it: the gate is closed to them. It opens to its own.
TEST(GainLora, LaterGatesAreClosedToEarlierPrompts) {
  AnswerCourse course("gainlora", {"energy=1"}, toy_answers<OwnWords>());
  course.learn();
  const Input before = course.batch().input;
  const Tensor first = weights_of(course, before);
  course.learn();
  const Tensor second = weights_of(course, before);
  EXPECT_LT(second.select(1, 1).abs().max().item<double>(), 0.01);
  EXPECT_LT(furthest(second.select(1, 0), first.select(1, 0)), 1e-6);
  EXPECT_GT(weights_of(course, course.batch().input).select(1, 1).min().item<double>(), 0.1);
  const auto state = course.state();
  const auto change = [&](const char* name) {
    return (state.at(fmt::format("gate_1.{}", name)) - state.at(fmt::format("gate_0.{}", name)))
        .to(at::kDouble);
  };
  EXPECT_GT(change("inner").abs().max().item<double>(), 1e-3) << "it learns";
  AnswerCourse short_course("gainlora", {"energy=1"}, toy_answers<OwnWords>());
  short_course.learn();
  const auto after_one = short_course.state();
  const Tensor prompts = after_one.at("basis_of_prompts"), hidden = after_one.at("basis_of_hidden");
  EXPECT_LT(change("inner").matmul(prompts.t()).abs().max().item<double>(), 1e-5);
  EXPECT_LT(change("outer").matmul(hidden.t()).abs().max().item<double>(), 1e-5);
}

TEST(GainLora, LoraBeginsOutsideOfWhatEarlierTasksRead) {
  AnswerCourse course("gainlora", {"rank=2", "energy=0.9"}, toy_answers<OwnWords>());
  course.learn();
  const auto first = course.state();
  course.begin();
  const auto begun = course.state();
  for (int layer = 0; layer < 2; ++layer) {
    const Tensor basis = first.at(fmt::format("basis_{}", 2 * layer + 1));  // after the queries'
    const Tensor a = begun.at(fmt::format("lora.blocks.{}.v.a", layer)).to(at::kDouble);
    EXPECT_LT(a.matmul(basis.t()).abs().max().item<double>(), 1e-6);
    EXPECT_LT(furthest(a.matmul(a.t()), at::eye(2, at::kDouble) / 3), 1e-5);
    EXPECT_EQ(basis.size(1), 24);
    EXPECT_LT(basis.size(0), 22);
  }
  const auto groups = course.learner().trainable();
  for (const auto& tensor : groups.front().tensors)
    EXPECT_FALSE(tensor.dim() == 2 && tensor.size(0) == 2) << "A does not learn";
}

// softmax_i(k_i q / √D), q = LN(W2 SiLU(W1 max E(x))) over the prompt's tokens alone.
TEST(Sapt, AttentionIsThePapers) {
  AnswerCourse course("sapt", {"hidden=10"}, toy_answers<OwnWords>());
  course.learn();
  course.learn();
  const auto state = course.state();
  const Input input = course.batch().input;
  const Tensor weights = weights_of(course, input);
  for (int64_t row = 0; row < input.size(); ++row) {
    const auto part = [&](const std::string& name) { return state.at(name).to(at::kDouble); };
    const Tensor largest = prompt_words(course, input, row).to(at::kDouble).amax(0);
    Tensor q = part("query.outer.weight").mv(silu(part("query.inner.weight").mv(largest)));
    const Tensor centred = q - q.mean();
    q = centred / (centred.square().mean() + 1e-5).sqrt() * part("query.norm.weight") +
        part("query.norm.bias");
    double scores[2];
    for (int key = 0; key < 2; ++key)
      scores[key] = q.dot(part(fmt::format("key_{}", key))).item<double>() / std::sqrt(24.0);
    EXPECT_NEAR(weights[row][0].item<double>(), 1 / (1 + std::exp(scores[1] - scores[0])), 1e-4);
  }
  expect_samples_apart(course);
}

// + 0.5 KL(ā ‖ a) on the kept prompts, here all of the first task's; the second has no part of ā.
TEST(Sapt, ReflectsOnEarlierAttention) {
  AnswerCourse course("sapt", {"memory_per_task=8"}, toy_answers<OwnWords>());
  course.learn();
  const Input first = course.batch().input;
  EXPECT_EQ(furthest(course.state().at("attention.0"), at::ones({1})), 0);
  course.learn();
  const Input second = course.batch().input;
  const Tensor kept = course.state().at("attention.1");
  EXPECT_LT(furthest(kept, weights_of(course, second).mean(0)), 1e-6);
  course.begin();
  const Batch batch = course.batch();
  double divergence = -at::log(weights_of(course, first).select(1, 0)).mean().item<double>();
  const Tensor now = at::log(weights_of(course, second));
  divergence += (kept * (at::log(kept) - now.slice(1, 0, 2))).sum(1).mean().item<double>();
  NoGrad no_grad;
  const Tensor losses = course.losses(batch.input);
  Step step{.tokens = losses.size(0)};
  EXPECT_GT(divergence, 0.01);
  EXPECT_NEAR(course.learner().loss(batch, step).item<double>(),
              losses.mean().item<double>() + 0.5 * divergence, 1e-4);
  // Of a part there is the input alone.
  EXPECT_NEAR(course.learner().loss(batch.rows(0, 8), step).item<double>(),
              losses.mean().item<double>() + 0.5 * divergence, 1e-4);
  step.part = 1;  // the reflection is the step's, not each part's
  EXPECT_NEAR(course.learner().loss(batch, step).item<double>(), losses.mean().item<double>(),
              1e-5);
}

// softmax(W mean E(x)) of the largest two.
TEST(MoeLora, EverySampleHasItsOwnExperts) {
  AnswerCourse course("moe_lora", {"experts=3", "top=2", "rank=2"}, toy_answers<OwnWords>());
  course.learn();
  const auto state = course.state();
  const Input input = course.batch().input;
  const Tensor weights = weights_of(course, input);
  for (int64_t row = 0; row < input.size(); ++row) {
    const Tensor scores = state.at("router.weight").mv(prompt_words(course, input, row).mean(0));
    const int64_t least = scores.argmin(0).item<int64_t>();
    double sum = 0;
    for (int64_t i = 0; i < 3; ++i)
      if (i != least) sum += std::exp(scores[i].item<double>());
    for (int64_t i = 0; i < 3; ++i)
      EXPECT_NEAR(weights[row][i].item<double>(),
                  i == least ? 0 : std::exp(scores[i].item<double>()) / sum, 1e-5);
  }
  expect_samples_apart(course);
}

TEST(MrLora, EveryTaskLearnsFromThePretrainedModel) {
  AnswerCourse course("mr_lora", {"rank=2"}, toy_answers<OwnWords>());
  course.learn();
  course.begin();
  const Batch batch = course.batch();
  NoGrad no_grad;
  const Tensor base = answer_losses(answer_scores(*course.network, batch.input, {}));
  EXPECT_NEAR(course.learner().loss(batch, {.tokens = base.size(0)}).item<double>(),
              base.mean().item<double>(), 1e-6)
      << "a new LoRA alone";
  EXPECT_GT(furthest(course.losses(batch.input), base), 1e-3) << "the first task's answers";
}

TEST(MrLora, TheModelNamesTheExpertOfAPrompt) {
  AnswerCourse course("mr_lora",
                      {"rank=8", "alpha=16", "memory_per_task=8", "router_epochs=40",
                       "router_lr=0.003", "question=\"?{letters}\""},
                      toy_answers<OwnWords>());
  std::vector<Input> inputs;
  for (int task = 0; task < 3; ++task) {
    course.learn();
    inputs.push_back(course.batch().input);
  }
  for (int64_t task = 0; task < 3; ++task) {
    const Tensor weights = weights_of(course, inputs[size_t(task)]);
    EXPECT_TRUE(at::equal(weights.sum(1), at::ones({8}))) << "one expert a sample";
    EXPECT_GE(weights.select(1, task).sum().item<double>(), 7) << task;
  }
  EXPECT_GE(course.learner().diagnostics()["router_accuracy_on_kept_samples"].get<double>(), 0.9);
  expect_samples_apart(course);
}

// Below the last block the sum of all changes, there a mixture by the cosines of a prompt's mean
// word to those of the tasks.
TEST(Hide, AddsBelowAndMixesInTheLastBlock) {
  AnswerCourse course("hide", {"rank=2", "alpha=4", "temperature=0.05"}, toy_answers<OwnWords>());
  for (int task = 0; task < 2; ++task) course.learn();
  const auto unit = [](const Tensor& x) { return x / x.norm(); };
  const auto mean_word = [&](const Input& input, int64_t row) {
    return unit(prompt_words(course, input, row).mean(0));
  };
  std::vector<Tensor> anchors;
  for (int task = 0; task < 2; ++task) {
    const Dataset& train = course.scenario.train(task);
    const Batch all =
        *Loader(train, course.rig.train_feed(), course.rig.pool(), train.size()).next();
    Tensor sum;
    for (int64_t row = 0; row < all.size(); ++row) {
      const Tensor one = mean_word(all.input, row);
      sum = sum.defined() ? sum + one : one;
    }
    anchors.push_back(unit(sum));
  }
  const auto state = course.state();
  EXPECT_LT(furthest(state.at("words"), at::stack(anchors)), 1e-5);

  NoGrad no_grad;
  const Batch batch = course.batch(4);
  const auto acting = course.learner().generator()->adaptations(batch.input);
  nn::Adaptation& hierarchy = *acting.list().front();
  const int64_t length = batch.input.data.size(1), width = course.network->block().width,
                last = course.network->layers() - 1;
  Tensor x = at::empty({4, length, course.network->block().query_width()});
  Random random = Seeds(3)("x");
  nn::init_normal(x, random, 0, 1);
  for (const int64_t layer : {int64_t{0}, last}) {
    const Tensor added =
        hierarchy.after(nn::Site::proj, int(layer), x, at::zeros({4, length, width}));
    for (int64_t row = 0; row < 4; ++row) {
      const Tensor word = mean_word(batch.input, row);
      const double a = std::exp((word * anchors[0]).sum().item<double>() / 0.05),
                   b = std::exp((word * anchors[1]).sum().item<double>() / 0.05);
      const double weight[] = {layer == last ? a / (a + b) : 1, layer == last ? b / (a + b) : 1};
      Tensor expected = at::zeros({length, width});
      const char* const names[] = {"task_0", "lora"};
      for (int task = 0; task < 2; ++task) {
        const std::string name = fmt::format("{}.blocks.{}.o.", names[task], layer);
        const Tensor change =
            at::matmul(at::matmul(x[row], state.at(name + "a").t()), state.at(name + "b").t());
        expected = expected + change * (2 * weight[task]);
      }
      EXPECT_GT(expected.abs().max().item<double>(), 1e-4);
      EXPECT_LT(furthest(added[row], expected), 1e-5) << layer;
    }
  }
}

}  // namespace
}  // namespace patina
