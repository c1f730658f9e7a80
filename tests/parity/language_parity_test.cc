// Language models against transformers (5.24 made the small networks, 4.40.2 the large ones): every
// stage, loss and gradient of random networks of each family, and what they generate.
#include <gtest/gtest.h>

#include "patina/base/file.h"
#include "patina/base/json.h"
#include "patina/models/generate.h"
#include "patina/models/text/encoder_decoder.h"
#include "patina/models/text/language_model.h"
#include "patina/nn/engine.h"
#include "patina/nn/losses.h"
#include "patina/text/tokenizer.h"
#include "tests/support/parity.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

constexpr double kLoss = 1e-5, kGradient = 1e-4;

/// One family's folder of reference numbers.
class LanguageParity : public testing::Test {
 protected:
  void open(Fixtures fixtures, const std::string& family, const std::string& weights = "model") {
    PATINA_NEED_FIXTURE(folder, fixtures, "language/" + family);
    folder_ = folder;
    expected_ = std::make_unique<Reference>(folder / (weights + ".expected.safetensors"));
    load(weights);
  }
  void load(const std::string& weights) {
    backbone_ = load_backbone({.name = (folder_ / (weights + ".safetensors")).string()});
    nn::freeze(*backbone_, false);
  }
  Tensor expected(const std::string& name) const { return (*expected_)(name); }
  bool skipped() const { return !backbone_; }

  LanguageModel& model() { return dynamic_cast<LanguageModel&>(*backbone_); }
  EncoderDecoder& pair() { return dynamic_cast<EncoderDecoder&>(*backbone_); }

  Input input() const {
    return {expected("input_ids"), expected("attention_mask"),
            expected_->has("token_type_ids") ? expected("token_type_ids") : Tensor()};
  }

  /// All stages of the tower; returns the tokens after the last norm.
  Tensor check_stages() {
    Stages stages(int(model().layers()));
    Tensor tokens = model().tokens(input(), {&stages});
    for (const auto& [name, value] : stages.seen)
      if (name != "norm") EXPECT_PARITY(read(value), read(expected(name)));
    EXPECT_EQ(stages.seen.size(), size_t(model().layers()) + 2);
    EXPECT_PARITY(read(tokens), read(expected("last_hidden_state")));
    return tokens;
  }

  /// Without padding that is behind a window or that is DeBERTa's: there it sees nothing, and what
  /// it becomes is not read.
  Tensor read(const Tensor& t) {
    const TextShape& text = model().shape().text;
    const bool hides = text.window > 0 || text.block.window > 0 || text.distances > 0;
    return hides ? t * expected("attention_mask").unsqueeze(-1) : t;
  }

  void check_loss(const Tensor& loss, const std::string& name = "loss") {
    EXPECT_NEAR(loss.item<double>(), expected(name).item<double>(), kLoss) << name;
  }

  void check_gradients(const Tensor& loss) {
    loss.backward();
    EXPECT_LT(gradient_error(*backbone_, folder_ / "model.grads.safetensors"), kGradient);
  }

  /// Stages, heads, losses and gradients of an encoder that predicts masked words.
  void check_masked_encoder() {
    const Tensor tokens = check_stages(), features = model().features(input());
    EXPECT_TRUE(at::equal(features, tokens.select(1, 0)));
    EXPECT_PARITY(read(model().word_scores(tokens)), read(expected("mlm_logits")));
    if (expected_->has("class_logits")) {
      const Tensor classes = model().logits(features);
      EXPECT_PARITY(classes, expected("class_logits"));
      check_loss(nn::cross_entropy(classes, expected("class_labels")), "class_loss");
    }
    const Tensor loss = words_loss(tokens);
    check_loss(loss);
    check_gradients(loss);
  }

  Tensor words_loss(const Tensor& tokens) {
    return nn::token_cross_entropy(model().word_scores(tokens), expected("mlm_labels"));
  }

  /// The packed engine in fp32: the same numbers and gradients up to rounding.
  void check_packed_encoder() {
    backbone_->set_engine(nn::packed_engine(nn::Precision::fp32));
    for (auto& item : nn::tensors(*backbone_)) item.tensor.mutable_grad() = Tensor();
    const Tensor tokens = model().tokens(input());
    EXPECT_PARITY(read(tokens), read(expected("last_hidden_state")));
    EXPECT_PARITY(model().features(input()), expected("last_hidden_state").select(1, 0));
    check_gradients(words_loss(tokens));
  }

  /// Greedy ids and the scores before each of them, with and without a cache.
  void check_greedy(const std::string& prompt_name, const std::string& stem) {
    const Tensor prompt = expected(prompt_name).unsqueeze(0);
    const auto wanted = items_of(expected(stem + "_ids"));
    const Tensor steps = expected(stem + "_step_logits");
    for (const bool cached : {true, false}) {
      auto text = backbone_->begin(prompt, {}, cached);
      ASSERT_TRUE(text.has_value());
      const size_t first = wanted.size() - size_t(steps.size(0));
      for (int64_t step = 0; step < steps.size(0); ++step) {
        EXPECT_PARITY(text->scores()[0], steps[step]);
        const Tensor next = text->scores().argmax(1);
        EXPECT_EQ(next.item<int64_t>(), wanted[first + size_t(step)]) << stem << " step " << step;
        text->append(next);
      }
    }
  }

  fs::path folder_;
  std::unique_ptr<Reference> expected_;
  std::unique_ptr<Backbone> backbone_;
};

class Family : public LanguageParity, public testing::WithParamInterface<Fixtures> {};

TEST_P(Family, Bert) {
  open(GetParam(), "bert");
  if (skipped()) return;
  EXPECT_EQ(model().about(), GetParam() == Fixtures::small ? "bert 2x16, 2 heads, 40 words"
                                                           : "bert 3x48, 4 heads, 120 words");
  const Tensor tokens = check_stages(), features = model().features(input());
  EXPECT_TRUE(at::equal(features, tokens.select(1, 0)));
  EXPECT_PARITY(model().pooled(features), expected("pooler_output"));
  EXPECT_PARITY(model().word_scores(tokens), expected("mlm_logits"));
  EXPECT_PARITY(model().next_sentence(features), expected("nsp_logits"));
  EXPECT_PARITY(model().logits(features), expected("class_logits"));
  EXPECT_PARITY(model().tokens(expected("input_ids").slice(0, 0, 1)),
                expected("last_hidden_state_first_row_no_mask_no_types"));
  const Tensor words = nn::token_cross_entropy(model().word_scores(tokens), expected("mlm_labels"));
  const Tensor next = nn::cross_entropy(model().next_sentence(features), expected("nsp_labels"));
  check_loss(words, "mlm_loss");
  check_loss(next, "nsp_loss");
  check_loss(nn::cross_entropy(model().logits(features), expected("class_labels")), "class_loss");
  check_loss(words + next);
  check_gradients(words + next);
}

TEST_P(Family, BertsOldNames) {
  open(GetParam(), "bert");
  if (skipped()) return;
  load("model_gamma_beta");
  EXPECT_PARITY(model().tokens(input()), expected("last_hidden_state"));
}

TEST_P(Family, Roberta) {
  open(GetParam(), "roberta");
  if (skipped()) return;
  check_masked_encoder();
  EXPECT_PARITY(model().pooled(model().features(input())), expected("pooler_output"));
}

TEST_P(Family, Distilbert) {
  open(GetParam(), "distilbert");
  if (skipped()) return;
  check_masked_encoder();
}

TEST_F(LanguageParity, Mpnet) {
  open(Fixtures::small, "mpnet");
  EXPECT_EQ(model().about(), "mpnet 2x18, 3 heads, 38 words");
  EXPECT_EQ(model().text_input()->longest, 16);
  check_masked_encoder();
  EXPECT_PARITY(model().pooled(model().features(input())), expected("pooler_output"));
}

TEST_F(LanguageParity, ModernBert) {
  open(Fixtures::small, "modernbert");
  EXPECT_EQ(model().about(), "modernbert 4x16, 2 heads, 40 words");
  EXPECT_EQ(model().text_input()->longest, 24);
  check_masked_encoder();
  check_packed_encoder();
}

// Its classifier reads the mean of the tokens, if config.json says so, and so do learners.
TEST_F(LanguageParity, ModernBertsClasses) {
  open(Fixtures::small, "modernbert_classes");
  const Tensor tokens = check_stages(), features = model().features(input());
  EXPECT_PARITY(features, mean_of(tokens, expected("attention_mask")));
  EXPECT_PARITY(model().logits(features), expected("class_logits"));
  const Tensor loss = nn::cross_entropy(model().logits(features), expected("class_labels"));
  check_loss(loss);
  check_gradients(loss);
}

TEST_F(LanguageParity, Deberta) {
  open(Fixtures::small, "deberta");
  EXPECT_EQ(model().about(), "deberta-v2 2x16, 2 heads, 40 words");
  EXPECT_EQ(model().text_input()->longest, 16);
  check_masked_encoder();
  check_packed_encoder();
}

TEST_F(LanguageParity, DebertaWithLayersOfDistances) {
  open(Fixtures::small, "deberta_own");
  check_masked_encoder();
  check_packed_encoder();
}

// One of the two terms changes the scale of scores, too.
TEST_F(LanguageParity, DebertaWithOneTerm) {
  open(Fixtures::small, "deberta");
  for (const std::string term : {"c2p", "p2c"}) {
    const fs::path folder = scratch_folder("deberta_" + term);
    Json config = parse_json(read_text(folder_ / "config.json"), "config.json");
    config["pos_att_type"] = term;
    write_text(folder / "config.json", config.dump());
    fs::copy_file(folder_ / "model.safetensors", folder / "model.safetensors");
    backbone_ = load_backbone({.name = folder.string()});
    EXPECT_PARITY(read(model().tokens(input())), read(expected("last_hidden_state_" + term)));
  }
}

const auto kBoth = testing::Values(Fixtures::small, Fixtures::large);

INSTANTIATE_TEST_SUITE_P(Sizes, Family, kBoth, testing::PrintToStringParamName());

using Case = std::tuple<Fixtures, std::string>;

std::string name_of(const testing::TestParamInfo<Case>& info) {
  return testing::PrintToString(std::get<0>(info.param)) + "_" + std::get<1>(info.param);
}

class Decoders : public LanguageParity, public testing::WithParamInterface<Case> {
 protected:
  void open_case() { open(std::get<0>(GetParam()), std::get<1>(GetParam())); }
};

TEST_P(Decoders, StagesLossGradientsAndGreedyText) {
  open_case();
  if (skipped()) return;
  const Tensor tokens = check_stages(), scores = model().word_scores(tokens);
  EXPECT_PARITY(read(scores), read(expected("logits")));
  if (expected_->has("logits_first_row_no_mask"))
    EXPECT_PARITY(model().word_scores(model().tokens(expected("input_ids").slice(0, 0, 1))),
                  expected("logits_first_row_no_mask"));
  const Tensor loss = nn::next_token_loss(scores, expected("labels"));
  check_loss(loss);
  check_gradients(loss);
  check_greedy("greedy0_prompt", "greedy0");
  check_greedy("greedy1_prompt", "greedy1");
}

// Prompts of two lengths side by side go on as each alone.
TEST_P(Decoders, PromptsOfUnequalLengthShareABatch) {
  open_case();
  if (skipped()) return;
  const Tensor first = expected("greedy0_prompt"), second = expected("greedy1_prompt");
  const int64_t longest = second.size(0);
  Tensor ids = at::zeros({2, longest}, at::kLong), mask = at::zeros({2, longest}, at::kLong);
  for (const auto& [row, prompt] : {std::pair{0, first}, std::pair{1, second}}) {
    ids[row].slice(0, 0, prompt.size(0)).copy_(prompt);
    mask[row].slice(0, 0, prompt.size(0)).fill_(1);
  }
  const Tensor first_ids = expected("greedy0_ids"), second_ids = expected("greedy1_ids");
  for (const bool cached : {true, false}) {
    auto text = backbone_->begin({ids, mask}, {}, cached);
    for (int64_t step = 0; step < 12; ++step) {
      const Tensor next = text->scores().argmax(1);
      EXPECT_EQ(next[0].item<int64_t>(), first_ids[first.size(0) + step].item<int64_t>());
      EXPECT_EQ(next[1].item<int64_t>(), second_ids[second.size(0) + step].item<int64_t>());
      text->append(next);
    }
  }
}

// The packed engine in fp32: the same numbers, features and gradients up to rounding.
TEST_P(Decoders, PackedEngineComputesTheSame) {
  open_case();
  if (skipped()) return;
  backbone_->set_engine(nn::packed_engine(nn::Precision::fp32));
  const Tensor scores = model().word_scores(model().tokens(input()));
  EXPECT_PARITY(read(scores), read(expected("logits")));
  const Tensor tokens = expected("last_hidden_state"), lengths = expected("attention_mask").sum(1);
  std::vector<Tensor> last;
  for (int64_t row = 0; row < tokens.size(0); ++row)
    last.push_back(tokens[row][lengths[row].item<int64_t>() - 1]);
  EXPECT_PARITY(model().features(input()), at::stack(last));
  check_gradients(nn::next_token_loss(scores, expected("labels")));
  NoGrad no_grad;
  check_greedy("greedy0_prompt", "greedy0");
  check_greedy("greedy1_prompt", "greedy1");
}

INSTANTIATE_TEST_SUITE_P(Families, Decoders,
                         testing::Combine(kBoth, testing::Values("gpt2", "llama", "qwen2")),
                         name_of);
INSTANTIATE_TEST_SUITE_P(LlamasLine, Decoders,
                         testing::Combine(testing::Values(Fixtures::small),
                                          testing::Values("mistral", "qwen3", "phi3", "gemma2",
                                                          "gemma3")),
                         name_of);

/// One LLaMA under the scalings of rotary positions that configs spell out.
class Scalings : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const fs::path from = fixture_folder(Fixtures::small) / "language/rotary";
    const fs::path folder = scratch_folder("rotary_" + GetParam());
    fs::copy_file(from / (GetParam() + ".json"), folder / "config.json");
    fs::copy_file(from / "model.safetensors", folder / "model.safetensors");
    backbone_ = load_backbone({.name = folder.string()});
    expected_ = std::make_unique<Reference>(from / "expected.safetensors");
  }
  Tensor expected(const std::string& name) const { return (*expected_)(name); }
  Tensor own(const std::string& name) const { return expected(GetParam() + "." + name); }
  Tensor scores(const Input& input) const {
    return backbone_->word_scores(backbone_->tokens(input));
  }

  std::unique_ptr<Backbone> backbone_;
  std::unique_ptr<Reference> expected_;
};

TEST_P(Scalings, FollowTheirFormulas) {
  const Tensor text = expected("input_ids");
  for (const auto& engine : {nn::plain_engine(), nn::packed_engine(nn::Precision::fp32)}) {
    backbone_->set_engine(engine);
    EXPECT_PARITY(scores(text)[0].slice(0, -4), own("long"));
    EXPECT_PARITY(scores(text.slice(1, 0, 12))[0].slice(0, -4), own("short"));
  }
}

// A text's frequencies are its own: neither padding nor a longer neighbour changes them.
TEST_P(Scalings, DependOnNoNeighbour) {
  const Tensor text = expected("input_ids");
  Tensor ids = text.repeat({2, 1}), mask = at::ones_like(ids);
  ids[1].slice(0, 12).fill_(0);
  mask[1].slice(0, 12).fill_(0);
  const Tensor both = scores({ids, mask});
  EXPECT_PARITY(both[0].slice(0, -4), own("long"));
  EXPECT_PARITY(both[1].slice(0, 8, 12), own("short"));
}

// The texts grow over the length from which their frequencies change.
TEST_P(Scalings, GoOnWithAndWithoutACache) {
  const Tensor prompt = expected("prompt").unsqueeze(0), steps = own("steps");
  NoGrad no_grad;
  for (const bool cached : {true, false}) {
    auto text = backbone_->begin(prompt, {}, cached);
    for (int64_t step = 0; step < steps.size(0); ++step) {
      EXPECT_PARITY(text->scores()[0], steps[step]);
      text->append(text->scores().argmax(1));
    }
    EXPECT_TRUE(at::equal(tensor_of(text->ids()[0]).slice(0, 0, 20), own("greedy")));
  }
}

INSTANTIATE_TEST_SUITE_P(Rotary, Scalings,
                         testing::Values("linear", "linear_older", "dynamic", "yarn", "yarn_mscale",
                                         "yarn_attention", "llama3", "longrope", "longrope_factor"),
                         [](const auto& info) { return info.param; });

TEST_P(Family, Gpt2sBareNames) {
  open(GetParam(), "gpt2");
  if (skipped()) return;
  load("model_bare_names");
  EXPECT_PARITY(model().tokens(input()), expected("last_hidden_state"));
}

TEST_P(Family, Bf16Weights) {
  for (const char* family : {"llama", "qwen2"}) {
    open(GetParam(), family, "model_bf16");
    if (skipped()) return;
    const Input input{expected("input_ids"), expected("attention_mask")};
    EXPECT_PARITY(model().word_scores(model().tokens(input)), expected("logits"));
  }
}

class EncoderDecoders : public Decoders {};

TEST_P(EncoderDecoders, StagesLossGradientsAndGreedyText) {
  open_case();
  if (skipped()) return;
  const int encoder_layers = int(pair().prompt_layers());
  const int decoder_layers = int(pair().layers()) - encoder_layers;
  Stages encoder(encoder_layers), decoder(decoder_layers, encoder_layers);
  const Tensor encoded = pair().tokens(input(), {&encoder});
  EXPECT_PARITY(encoder.seen.at("embeddings"), expected("embeddings"));
  EXPECT_PARITY(encoded, expected("encoder_last_hidden_state"));
  const bool bart = std::get<1>(GetParam()) == "bart";
  const Tensor answer = shifted_right(expected("labels"), bart ? 2 : 0, bart ? 1 : 0);
  EXPECT_TRUE(at::equal(answer, expected("decoder_input_ids")));
  const Tensor tokens = pair().decode(answer, encoded, expected("attention_mask"), {&decoder});
  EXPECT_PARITY(tokens, expected("decoder_last_hidden_state"));
  const auto check_layers = [&](const Stages& stages, int count, const std::string& tower) {
    for (int i = 0; i < count; ++i) {
      const std::string layer = "layer" + std::to_string(i);
      EXPECT_PARITY(stages.seen.at(layer), expected(tower + layer));
    }
  };
  check_layers(encoder, encoder_layers, "encoder_");
  check_layers(decoder, decoder_layers, "decoder_");
  if (!bart) {
    EXPECT_PARITY(pair().encoder().relative_bias(14), expected("encoder_position_bias"));
    const Tensor hidden = at::full({8, 8}, 1.0).triu(1).to(at::kBool);
    EXPECT_PARITY(pair().decoder().relative_bias(8).masked_fill(hidden, 0),
                  expected("decoder_position_bias").masked_fill(hidden, 0));
  }
  EXPECT_PARITY(pair().word_scores(tokens), expected("logits"));
  const Tensor loss = nn::token_cross_entropy(pair().word_scores(tokens), expected("labels"));
  check_loss(loss);
  check_gradients(loss);
  check_greedy("greedy0_source", "greedy0");
}

INSTANTIATE_TEST_SUITE_P(Families, EncoderDecoders,
                         testing::Combine(kBoth, testing::Values("t5", "t5_gated")), name_of);
INSTANTIATE_TEST_SUITE_P(SmallFamilies, EncoderDecoders,
                         testing::Combine(testing::Values(Fixtures::small),
                                          testing::Values("bart")),
                         name_of);

// A trained model, from prompt to story: ids, text and losses of llama2.c and transformers.
TEST(Stories260K, TellsItsReferenceStories) {
  PATINA_NEED_SHARED(folder, "data/stories260K");
  PATINA_NEED_SHARED(reference, "fixtures/language/stories260K.json");
  const auto model = load_backbone({.name = folder.string()});
  const Tokenizer& tokenizer = *model->tokenizer();
  NoGrad no_grad;
  const Json stories = parse_json(read_text(reference), "stories");
  for (const Json& story : stories["cases"]) {
    auto ids = tokenizer.encode_framed(story["prompt"].get<std::string>()).ids;
    EXPECT_EQ(ids, story["prompt_ids"].get<std::vector<int64_t>>());
    const auto wanted = story["generated_ids"].get<std::vector<int64_t>>();
    const auto told = generate(*model, tensor_of(ids).unsqueeze(0), {},
                               {.max_tokens = int64_t(wanted.size())})[0];
    EXPECT_EQ(told, wanted);
    ids.insert(ids.end(), told.begin(), told.end());
    EXPECT_EQ(tokenizer.decode(ids, /*skip_special=*/true), story["text"].get<std::string>());
    const Tensor all = tensor_of(ids).unsqueeze(0);
    const auto& language = dynamic_cast<const LanguageModel&>(*model);
    const Tensor loss = nn::next_token_loss(language.word_scores(model->tokens(all)), all);
    EXPECT_NEAR(loss.item<double>(), story["mean_nll_of_all_tokens_after_first"].get<double>(),
                1e-4);
  }
}

}  // namespace
}  // namespace patina
