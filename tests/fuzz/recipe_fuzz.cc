// Any text is a recipe or a patina::Error; what was read prints as TOML that reads back the same.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "patina/base/error.h"
#include "patina/config/recipe_file.h"

namespace {

using patina::Fields;

struct Inner {
  double lr = 0.1;
  std::string name = "a";
  void bind(Fields& f) {
    f("lr", lr, "A number.", patina::above(0));
    f("name", name, "A choice.", {"a", "b", "\"quoted\""});
    f.require(lr < 100 || name == "a", "lr", "must be < 100");
  }
};

struct Options {
  bool flag = false;
  int64_t whole = 1;
  std::string text;
  std::vector<double> reals;
  std::vector<int64_t> wholes;
  std::vector<std::string> texts;
  Inner inner;
  void bind(Fields& f) {
    f("flag", flag, "A flag.");
    f("whole", whole, "A whole number.");
    f("text", text, "A text.");
    f.section("inner", inner, "A section.");
    f("reals", reals, "Numbers.");
    f("wholes", wholes, "Whole numbers.");
    f("texts", texts, "Texts.");
  }
};

Options read(std::string_view text, const std::vector<std::string>& overrides) {
  auto file = patina::RecipeFile::parse(text, "fuzz", overrides);
  Options options;
  file.bind(options);
  file.finish();
  return options;
}

}  // namespace

// The bytes before the first NUL are an override, the rest is the document.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> overrides;
  if (const size_t end = text.find('\0'); end != std::string_view::npos) {
    overrides.emplace_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  std::string printed;
  try {
    Options options = read(text, overrides);
    printed = patina::to_toml(options, true);
  } catch (const patina::Error&) {
    return 0;
  }
  Options again = read(printed, {});
  if (patina::to_toml(again, true) != printed) std::abort();
  return 0;
}
