// config.json: what is read, what is refused, and that no setting is ignored.
#include "patina/models/config_json.h"

#include <gtest/gtest.h>

#include "patina/base/json.h"
#include "tests/support/errors.h"

namespace patina {
namespace {

ConfigJson config(const char* text) {
  return {Json::parse(text), "config.json"};
}

TEST(ConfigJson, ReadsWithStandards) {
  auto c = config(R"({"size": 12, "eps": 1e-5, "on": true, "act": "gelu_new", "none": null})");
  EXPECT_EQ(c.size("size"), 12);
  EXPECT_EQ(c.size("other", 7), 7);
  EXPECT_EQ(c.size("none", 9), 9);
  EXPECT_EQ(c.number("eps", 1), 1e-5);
  EXPECT_TRUE(c.flag("on", false));
  EXPECT_EQ(c.activation("act", "relu"), nn::Activation::gelu_tanh);
  EXPECT_EQ(c.activation("absent", "relu"), nn::Activation::relu);
  c.finish();
}

TEST(ConfigJson, TellsNullFromAbsent) {
  auto c = config(R"({"none": null, "zero": 0, "words": ["a", "b"], "mixed": ["a", 1]})");
  EXPECT_TRUE(c.says_null("none"));
  EXPECT_FALSE(c.says_null("absent") || c.says_null("zero"));
  EXPECT_EQ(c.count("zero", 3), 0);
  EXPECT_EQ(c.count("absent", 3), 3);
  EXPECT_EQ(c.words("words"), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(c.words("absent").empty());
  EXPECT_EQ(error_of([&] { c.words("mixed"); }),
            "config.json: mixed = [\"a\",1] is not a list of words");
  EXPECT_EQ(error_of([&] { c.number("absent"); }), "config.json: no absent");
}

TEST(ConfigJson, RefusesWhatNobodyReadAllAtOnce) {
  auto c = config(R"({"size": 12, "sliding_window": 4096, "parallel": true, "model_type": "x",
                      "rope": {"a": 1}, "off": false, "nothing": null, "empty": {}})");
  c.size("size");
  const std::string text = error_of([&] { c.finish(); });
  EXPECT_TRUE(contains(text, "sliding_window = 4096, parallel = true, rope = {\"a\":1}:")) << text;
  EXPECT_FALSE(contains(text, "off") || contains(text, "nothing") || contains(text, "empty"));
}

TEST(ConfigJson, RefusesWhatPatinaDoesNotHave) {
  auto c = config(R"({"rope_scaling": {"type": "linear", "factor": 2.0}, "kind": "absolute"})");
  c.must_be("kind", "absolute");
  c.must_be("absent", false);
  EXPECT_EQ(
      error_of([&] { c.must_be("rope_scaling", nullptr); }),
      "config.json: rope_scaling = {\"type\":\"linear\",\"factor\":2.0} is not supported, only "
      "null");
}

TEST(ConfigJson, RefusesOneOfAList) {
  auto c = config(R"({"layers": ["full", "full"], "mixed": ["full", "window"], "word": "full"})");
  c.all_must_be("layers", "full");
  c.all_must_be("absent", "full");
  EXPECT_EQ(error_of([&] { c.all_must_be("mixed", "full"); }),
            "config.json: mixed holds \"window\", which is not supported, only \"full\"");
  EXPECT_EQ(error_of([&] { c.all_must_be("word", "full"); }), "config.json: word is not a list");
}

TEST(ConfigJson, NamesTheBadValue) {
  const auto text = [](const char* json, auto read) {
    auto c = config(json);
    return error_of([&] { read(c); });
  };
  const auto size = [](ConfigJson& c) { c.size("n"); };
  EXPECT_EQ(text("{}", size), "config.json: no n");
  for (const char* bad : {R"({"n": 0})", R"({"n": -3})", R"({"n": 1.5})", R"({"n": "12"})",
                          R"({"n": 99999999999})", R"({"n": [1]})"})
    EXPECT_TRUE(contains(text(bad, size), "is not a whole number from 1 to 16777216")) << bad;
  EXPECT_TRUE(contains(text(R"({"n": -1})", [](ConfigJson& c) { c.number("n", 1); }), "above 0"));
  EXPECT_TRUE(contains(text(R"({"n": 1})", [](ConfigJson& c) { c.flag("n", true); }), "neither"));
  EXPECT_TRUE(contains(text(R"({"n": "mish"})", [](ConfigJson& c) { c.activation("n", "relu"); }),
                       "n = \"mish\" is not supported; patina has gelu, gelu_new"));
  EXPECT_TRUE(contains(error_of([] { ConfigJson(Json::array(), "x.json"); }), "not a JSON object"));
}

}  // namespace
}  // namespace patina
