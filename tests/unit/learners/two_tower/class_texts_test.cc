// Both towers of a network that compares images with texts, the texts of classes, and learned words
// in them.
#include <gtest/gtest.h>

#include "patina/learn/adapted.h"
#include "patina/learn/class_texts.h"
#include "patina/ops.h"
#include "tests/support/errors.h"
#include "tests/support/toy_towers.h"

namespace patina {
namespace {

TEST(Towers, AreAdaptedEachWithItsOwnShape) {
  const auto clip = toy_towers();
  const TowerShape image = tower_of(*clip, nn::Tower::image),
                   text = tower_of(*clip, nn::Tower::text);
  EXPECT_EQ(image.block.width, 24);
  EXPECT_EQ(text.block.width, 20);
  EXPECT_EQ(image.layers, 2);
  EXPECT_EQ(text.layers, 2);
  const ClassTexts texts(*clip, {});
  const Input pixels = random_tensor({2, 3, 16, 16}, 4);
  const Tensor plain_image = clip->features(pixels), plain_text = texts.encoded({"toy 0"});
  for (const char* kind : {"lora", "adapter", "prompt", "prefix", "ssf"}) {
    std::vector<std::shared_ptr<nn::Adaptation>> made;
    for (const TowerShape& tower : {image, text}) {
      Random random = Seeds(3)(kind);
      if (kind == std::string("lora")) made.push_back(make_lora({}, tower, random));
      if (kind == std::string("adapter")) made.push_back(make_adapter({}, tower, random));
      if (kind == std::string("prompt")) made.push_back(make_prompt({}, tower, random));
      if (kind == std::string("prefix")) made.push_back(make_prefix({}, tower, random));
      if (kind == std::string("ssf")) made.push_back(make_scale_shift({}, tower, random));
      for (auto& own : nn::tensors(*made.back()))
        nn::init_normal(own.tensor.detach_(), random, 0, 0.3);
    }
    NoGrad no_grad;
    const nn::Adaptations both = {made[0].get(), made[1].get()};
    EXPECT_GT(relative_error(clip->features(pixels, both), plain_image), 1e-3) << kind;
    EXPECT_GT(relative_error(texts.encoded({"toy 0"}, both), plain_text), 1e-3) << kind;
    EXPECT_TRUE(at::equal(clip->features(pixels, both), clip->features(pixels, {made[0].get()})));
    EXPECT_TRUE(at::equal(texts.encoded({"toy 0"}, {made[0].get()}), plain_text)) << kind;
    EXPECT_TRUE(at::equal(clip->features(pixels, {made[1].get()}), plain_image)) << kind;
  }
}

TEST(Towers, ThatAreNotThereHaveNoLayers) {
  EXPECT_EQ(tower_of(*random_vit(), nn::Tower::text).layers, 0);
}

TEST(ClassTexts, AreMeansOfUnitSentencesEncodedOnce) {
  const auto clip = toy_towers();
  const ClassTexts texts(*clip, {.templates = {"a photo of a {}.", "the {} ."}});
  const auto sentence = [&](const std::string& text) {
    return padded(std::vector{clip->tokenizer()->encode_framed(text)}, *clip->tokenizer());
  };
  NoGrad no_grad;
  const auto by_hand = [&](const std::string& name) {
    Tensor sum;
    for (const std::string& text : {"a photo of a " + name + ".", "the " + name + " ."}) {
      const Tensor f = clip->features(sentence(text)).to(at::kDouble);
      const Tensor unit = f / f.square().sum().sqrt();
      sum = sum.defined() ? sum + unit : unit;
    }
    return sum / sum.square().sum().sqrt();
  };
  const Tensor found = texts.frozen({"toy_1", "toy 0"});
  EXPECT_LT(relative_error(found.slice(0, 0, 1), by_hand("toy 1")), 1e-6);
  EXPECT_LT(relative_error(found.slice(0, 1, 2), by_hand("toy 0")), 1e-6);
  EXPECT_EQ(texts.passed(), 4) << "two names, two sentences each";
  EXPECT_TRUE(at::equal(texts.frozen({"toy 0", "toy_1"}).flip({0}), found));
  EXPECT_EQ(texts.passed(), 4) << "known names are not encoded again";
  EXPECT_TRUE(at::equal(texts.frozen({"toy 2", "toy 0"}).slice(0, 1, 2), found.slice(0, 1, 2)));
  EXPECT_EQ(texts.passed(), 6) << "only the new name";
  EXPECT_LT(relative_error(texts.encoded({"toy_1", "toy 0"}), found), 1e-6)
      << "side by side, with padding";
  EXPECT_EQ(texts.passed(), 10) << "encoded anew";
}

TEST(ClassTexts, AreKeptInAState) {
  const auto clip = toy_towers();
  ClassTexts texts(*clip, {}), again(*clip, {});
  const std::vector<std::string> names = {"toy 0", "toy 3"};
  Archive saved;
  texts.state(saved, names);
  Archive stored = std::move(saved).reopened();
  again.state(stored, names);
  EXPECT_TRUE(at::equal(again.frozen(names), texts.frozen(names)));
  EXPECT_EQ(again.passed(), 0);
  Archive short_of = [&] {
    Archive a;
    texts.state(a, {"toy 0"});
    return std::move(a).reopened();
  }();
  EXPECT_TRUE(contains(error_of([&] { again.state(short_of, names); }), "as class names"));
}

TEST(ClassTexts, LeaveRoomAfterTheFirstToken) {
  const auto clip = toy_towers();
  const ClassTexts texts(*clip, {.templates = {"{}."}}, 3);
  const auto plain = clip->tokenizer()->encode_framed("toy 0.").ids;
  const auto ids = items_of(texts.sentences({"toy 0"}).data.flatten());
  ASSERT_EQ(ids.size(), plain.size() + 3);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(ids[i], plain[0]);
  for (size_t i = 1; i < plain.size(); ++i) EXPECT_EQ(ids[i + 3], plain[i]);
  const std::string said = error_of([&] { ClassTexts(*clip, {}, 62); });
  EXPECT_TRUE(contains(said, "62 learned tokens leave no room") && contains(said, "64")) << said;
}

TEST(Context, TakesThePlaceOfWordsAndKeepsPositions) {
  Random random = Seeds(2)("context");
  const Tensor words = random_tensor({9, 4}, 1), positions = random_tensor({6, 4}, 2);
  adapt::Context context(2, words, random);
  const Tensor ids = tensor_of(std::vector<int64_t>{7, 3, 5, 1, 8, 0}).reshape({1, 6});
  const Tensor in = at::embedding(words, ids) + positions;
  const Tensor out = context.after(nn::Site::embed, 0, ids, in);
  EXPECT_LT(relative_error(out[0].slice(0, 1, 3), context.vectors() + positions.slice(0, 1, 3)),
            1e-6);
  EXPECT_TRUE(at::equal(out[0][0], in[0][0]));
  EXPECT_TRUE(at::equal(out[0].slice(0, 3), in[0].slice(0, 3)));
  EXPECT_LT(context.vectors().abs().max().item<float>(), 0.1);
}

}  // namespace
}  // namespace patina
