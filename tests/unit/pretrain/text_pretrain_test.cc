// Pre-training on texts: which sentences and words are kept, what is cut out of the teacher, and
// that a small student comes nearer to a small teacher.
#include <gtest/gtest.h>

#include <fstream>

#include "patina/models/text/bert.h"
#include "patina/pretrain/text_pretrain.h"
#include "tests/support/errors.h"
#include "tests/support/families.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

using Texts = std::vector<std::string>;

TEST(Sentences, EndAtStopsAndLines) {
  EXPECT_EQ(sentences_of("One two. Is 3.5 it?  Yes!\nA line\n\n ... last "),
            (Texts{"One two.", "Is 3.5 it?", "Yes!", "A line", "...", "last"}));
  EXPECT_EQ(sentences_of("  \n "), Texts{});
}

TEST(Sentences, AreDistinctAndOfTheLengthAsked) {
  const Sentences texts(Texts{"a b. c d e. a b", "c d e.\na b c d e"});
  EXPECT_EQ(sentences_of(texts, {.shortest = 2, .longest = 4}), (Texts{"a b.", "c d e.", "a b"}));
}

TEST(Sentences, AreDrawnOnce) {
  Texts all;
  for (int i = 0; i < 20; ++i) all.push_back(std::to_string(i));
  Texts some = drawn(all, 5, Seeds(1)("draw"));
  EXPECT_EQ(some, drawn(all, 5, Seeds(1)("draw")));
  std::ranges::sort(some);
  EXPECT_EQ(some.size(), 5U);
  EXPECT_EQ(std::ranges::unique(some).size(), 0U);
  EXPECT_EQ(drawn(all, 99, Seeds(1)("draw")).size(), 20U);
}

// A vocabulary of special tokens, some characters, and words.
constexpr const char* kVocabulary =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##a\n.\nrare\noften\nsome\nother\nwords\nhere\n##s\n";
constexpr int64_t kWords = 15;

TEST(KeptWords, AreSpecialOnesCharactersAndTheMostFrequent) {
  const auto tokenizer = word_piece_tokenizer(kVocabulary, "vocabulary");
  const Texts texts = {"often some often", "some often other", "often rare"};
  // "##s" is a piece of one character.
  EXPECT_EQ(kept_words(*tokenizer, texts, 11),
            (std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 14}));
}

// A BERT of three blocks with unit means, and its file.
std::shared_ptr<LanguageModel> teacher() {
  LanguageShape shape = tiny_language("bert");
  shape.text.vocabulary = kWords;
  shape.text.depth = 3;
  shape.pooling = Pooling::mean;
  shape.unit_length = true;
  return stirred(LanguageModel(shape));
}

TEST(CutOut, KeepsRowsBlocksAndTheLargestUnits) {
  const auto large = teacher();
  std::map<std::string, Tensor> its;
  for (const auto& item : nn::tensors(*large)) its[item.name] = item.tensor;
  {
    NoGrad no_grad;  // units 3 and 7 of the last block are the largest
    for (const int64_t unit : {3, 7}) its.at("text.blocks.2.mlp.fc1.weight")[unit].mul_(100);
    its.at("text.blocks.2.mlp.fc2.weight").select(1, 7).mul_(2);
  }
  Random random = Seeds(1)("weights");
  const auto small =
      cut_out(*large, {1, 2, 9}, {.layers = {0, 2}, .hidden = 2, .positions = 16}, random);
  EXPECT_EQ(small->about(), "bert 2x24, 4 heads, 3 words");
  EXPECT_EQ(small->text_input()->longest, 16);
  std::map<std::string, Tensor> ours;
  for (const auto& item : nn::tensors(*small)) ours[item.name] = item.tensor;
  EXPECT_TRUE(at::equal(
      ours.at("text.embed.weight"),
      its.at("text.embed.weight").index_select(0, tensor_of(std::vector<int64_t>{1, 2, 9}))));
  EXPECT_TRUE(
      at::equal(ours.at("text.position.weight"), its.at("text.position.weight").slice(0, 0, 16)));
  EXPECT_TRUE(
      at::equal(ours.at("text.blocks.1.attn.qkv.weight"), its.at("text.blocks.2.attn.qkv.weight")));
  EXPECT_TRUE(
      at::equal(ours.at("text.blocks.1.mlp.fc1.bias")[1], its.at("text.blocks.2.mlp.fc1.bias")[7]));
  EXPECT_TRUE(at::equal(ours.at("text.blocks.1.mlp.fc2.weight").select(1, 0),
                        its.at("text.blocks.2.mlp.fc2.weight").select(1, 3)));
}

TEST(CutOut, RefusesWhatTheTeacherDoesNotHave) {
  const auto large = teacher();
  Random random;
  const auto error = [&](const TextStudentOptions& options) {
    return error_of(ErrorKind::recipe, [&] { cut_out(*large, {1, 2}, options, random); });
  };
  EXPECT_EQ(error({.layers = {0, 3}, .hidden = 2, .positions = 16}),
            "model.layers has 3, but the teacher's blocks are 0 to 2");
  EXPECT_EQ(error({.layers = {0}, .hidden = 41, .positions = 16}),
            "model.hidden is 41, but the teacher's MLPs have 40 units");
  EXPECT_EQ(error({.layers = {0}, .hidden = 2, .positions = 65}),
            "model.positions is 65, but the teacher has 64");
}

TextPretrainOptions small_training(const fs::path& folder) {
  const auto large = teacher();
  save_bert(*large, kVocabulary, folder / "teacher.safetensors", /*bf16=*/false);
  std::ofstream train(folder / "train.csv"), test(folder / "test.csv");
  Random random = Seeds(2)("texts");
  const Texts words = {"rare", "often", "some", "other", "words", "here", "a"};
  for (auto* file : {&train, &test}) {
    *file << "text,label\n";
    for (int row = 0; row < (file == &train ? 60 : 10); ++row) {
      for (int i = 0; i < 6; ++i) *file << words[random.below(words.size())] << ' ';
      *file << ",x\n";
    }
  }
  TextPretrainOptions options;
  options.data = {.name = "text", .path = folder.string()};
  options.model = {.vocabulary = 300, .layers = {0, 2}, .hidden = 20, .positions = 16};
  options.teacher.model.name = (folder / "teacher.safetensors").string();
  options.training.batch_size = 8;
  options.training.masked_every = 2;
  options.training.device = "cpu";
  return options;
}

std::map<std::string, Tensor> weights_of(const fs::path& folder) {
  const auto model = load_backbone({.name = (folder / "weights.safetensors").string()});
  std::map<std::string, Tensor> weights;
  for (const auto& item : nn::tensors(*model)) weights[item.name] = item.tensor;
  return weights;
}

TEST(TextPretraining, ComesNearerToTheTeacherAndResumes) {
  const fs::path folder = scratch_folder("text-pretraining");
  TextPretrainOptions options = small_training(folder);
  options.training.optimizer.schedule = "constant";
  options.training.optimizer.lr = 1e-12;
  options.training.epochs = 1;
  const double first = pretrain(options, folder / "cut", /*resume=*/false);
  options.training.optimizer.lr = 1e-3;
  options.training.epochs = 6;
  const double last = pretrain(options, folder / "whole", /*resume=*/false);
  EXPECT_LT(1 - last, 0.5 * (1 - first)) << first << " " << last;

  for (const int64_t epochs : {3, 6}) {
    options.training.epochs = epochs;
    pretrain(options, folder / "resumed", /*resume=*/epochs > 3);
  }
  const auto whole = weights_of(folder / "whole"), resumed = weights_of(folder / "resumed");
  for (const auto& [name, tensor] : whole) EXPECT_TRUE(at::equal(tensor, resumed.at(name))) << name;

  const auto model = load_backbone({.name = (folder / "whole/weights.safetensors").string()});
  EXPECT_EQ(model->about(), "bert 2x24, 4 heads, 15 words");
  EXPECT_EQ(model->tokenizer()->encode_framed("often words").ids.size(), 4U);
  EXPECT_EQ(error_of(ErrorKind::state, [&] { pretrain(options, folder / "whole", false); }),
            (folder / "whole").string() +
                " already contains a run: continue it with --resume or choose another --out");
}

TEST(TextPretraining, NeedsASentenceEncoder) {
  const fs::path folder = scratch_folder("text-pretraining-mistakes");
  TextPretrainOptions options = small_training(folder);
  options.teacher.model.name = "";
  const auto error = [&] { return error_of([&] { pretrain(options, folder / "run", true); }); };
  EXPECT_NE(error().find("teacher.name is empty"), std::string::npos);
  options.teacher.model.name = "starter";
  EXPECT_NE(error().find("a network of texts with one tower is needed"), std::string::npos)
      << error();
}

}  // namespace
}  // namespace patina
