// LLaVA against transformers: image features, projected tokens, scores, greedy words, loss and
// gradients, under every spelling of the weights; and what is refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "patina/models/answer_scores.h"
#include "patina/models/model_folder.h"
#include "patina/models/probe.h"
#include "patina/models/stored_form.h"
#include "patina/models/two_tower/llava.h"
#include "patina/ops.h"
#include "tests/support/errors.h"
#include "tests/support/parity.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

struct LlavaFiles {
  std::string folder, weights;
};

void PrintTo(const LlavaFiles& files, std::ostream* out) {
  *out << files.folder << "_" << files.weights;
}

std::unique_ptr<Llava> llava_at(const fs::path& path) {
  auto backbone = load_backbone({.name = path.string()});
  return std::unique_ptr<Llava>(&dynamic_cast<Llava&>(*backbone.release()));
}

class LlavaParity : public testing::TestWithParam<LlavaFiles> {
 protected:
  void SetUp() override {
    folder_ = fixture_folder(Fixtures::small) / "llava" / GetParam().folder;
    expected_ = std::make_unique<Reference>(folder_ / "model.expected.safetensors");
    llava_ = llava_at(folder_ / (GetParam().weights + ".safetensors"));
  }
  Tensor expected(const std::string& name) const { return (*expected_)(name); }
  // Texts with images; the words in `labels` carry loss.
  Input input() const {
    Input input(expected("input_ids"), expected("attention_mask"));
    input.images = expected("pixel_values");
    input.loss = expected("labels").ge(0).to(at::kLong);
    return input;
  }

  fs::path folder_;
  std::unique_ptr<Reference> expected_;
  std::unique_ptr<Llava> llava_;
};

TEST_P(LlavaParity, ReadsImagesAmongWords) {
  const Tensor pixels = expected("pixel_values");
  EXPECT_PARITY(llava_->image_features(pixels), expected("image_features"));
  EXPECT_PARITY(llava_->image_tokens_of(pixels), expected("projected"));
  EXPECT_EQ(llava_->image_tokens()->count, expected("projected").size(1));
  const Tensor real = expected("attention_mask").unsqueeze(-1).to(at::kFloat);
  const Tensor tokens = llava_->tokens(input());
  EXPECT_PARITY(llava_->word_scores(tokens) * real, expected("logits") * real);
  // The features are those of the last word that is not padding.
  const Tensor last = expected("attention_mask").sum(1) - 1;
  const Tensor features = llava_->features(input());
  for (int64_t row = 0; row < 2; ++row)
    EXPECT_LT(relative_error(features[row], tokens[row][last[row].item<int64_t>()]), 1e-5);
}

TEST_P(LlavaParity, ReadsTextsAlone) {
  const int64_t first = 1 + llava_->image_tokens()->count;
  const Tensor words = expected("input_ids").slice(1, first, first + 4);
  EXPECT_PARITY(llava_->word_scores(llava_->tokens(words)), expected("logits_without_image"));
}

TEST_P(LlavaParity, LossAndGradientsOfAllWeights) {
  nn::freeze(*llava_, false);
  const Tensor loss = answer_losses(*llava_, input(), {}).mean();
  EXPECT_NEAR(loss.item<double>(), expected("loss").item<double>(), 1e-5);
  loss.backward();
  EXPECT_LT(gradient_error(*llava_, folder_ / "model.grads.safetensors"), 1e-4);
}

// The loss of a frozen network reaches what stands among its words.
TEST_P(LlavaParity, GradientsOfTheProjectorAlone) {
  const Reference gradients(folder_ / "model.grads.safetensors");
  for (auto& item : nn::tensors(*llava_))
    if (item.name.starts_with("projector.")) item.tensor.requires_grad_(true);
  answer_losses(*llava_, input(), {}).mean().backward();
  for (auto& item : nn::tensors(*llava_)) {
    if (!item.name.starts_with("projector.")) continue;
    std::string theirs = item.name;
    theirs.replace(
        0, std::string("projector.0").size(),
        theirs[10] == '0' ? "multi_modal_projector.linear_1" : "multi_modal_projector.linear_2");
    EXPECT_PARITY(item.tensor.grad(), gradients(theirs));
  }
}

TEST_P(LlavaParity, WritesTheLikeliestWords) {
  Input prompt(expected("greedy_prompt").unsqueeze(0));
  prompt.images = expected("pixel_values").slice(0, 0, 1);
  const auto wanted = items_of(expected("greedy_ids"));
  const Tensor steps = expected("greedy_step_logits");
  const size_t first = wanted.size() - size_t(steps.size(0));
  for (const bool cached : {true, false}) {
    auto text = llava_->begin(prompt, {}, cached);
    ASSERT_TRUE(text.has_value());
    for (int64_t step = 0; step < steps.size(0); ++step) {
      EXPECT_PARITY(text->scores()[0], steps[step]);
      const Tensor next = text->scores().argmax(1);
      EXPECT_EQ(next.item<int64_t>(), wanted[first + size_t(step)]) << "step " << step;
      text->append(next);
    }
  }
}

// A word that is the image's token and was written is a word: the image stands in the prompt.
TEST_P(LlavaParity, AWrittenImageTokenIsAWord) {
  Input prompt(expected("greedy_prompt").unsqueeze(0));
  prompt.images = expected("pixel_values").slice(0, 0, 1);
  const Tensor token = tensor_of(std::vector<int64_t>{llava_->image_tokens()->id});
  auto cached = llava_->begin(prompt, {}, true), reread = llava_->begin(prompt, {}, false);
  for (auto* text : {&cached, &reread}) (*text)->append(token);
  EXPECT_LT(relative_error(cached->scores(), reread->scores()), 1e-5);
}

// What is written is a LLaVA again, under the names of the file that was read.
TEST_P(LlavaParity, IsWrittenAsItWasRead) {
  const fs::path written = scratch_folder("llava_written_" + testing::PrintToString(GetParam()));
  write_model_folder(*llava_, written, at::kFloat);
  const auto again = llava_at(written);
  const Input probe = probe_input(*llava_);
  EXPECT_EQ(probe.images.defined(), true);
  EXPECT_TRUE(at::equal(probe_outputs(*again, probe), probe_outputs(*llava_, probe)));
  const auto before = SafetensorsFile::open(folder_ / (GetParam().weights + ".safetensors"));
  const auto after = SafetensorsFile::open(written / "model.safetensors");
  for (const auto& [name, tensor] : before.tensors()) EXPECT_TRUE(after.has(name)) << name;
}

INSTANTIATE_TEST_SUITE_P(Spellings, LlavaParity,
                         testing::Values(LlavaFiles{"clip_llama", "model"},
                                         LlavaFiles{"clip_llama", "model_new"},
                                         LlavaFiles{"clip_llama", "model_written"},
                                         LlavaFiles{"clip_llama", "model_between"},
                                         LlavaFiles{"siglip_qwen2", "model"},
                                         LlavaFiles{"siglip_qwen2", "model_new"},
                                         LlavaFiles{"siglip_qwen2", "model_written"},
                                         LlavaFiles{"siglip_qwen2", "model_between"}),
                         [](const auto& info) { return testing::PrintToString(info.param); });

class LlavaTest : public testing::Test {
 protected:
  LlavaTest()
      : folder_(fixture_folder(Fixtures::small) / "llava/clip_llama"),
        expected_(folder_ / "model.expected.safetensors"),
        llava_(llava_at(folder_)) {}

  Input input() const {
    Input input(expected_("input_ids"), expected_("attention_mask"));
    input.images = expected_("pixel_values");
    return input;
  }
  // What a folder with a changed config.json says.
  std::string refusal(const std::string& from, const std::string& to) {
    const fs::path changed = scratch_folder("llava_config");
    fs::copy_file(folder_ / "model.safetensors", changed / "model.safetensors");
    std::ifstream file(folder_ / "config.json");
    std::string config{std::istreambuf_iterator<char>(file), {}};
    const size_t at = config.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    config.replace(at, from.size(), to);
    std::ofstream(changed / "config.json") << config;
    return error_of([&] { load_backbone({.name = changed.string()}); });
  }

  fs::path folder_;
  Reference expected_;
  std::unique_ptr<Llava> llava_;
};

// Neither its neighbours nor their padding change what a sample gives.
TEST_F(LlavaTest, ASampleDependsOnNoOther) {
  const Tensor together = llava_->features(input());
  for (int64_t row = 0; row < 2; ++row) {
    Input one = input().slice(row, row + 1);
    const int64_t length = one.mask.sum().item<int64_t>();
    one.data = one.data.slice(1, 0, length);
    one.mask = Tensor();
    EXPECT_LT(relative_error(llava_->features(one), together.slice(0, row, row + 1)), 1e-5);
  }
}

// In one batch with texts that name no image.
TEST_F(LlavaTest, TextsWithAndWithoutImagesGoTogether) {
  const int64_t first = 1 + llava_->image_tokens()->count;
  const Input text(expected_("input_ids").slice(0, 0, 1).slice(1, first, first + 4));
  const Input both = text.joined(input());
  ASSERT_EQ(both.images.size(0), 3);
  const Tensor features = llava_->features(both);
  EXPECT_LT(relative_error(features.slice(0, 0, 1), llava_->features(text)), 1e-5);
  EXPECT_LT(relative_error(features.slice(0, 1), llava_->features(input())), 1e-5);
}

TEST_F(LlavaTest, AnImageNeedsAllOfItsTokens) {
  Input cut = input();
  cut.data = cut.data.slice(1, 2);
  cut.mask = cut.mask.slice(1, 2);
  EXPECT_TRUE(contains(error_of([&] { llava_->tokens(cut); }),
                       "8 tokens of an image, and 9 stand for one"));
  Input blind = input();
  blind.images = Tensor();
  EXPECT_TRUE(contains(error_of([&] { llava_->tokens(blind); }), "there is no image"));
}

// Its own copy gives the same; LoRAs act in the tower that they were made for.
TEST_F(LlavaTest, TowersAreTheDecodersAndTheImages) {
  const auto towers = llava_->towers();
  ASSERT_EQ(towers.size(), 2u);
  EXPECT_EQ(towers[0].tower, nn::Tower::text);
  EXPECT_EQ(towers[0].block.width, 24);
  EXPECT_EQ(towers[1].tower, nn::Tower::image);
  EXPECT_EQ(towers[1].block.width, 16);
  Stages words(2), parts(3);
  words.set_tower(nn::Tower::text);
  parts.set_tower(nn::Tower::image);
  const Tensor features = llava_->features(input(), {&words, &parts});
  EXPECT_EQ(words.seen.at("embeddings").size(2), 24);
  EXPECT_EQ(parts.seen.at("embeddings").size(2), 16);
  EXPECT_TRUE(at::equal(llava_->clone()->features(input()), features));
}

TEST_F(LlavaTest, SaysWhatIsWrongInItsConfig) {
  const auto expect = [&](const std::string& from, const std::string& to, const std::string& part) {
    const std::string error = refusal(from, to);
    EXPECT_TRUE(contains(error, part)) << error;
  };
  expect("\"vision_config\"", "\"other_config\"", "no vision_config");
  expect("\"text_config\"", "\"other_config\"", "no text_config");
  expect("\"image_token_index\": 5", "\"image_token_index\": 40",
         "image_token_index = 40 is beyond the vocabulary of 40");
  expect("\"vision_feature_layer\": -2", "\"vision_feature_layer\": -5",
         "vision_feature_layer = -5, and the image tower has 3 blocks: -4 to 3 are possible");
  expect("\"vision_feature_layer\": -2", "\"vision_feature_layer\": [-2, -1]",
         "vision_feature_layer = [-2,-1] is not a whole number");
  expect("strategy\": \"default\"", "strategy\": \"cls\"",
         "vision_feature_select_strategy = \"cls\" is not supported");
  expect("\"projector_hidden_act\": \"gelu\"", "\"projector_hidden_act\": \"maxout\"",
         "projector_hidden_act = \"maxout\" is not supported");
  expect("\"llama\"", "\"gpt2\"", "model_type \"gpt2\" is no decoder that patina reads in a LLaVA");
  expect("\"clip_vision_model\"", "\"swin\"", "model_type \"swin\" is no image tower");
  expect("\"image_token_index\": 5", "\"image_newline\": true", "image_newline");
}

TEST_F(LlavaTest, NamesTheMissingPart) {
  const fs::path changed = scratch_folder("llava_parts");
  fs::copy_file(folder_ / "config.json", changed / "config.json");
  const auto whole = SafetensorsFile::open(folder_ / "model.safetensors");
  for (const auto& [begin, part] :
       {std::pair<std::string, std::string>{"multi_modal_projector", "no tensor of the projector"},
        {"vision_tower", "no tensor of the image tower"},
        {"language_model", "no tensor of the language model"}}) {
    std::map<std::string, StoredTensor> rest;
    for (const auto& [name, tensor] : whole.tensors())
      if (!name.starts_with(begin)) rest[name] = tensor;
    write_safetensors(changed / "model.safetensors", rest);
    const std::string error = error_of([&] { load_backbone({.name = changed.string()}); });
    EXPECT_TRUE(contains(error, part)) << error;
  }
}

}  // namespace
}  // namespace patina
