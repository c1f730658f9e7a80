// Sessions from options as JSON; calls that are stopped; pixels that belong to the caller.
#include "patina/session/session_json.h"

#include <gtest/gtest.h>

#include "patina/base/json.h"
#include "patina/ops.h"
#include "patina/session/sources.h"
#include "tests/support/errors.h"
#include "tests/support/toy_world.h"

namespace patina {
namespace {

Json options(const char* text) {
  return parse_json(text, "the options");
}

std::string refusal(const char* text) {
  return error_of(
      [&] { static_cast<void>(create_session(kImages.network("simplecil"), options(text))); });
}

TEST(SessionJson, SettingsAreThoseOfSet) {
  const auto settings = settings_of(options(
      R"({"learner": {"name": "a\"b", "projection": 20}, "model": "starter", "seed": 5,
          "training": {"lr": 0.1, "epochs": null, "nesterov": true},
          "learner2": "x", "test_transform": {"sides": [1, 2], "scales": [1, 0.5], "names": ["a"]}})"));
  const std::vector<std::string> expected = {R"(learner.name="a\"b")",
                                             "learner.projection=20",
                                             "model.name=\"starter\"",
                                             "seed=5",
                                             "training.lr=0.1",
                                             "training.nesterov=true",
                                             "learner2=\"x\"",
                                             "test_transform.sides=[1, 2]",
                                             "test_transform.scales=[1.0, 0.5]",
                                             "test_transform.names=[\"a\"]"};
  EXPECT_EQ(settings, expected);
  EXPECT_EQ(settings_of(options(R"({"learner": "ranpac"})")),
            std::vector<std::string>{"learner.name=\"ranpac\""});
}

TEST(SessionJson, RefusesWhatNoOptionIs) {
  EXPECT_TRUE(contains(refusal("3"), "options are an object"));
  EXPECT_TRUE(contains(refusal(R"({"seed": [1, "a"]})"), "seed: an option is a number"));
  EXPECT_TRUE(contains(refusal(R"({"training": {"": 1}})"), "not the name of an option"));
  EXPECT_TRUE(contains(refusal(R"({"seed": 18446744073709551615})"), "larger than 64 bits"));
  EXPECT_TRUE(contains(refusal(R"({"colour": 3})"), "colour"));
  EXPECT_TRUE(contains(refusal(R"({"engine": {"devise": "cpu"}})"), "did you mean \"device\"?"));
  EXPECT_TRUE(contains(refusal(R"({"learner": {"name": "ranpac", "projektion": 5}})"),
                       "did you mean \"projection\"?"));
  EXPECT_TRUE(contains(refusal(R"({"model": "starter"})"), "leave \"model\" out"));
  EXPECT_TRUE(
      contains(error_of([] { static_cast<void>(save_options(options(R"({"bf_16": true})"))); }),
               "did you mean \"bf16\"?"));
}

TEST(SessionJson, OptionsReachTheSession) {
  const auto session =
      create_session(kImages.network("finetune"),
                     options(R"({"learner": "finetune", "training": {"epochs": 1}, "cache": false,
                  "data_threads": 1, "engine": {"kind": "plain"}})"));
  EXPECT_EQ(session.learner(), "finetune");
  EXPECT_FALSE(session.reads_texts());
  EXPECT_TRUE(save_options(options(R"({"with_backbone": true, "samples": false})")).with_backbone);
  EXPECT_FALSE(save_options(options(R"({"samples": false})")).samples);
  const auto asked = answer_options(
      options(R"({"max_tokens": 7, "temperature": 0.5, "stop": ["."], "cut": true, "batch": 2})"));
  EXPECT_EQ(asked.decoding.max_tokens, 7);
  EXPECT_EQ(asked.decoding.temperature, 0.5);
  EXPECT_EQ(asked.output.stop, std::vector<std::string>{"."});
  EXPECT_TRUE(asked.cut);
  EXPECT_EQ(asked.batch, 2);
}

TEST(SessionStops, WhatStopsTheCallerStopsItsCalls) {
  auto session = create_session(kImages.network("finetune"),
                                options(R"({"learner": "finetune", "training": {"epochs": 3}})"));
  const auto source = std::make_shared<ToySource>(2, 8, 3);
  int asked = 0;
  Work work;
  work.should_stop = [&] { return ++asked == 2; };
  const WorkScope scope(&work);
  EXPECT_TRUE(contains(error_of(ErrorKind::stopped, [&] { session.learn(source); }), "stopped"));
  EXPECT_EQ(asked, 2);
  EXPECT_TRUE(session.classes().empty());  // nothing has changed
  work.should_stop = nullptr;
  session.learn(source);
  EXPECT_EQ(session.classes().size(), 2U);
}

TEST(ImageTensor, HasPixelsOfItsOwn) {
  Tensor rows = at::full({2, 4, 4, 3}, 7, at::kByte);
  const auto source = image_tensor(rows.permute({0, 3, 1, 2}), {0, 0}, {"a"});
  rows.fill_(9);
  EXPECT_EQ(source->image(1).pixels[5], 7);
}

}  // namespace
}  // namespace patina
