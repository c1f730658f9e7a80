// Pre-training of two towers: what the towers begin with, what matches what, the file that is
// written, and that a small one learns the names of classes.
#include <gtest/gtest.h>

#include <cmath>

#include "patina/learn/class_texts.h"
#include "patina/models/text/bert.h"
#include "patina/models/two_tower/clip_checkpoint.h"
#include "patina/pretrain/token_drop.h"
#include "patina/pretrain/two_tower_pretrain.h"
#include "tests/support/data_files.h"
#include "tests/support/errors.h"
#include "tests/support/families.h"
#include "tests/support/shared.h"
#include "tests/support/toy_vit.h"

namespace patina {
namespace {

constexpr const char* kCaptionWords =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##a\n.\nred\nblue\nphoto\nof\nthing\nox\n##ing\n";
constexpr int64_t kCaptionVocabulary = 15;

std::shared_ptr<LanguageModel> caption_teacher() {
  LanguageShape shape = tiny_language("bert");
  shape.text.vocabulary = kCaptionVocabulary;
  shape.pooling = Pooling::mean;
  shape.unit_length = true;
  return stirred(LanguageModel(shape), 3);
}

TEST(CaptionWords, EndIsLastAndWordsAreWhole) {
  const auto tokenizer = word_piece_tokenizer(kCaptionWords, "vocabulary");
  EXPECT_EQ(with_end_last(*tokenizer),
            (std::vector<int64_t>{0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 3}));
  EXPECT_EQ(plain_words(*tokenizer), (std::vector<std::string>{"red", "blue", "photo", "thing"}));
}

std::unique_ptr<Clip> small_towers(ViT& vit, int64_t width) {
  Random random = Seeds(4)("weights");
  const auto tokenizer = word_piece_tokenizer(kCaptionWords, "vocabulary");
  return two_towers(vit, *caption_teacher(), with_end_last(*tokenizer),
                    {.width = width, .depth = 1, .heads = 2, .positions = 12}, random);
}

TEST(TwoTowers, BeginAsTheVitAndWithTheTeachersWords) {
  const auto vit = random_vit();
  NoGrad no_grad;
  const Tensor images = random_tensor({3, 3, 16, 16}, 5);
  const Tensor table = caption_teacher()->text_tower().words().weight.to(at::kDouble);
  const Tensor ours = at::cat({table.slice(0, 0, 3), table.slice(0, 4), table.slice(0, 3, 4)});
  for (const int64_t width : {24, 8}) {
    const auto clip = small_towers(*vit, width);
    EXPECT_EQ(clip->width(), 24);
    EXPECT_TRUE(at::equal(clip->before_projection(images), vit->features(images)));
    // The best approximation of the table with `width` directions keeps its largest moments.
    const Tensor words = clip->text().words().weight.to(at::kDouble);
    const auto moments = [](const Tensor& x) {
      return std::get<0>(at::linalg_eigh(at::matmul(x.t(), x))).flip({0});
    };
    EXPECT_LT(relative_error(moments(words), moments(ours).slice(0, 0, width)), 1e-5) << width;
    if (width == 24) {
      EXPECT_LT(relative_error(at::matmul(words, words.t()), at::matmul(ours, ours.t())), 1e-5);
    }
    EXPECT_NEAR(
        clip->similarity(float_tensor({1, 0}).reshape({1, 2}), float_tensor({2, 0}).reshape({1, 2}))
            .item<double>(),
        1 / 0.07, 1e-4);
  }
}

// Images 0 and 2 are of one class.
TEST(ContrastiveLoss, AnImageMatchesTheTextsOfItsClass) {
  const Tensor scores = float_tensor({1, 2, 0, 0, 1, 3, 2, 1, 1}).reshape({3, 3});
  const Tensor classes = tensor_of(std::vector<int64_t>{7, 2, 7});
  const auto log_of = [](double s, std::vector<double> all) {
    double sum = 0;
    for (const double a : all) sum += std::exp(a);
    return s - std::log(sum);
  };
  const double rows = -((log_of(1, {1, 2, 0}) + log_of(0, {1, 2, 0})) / 2 + log_of(1, {0, 1, 3}) +
                        (log_of(2, {2, 1, 1}) + log_of(1, {2, 1, 1})) / 2) /
                      3;
  const double columns =
      -((log_of(1, {1, 0, 2}) + log_of(2, {1, 0, 2})) / 2 + log_of(1, {2, 1, 1}) +
        (log_of(0, {0, 3, 1}) + log_of(1, {0, 3, 1})) / 2) /
      3;
  EXPECT_NEAR(contrastive_loss(scores, classes).item<double>(), (rows + columns) / 2, 1e-6);
  const Tensor apart = tensor_of(std::vector<int64_t>{4, 0, 1});
  EXPECT_NEAR(contrastive_loss(scores, apart).item<double>(),
              contrastive_loss(scores).item<double>(), 1e-6);
}

TEST(TokenDrop, KeepsTheClassTokenAndAPart) {
  TokenDrop drop(0.5, Seeds(1)("tokens"));
  const Tensor x = at::arange(9, at::kFloat).reshape({1, 9, 1});
  const auto kept = items_of(drop.tokens(0, x).flatten().to(at::kLong));
  ASSERT_EQ(kept.size(), 5U);
  EXPECT_EQ(kept[0], 0);
  EXPECT_EQ(std::set<int64_t>(kept.begin(), kept.end()).size(), 5U);
  EXPECT_NE(kept, items_of(drop.tokens(0, x).flatten().to(at::kLong))) << "drawn anew";
  EXPECT_TRUE(at::equal(drop.tokens(1, x), x));
}

TEST(SavedClip, IsAWholeModel) {
  const auto vit = random_vit();
  const auto clip = small_towers(*vit, 8);
  {
    NoGrad no_grad;
    Random random = Seeds(6)("norms");
    for (auto& item : nn::tensors(*clip))
      if (item.name.ends_with("bias")) nn::init_normal(item.tensor, random, 0, 0.1);
  }
  const auto tokenizer = word_piece_tokenizer(kCaptionWords, "vocabulary");
  std::string vocabulary;
  for (const int64_t id : with_end_last(*tokenizer)) vocabulary += tokenizer->token(id) + "\n";
  const fs::path file = scratch_folder("saved-clip") / "clip.safetensors";
  save_clip(*clip, vocabulary, file, /*bf16=*/false, {{"name", "small"}});
  const auto read = load_backbone({.name = file.string()});
  NoGrad no_grad;
  EXPECT_EQ(read->about(), clip->about());
  const Tensor images = random_tensor({3, 3, 16, 16}, 5);
  EXPECT_TRUE(at::equal(read->features(images), clip->features(images)));
  EXPECT_EQ(read->image_input()->normalize, vit->image_input()->normalize);
  const Encoding text = read->tokenizer()->encode_framed("a red thing");
  EXPECT_EQ(text.ids, (std::vector<int64_t>{2, 4, 7, 11, 14}));
  // What follows the end is not read.
  const Encoding longer = read->tokenizer()->encode_framed("a photo of a red thing");
  const Input both = padded(std::vector{text, longer}, *read->tokenizer());
  EXPECT_LT(relative_error(read->features(both)[0],
                           clip->features(padded(std::vector{text}, *read->tokenizer()))[0]),
            1e-6);
  EXPECT_GT(relative_error(read->features(both)[0], read->features(both)[1]), 1e-2);
}

TwoTowerPretrainOptions small_two_towers(const fs::path& folder) {
  auto vit = random_vit();
  save_vit(*vit, folder / "vit.safetensors", /*bf16=*/false);
  save_bert(*caption_teacher(), kCaptionWords, folder / "teacher.safetensors", /*bf16=*/false);
  const ToySource train(2, 16, 1), test(2, 6, 2);
  const std::vector<std::string> names = {"red", "blue"};
  for (const ToySource* split : {&train, &test})
    for (int64_t i = 0; i < split->size(); ++i)
      write(folder / "data" / (split == &train ? "train" : "val") / names[size_t(split->label(i))] /
                fmt::format("{:03}.png", i),
            encode_png(split->image(i)));
  TwoTowerPretrainOptions options;
  options.data = {.name = "folder", .path = (folder / "data").string()};
  options.image.name = (folder / "vit.safetensors").string();
  options.teacher.model.name = (folder / "teacher.safetensors").string();
  options.text = {.width = 16, .depth = 1, .heads = 2, .positions = 12};
  options.captions = {.templates = {"a photo of a {}.", "{}"}, .words = 3, .words_per_step = 4};
  options.training.batch_size = 8;
  options.training.keep_tokens = 0.5;
  options.training.full_epochs = 2;
  options.training.device = "cpu";
  options.training.optimizer.lr = 3e-3;
  return options;
}

TEST(TwoTowerPretraining, LearnsTheNamesAndResumes) {
  const fs::path folder = scratch_folder("two-tower-pretraining");
  TwoTowerPretrainOptions options = small_two_towers(folder);
  options.training.optimizer.schedule = "constant";
  options.training.epochs = 12;
  EXPECT_GT(pretrain(options, folder / "whole", /*resume=*/false), 0.8);
  options.training.full_epochs = 0;
  for (const int64_t epochs : {2, 4}) {
    options.training.epochs = epochs;
    pretrain(options, folder / "resumed", /*resume=*/epochs > 2);
  }
  pretrain(options, folder / "straight", /*resume=*/false);
  const auto weights = [&](const char* run) {
    const auto model = load_backbone({.name = (folder / run / "weights.safetensors").string()});
    std::map<std::string, Tensor> all;
    for (const auto& item : nn::tensors(*model)) all[item.name] = item.tensor;
    return all;
  };
  const auto straight = weights("straight"), resumed = weights("resumed");
  for (const auto& [name, tensor] : straight)
    EXPECT_TRUE(at::equal(tensor, resumed.at(name))) << name;
}

TEST(TwoTowerPretraining, LearnsNamesForAnImageTowerThatStays) {
  const fs::path folder = scratch_folder("two-tower-locked");
  TwoTowerPretrainOptions options = small_two_towers(folder);
  const auto vit = toy_vit(ToySource(2, 16, 1));
  save_vit(*vit, folder / "vit.safetensors", /*bf16=*/true);
  options.training.image_tower = false;
  options.training.epochs = 15;
  EXPECT_GT(pretrain(options, folder / "run", /*resume=*/false), 0.8);
  const auto before = load_vit({.name = (folder / "vit.safetensors").string()});
  const auto after = load_backbone({.name = (folder / "run/weights.safetensors").string()});
  std::map<std::string, Tensor> towers;
  for (const auto& item : nn::tensors(*after)) towers[item.name] = item.tensor;
  for (const auto& item : nn::tensors(*before)) {
    if (item.name.starts_with("head")) continue;
    EXPECT_TRUE(at::equal(item.tensor, towers.at("image." + item.name))) << item.name;
  }
}

TEST(TwoTowerPretraining, SaysWhatDoesNotFit) {
  const fs::path folder = scratch_folder("two-tower-mistakes");
  TwoTowerPretrainOptions options = small_two_towers(folder);
  options.text.width = 32;
  const auto error = [&] { return error_of([&] { pretrain(options, folder / "run", true); }); };
  EXPECT_EQ(error(), "text.width is 32, but the teacher's words have 24 numbers");
  options.image.name = options.teacher.model.name;
  options.text.width = 16;
  EXPECT_TRUE(contains(error(), "a vision transformer is needed")) << error();
}

TEST(ClipStarter, IsInsideTheProgram) {
  EXPECT_LE(fs::file_size(fs::path(PATINA_SOURCE_DIR) / "models/clip_starter.safetensors"),
            12'000'000U);
  EXPECT_TRUE(is_model("clip_starter"));
  const auto clip = load_backbone({.name = "clip_starter"});
  EXPECT_TRUE(clip->compares());
  EXPECT_EQ(clip->image_input()->size, 32);
  EXPECT_EQ(clip->width(), 384);
  // Names that it learned have a place among words that are no class.
  const ClassTexts texts(*clip, {});
  NoGrad no_grad;
  const Tensor f = texts.encoded({"dog", "puppy", "truck", "bus"});
  const Tensor likeness = at::matmul(f, f.t());
  EXPECT_GT(likeness[0][1].item<float>(), likeness[0][2].item<float>());
  EXPECT_GT(likeness[2][3].item<float>(), likeness[1][3].item<float>());
}

}  // namespace
}  // namespace patina
