// Upper and title case of characters that become several (Unicode's SpecialCasing.txt): utf8proc
// has only mappings to one character.
#include <utf8proc.h>

#include <algorithm>

#include "patina/text/unicode/unicode.h"

namespace patina {

namespace {

struct FullCase {
  char32_t c;
  std::u32string_view upper, title;
};
constexpr FullCase kFullCases[] = {
    {0xdf, U"\u0053\u0053", U"\u0053\u0073"},
    {0x149, U"\u02bc\u004e", U"\u02bc\u004e"},
    {0x1f0, U"\u004a\u030c", U"\u004a\u030c"},
    {0x390, U"\u0399\u0308\u0301", U"\u0399\u0308\u0301"},
    {0x3b0, U"\u03a5\u0308\u0301", U"\u03a5\u0308\u0301"},
    {0x587, U"\u0535\u0552", U"\u0535\u0582"},
    {0x1e96, U"\u0048\u0331", U"\u0048\u0331"},
    {0x1e97, U"\u0054\u0308", U"\u0054\u0308"},
    {0x1e98, U"\u0057\u030a", U"\u0057\u030a"},
    {0x1e99, U"\u0059\u030a", U"\u0059\u030a"},
    {0x1e9a, U"\u0041\u02be", U"\u0041\u02be"},
    {0x1f50, U"\u03a5\u0313", U"\u03a5\u0313"},
    {0x1f52, U"\u03a5\u0313\u0300", U"\u03a5\u0313\u0300"},
    {0x1f54, U"\u03a5\u0313\u0301", U"\u03a5\u0313\u0301"},
    {0x1f56, U"\u03a5\u0313\u0342", U"\u03a5\u0313\u0342"},
    {0x1fb2, U"\u1fba\u0399", U"\u1fba\u0345"},
    {0x1fb3, U"\u0391\u0399", U"\u1fbc"},
    {0x1fb4, U"\u0386\u0399", U"\u0386\u0345"},
    {0x1fb6, U"\u0391\u0342", U"\u0391\u0342"},
    {0x1fb7, U"\u0391\u0342\u0399", U"\u0391\u0342\u0345"},
    {0x1fbc, U"\u0391\u0399", U"\u1fbc"},
    {0x1fc2, U"\u1fca\u0399", U"\u1fca\u0345"},
    {0x1fc3, U"\u0397\u0399", U"\u1fcc"},
    {0x1fc4, U"\u0389\u0399", U"\u0389\u0345"},
    {0x1fc6, U"\u0397\u0342", U"\u0397\u0342"},
    {0x1fc7, U"\u0397\u0342\u0399", U"\u0397\u0342\u0345"},
    {0x1fcc, U"\u0397\u0399", U"\u1fcc"},
    {0x1fd2, U"\u0399\u0308\u0300", U"\u0399\u0308\u0300"},
    {0x1fd3, U"\u0399\u0308\u0301", U"\u0399\u0308\u0301"},
    {0x1fd6, U"\u0399\u0342", U"\u0399\u0342"},
    {0x1fd7, U"\u0399\u0308\u0342", U"\u0399\u0308\u0342"},
    {0x1fe2, U"\u03a5\u0308\u0300", U"\u03a5\u0308\u0300"},
    {0x1fe3, U"\u03a5\u0308\u0301", U"\u03a5\u0308\u0301"},
    {0x1fe4, U"\u03a1\u0313", U"\u03a1\u0313"},
    {0x1fe6, U"\u03a5\u0342", U"\u03a5\u0342"},
    {0x1fe7, U"\u03a5\u0308\u0342", U"\u03a5\u0308\u0342"},
    {0x1ff2, U"\u1ffa\u0399", U"\u1ffa\u0345"},
    {0x1ff3, U"\u03a9\u0399", U"\u1ffc"},
    {0x1ff4, U"\u038f\u0399", U"\u038f\u0345"},
    {0x1ff6, U"\u03a9\u0342", U"\u03a9\u0342"},
    {0x1ff7, U"\u03a9\u0342\u0399", U"\u03a9\u0342\u0345"},
    {0x1ffc, U"\u03a9\u0399", U"\u1ffc"},
    {0xfb00, U"\u0046\u0046", U"\u0046\u0066"},
    {0xfb01, U"\u0046\u0049", U"\u0046\u0069"},
    {0xfb02, U"\u0046\u004c", U"\u0046\u006c"},
    {0xfb03, U"\u0046\u0046\u0049", U"\u0046\u0066\u0069"},
    {0xfb04, U"\u0046\u0046\u004c", U"\u0046\u0066\u006c"},
    {0xfb05, U"\u0053\u0054", U"\u0053\u0074"},
    {0xfb06, U"\u0053\u0054", U"\u0053\u0074"},
    {0xfb13, U"\u0544\u0546", U"\u0544\u0576"},
    {0xfb14, U"\u0544\u0535", U"\u0544\u0565"},
    {0xfb15, U"\u0544\u053b", U"\u0544\u056b"},
    {0xfb16, U"\u054e\u0546", U"\u054e\u0576"},
    {0xfb17, U"\u0544\u053d", U"\u0544\u056d"},
};

const FullCase* full_case(char32_t c) {
  const auto* at = std::lower_bound(std::begin(kFullCases), std::end(kFullCases), c,
                                    [](const FullCase& row, char32_t key) { return row.c < key; });
  return at != std::end(kFullCases) && at->c == c ? at : nullptr;
}

// Greek vowels with iota subscript: the capital letter without it, and a capital iota.
bool append_greek(std::u32string& out, char32_t c) {
  if (c < 0x1f80 || c > 0x1faf) return false;
  constexpr char32_t kCapitals[] = {0x1f08, 0x1f28, 0x1f68};
  out += char32_t(kCapitals[(c - 0x1f80) >> 4] + (c & 7));
  out += U'\u0399';
  return true;
}

}  // namespace

void append_upper(std::u32string& out, char32_t c) {
  if (const FullCase* full = full_case(c))
    out += full->upper;
  else if (!append_greek(out, c))
    out += char32_t(utf8proc_toupper(utf8proc_int32_t(c)));
}

void append_title(std::u32string& out, char32_t c) {
  if (const FullCase* full = full_case(c))
    out += full->title;
  else
    out += char32_t(utf8proc_totitle(utf8proc_int32_t(c)));
}

}  // namespace patina
