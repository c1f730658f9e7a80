// UTF-8, classes, lower case and normal forms, against Python's results and the standard's
// examples.
#include "patina/text/unicode/unicode.h"

#include <gtest/gtest.h>

#include "patina/text/unicode/html.h"

namespace patina {
namespace {

TEST(Utf8, BrokenBytesBecomeOneReplacementForEachMaximalPart) {
  const std::pair<std::string, std::string> cases[] = {
      {"\x80", "\ufffd"},
      {"a\xe4\xb8z", "a\ufffdz"},
      {"\xed\xa0\x80", "\ufffd\ufffd\ufffd"},  // a surrogate
      {"\xc0\xaf", "\ufffd\ufffd"},            // an overlong slash
      {"\xe0\x80\xaf", "\ufffd\ufffd\ufffd"},
      {"\xf0\x90\x80", "\ufffd"},
      {"\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd"},
      {"\xf5", "\ufffd"},
      {"\xf0\x9f\x98", "\ufffd"},
      {"\xc3\xc3\xa9", "\ufffd\u00e9"},
  };
  for (const auto& [bytes, text] : cases) {
    EXPECT_FALSE(is_utf8(bytes));
    EXPECT_EQ(repaired_utf8(bytes), text);
  }
  for (const std::string good : {"", "a\u00e9\u20ac\U0001f600", "\ud7ff\ue000\U0010ffff"}) {
    EXPECT_TRUE(is_utf8(good));
    EXPECT_EQ(to_utf8(to_utf32(good)), good);
  }
  EXPECT_EQ(code_point_before("a\u20ac", 4), U'\u20ac');
  EXPECT_EQ(count_code_points("a\u00e9\U0001f600"), 3u);
}

TEST(Unicode, ClassesOfTellingCharacters) {
  EXPECT_TRUE(is_letter(U'\u4e2d') && is_letter(U'\u02b0') && !is_letter(U'\u0301'));
  EXPECT_TRUE(is_number(U'\u00bd') && is_number(U'\u0663') && is_number(U'\u2167'));
  EXPECT_TRUE(is_nonspacing_mark(U'\u0301') && !is_nonspacing_mark(U'\u093e'));
  EXPECT_TRUE(is_mark(U'\u093e'));
  EXPECT_TRUE(is_other(U'\u200d') && is_other(U'\ue000') && is_other(U'\x7f') && !is_other(' '));
  EXPECT_TRUE(is_space(U'\u2028') && is_space(U'\x85') && !is_space(U'\u200b'));
  EXPECT_TRUE(is_space_separator(U'\u3000') && !is_space_separator(U'\u2028'));
  EXPECT_TRUE(is_python_space(U'\x1c') && !is_space(U'\x1c'));
  EXPECT_TRUE(is_word('_') && is_word(U'\u24b6') && is_word(U'\u0301') && !is_word('-'));
}

TEST(Unicode, LowerCaseWritesFinalSigmaByWordOnly) {
  const auto by_word = [](std::string text) { return lower_case(std::move(text), Sigma::by_word); };
  EXPECT_EQ(by_word("ΟΔΟΣ ΣΑΣ"), "οδος σας");
  EXPECT_EQ(lower_case("ΟΔΟΣ", Sigma::by_character), "οδοσ");
  EXPECT_EQ(by_word("Σ"), "σ");
  EXPECT_EQ(by_word("ΑΣ.Β ΑΣ\u0301 Α'Σ"), "ασ.β ας\u0301 α'ς");
  EXPECT_EQ(by_word("\u0130ı ẞ Ǆǅ Ⅷ"), "i\u0307ı ß ǆǆ ⅷ");
  EXPECT_EQ(lower_case("ABC\u00c9z", Sigma::by_character), "abc\u00e9z");
}

TEST(Unicode, NormalFormsOfTheStandardsExamples) {
  EXPECT_EQ(normalized("caf\u0065\u0301!", NormalForm::nfc), "caf\u00e9!");
  EXPECT_EQ(normalized("\u00e9x\u1e69", NormalForm::nfd), "e\u0301xs\u0323\u0307");
  EXPECT_EQ(normalized("s\u0307\u0323", NormalForm::nfc), "\u1e69");
  EXPECT_EQ(normalized("\u212b\u2126", NormalForm::nfc), "\u00c5\u03a9");
  EXPECT_EQ(normalized("\u0958", NormalForm::nfc), "\u0915\u093c");  // excluded from composition
  EXPECT_EQ(normalized("\u1112\u1161\u11ab", NormalForm::nfc), "\ud55c");
  EXPECT_EQ(normalized("\uff21\ufb01\u00b2", NormalForm::nfkc), "Afi2");
  EXPECT_EQ(normalized("\u1e9b\u0323", NormalForm::nfkd), "s\u0323\u0307");
  EXPECT_EQ(normalized("plain\u00e9", NormalForm::nfc), "plain\u00e9");
}

TEST(Unicode, ManyMarksAreOrderedInTime) {
  std::string marks = "e";
  for (int i = 0; i < 200'000; ++i) marks += i % 2 ? "\u0323" : "\u0301";
  EXPECT_EQ(normalized(marks, NormalForm::nfd).substr(0, 5), "e\u0323\u0323");
}

TEST(Html, ReferencesAreReadAsBrowsersDo) {
  EXPECT_EQ(unescape_html("&lt;b&gt; &amp;amp; &#39;&#x41;&#X41"), "<b> &amp; 'AA");
  EXPECT_EQ(unescape_html("&notit; &ampx &hearts; &heartsx"), "\u00acit; &x \u2665 &heartsx");
  EXPECT_EQ(unescape_html("&#0;&#128;&#xD800;&#99999999999;&#1;|"), "\ufffd\u20ac\ufffd\ufffd|");
  EXPECT_EQ(unescape_html("&; & &# &#x &unknown; &"), "&; & &# &#x &unknown; &");
  EXPECT_EQ(unescape_html("&acE;"), "\u223e\u0333");
}

}  // namespace
}  // namespace patina
