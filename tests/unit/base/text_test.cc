// Texts for people: error context and suggestions, JSON's limits, numbers in progress lines.
#include <gtest/gtest.h>

#include "patina/base/json.h"
#include "patina/base/progress.h"
#include "tests/support/errors.h"

namespace patina {
namespace {

TEST(Error, ContextsReadFromTheOutside) {
  const auto text = error_of([] {
    with_context("loading model", [] {
      with_context("a.safetensors", [] { fail(ErrorKind::model, "{} tensors", 3); });
    });
  });
  EXPECT_EQ(text, "loading model: a.safetensors: 3 tensors");
  try {
    with_context("outer", [] { fail(ErrorKind::stopped, "why"); });
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::stopped);
    EXPECT_EQ(name(error.kind()), "stopped");
  }
  EXPECT_EQ(with_context("unused", [] { return 7; }), 7);
}

TEST(Nearest, FindsWhatWasMeant) {
  const std::vector<std::string> words = {"alpha", "beta", "learning_rate"};
  EXPECT_EQ(nearest("alpah", words), "alpha");
  EXPECT_EQ(nearest("bata", words), "beta");
  EXPECT_EQ(nearest("learnig_rat", words), "learning_rate");
  EXPECT_EQ(nearest("gamma", words), "");
  EXPECT_EQ(nearest("", words), "");
  EXPECT_EQ(nearest("alpha", {}), "");
  EXPECT_EQ(did_you_mean("betta", words), ", did you mean \"beta\"?");
  EXPECT_EQ(did_you_mean("zzzzzz", words), "");
}

TEST(Json, ParsesAndKeepsTheOrderOfKeys) {
  const Json json = parse_json(R"({"b": [1, 2.5, null], "a": {"x": "y"}})", "file");
  EXPECT_EQ(json.dump(), R"({"b":[1,2.5,null],"a":{"x":"y"}})");
  EXPECT_EQ(parse_sorted_json(R"({"b": 1, "a": 2})", "file").dump(), R"({"a":2,"b":1})");
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const std::string bad : {"", "{", "[1,]", "{\"a\":1}x", "nul", "\"\xff\"", "01", "\"\x01\""})
    EXPECT_PRED2(contains, error_of([&] { parse_json(bad, "a.json"); }), "a.json: not valid JSON")
        << bad;
  EXPECT_PRED2(contains, error_of([] { parse_json(R"({"a":1,"b":2,"a":3})", "a.json"); }),
               "a.json: JSON object has the key \"a\" twice");
  EXPECT_EQ(error_of([] { parse_json(R"([{"a":1},{"a":2}])", "a.json"); }), "");
}

TEST(Json, StopsAtAHundredLevels) {
  const auto nested = [](size_t levels) {
    return std::string(levels, '[') + std::string(levels, ']');
  };
  EXPECT_EQ(error_of([&] { parse_json(nested(100), "a.json"); }), "");
  EXPECT_PRED2(contains, error_of([&] { parse_json(nested(102), "a.json"); }),
               "nested deeper than 100 levels");
  EXPECT_PRED2(contains, error_of([&] { parse_json(std::string(2'000'000, '['), "a.json"); }),
               "a.json: ");
}

TEST(Json, MessagesStayShortAndPrintable) {
  const std::string text = error_of([] { parse_json("\"" + std::string(5000, '\x02'), "a.json"); });
  EXPECT_LT(text.size(), 300u);
  for (const char c : text) EXPECT_GE(c, 0x20);
}

TEST(Format, Seconds) {
  EXPECT_EQ(format_seconds(0), "0.0 s");
  EXPECT_EQ(format_seconds(12.44), "12.4 s");
  EXPECT_EQ(format_seconds(59.94), "59.9 s");
  EXPECT_EQ(format_seconds(59.97), "1 min 00 s");
  EXPECT_EQ(format_seconds(200), "3 min 20 s");
  EXPECT_EQ(format_seconds(3599.6), "1 h 00 min");
  EXPECT_EQ(format_seconds(3720), "1 h 02 min");
}

TEST(Format, Bytes) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1000), "1.0 KB");
  EXPECT_EQ(format_bytes(312'400), "312 KB");
  EXPECT_EQ(format_bytes(5'717'416), "5.7 MB");
  EXPECT_EQ(format_bytes(999'999), "1.0 MB");
  EXPECT_EQ(format_bytes(9'960'000), "10 MB");
}

TEST(Format, Counts) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1000), "1,000");
  EXPECT_EQ(format_count(5717416), "5,717,416");
  EXPECT_EQ(format_count(-12345), "-12,345");
}

}  // namespace
}  // namespace patina
