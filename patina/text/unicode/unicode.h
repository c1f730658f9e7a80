// Unicode as tokenizers need it: UTF-8, character classes, lower case and normal forms. The
// character data is that of the installed utf8proc (Debian 12: Unicode 15).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace patina {

constexpr char32_t kReplacement = 0xfffd;

/// Returns the code point at byte `at`, which must be inside `text`, and moves `at` after it.
/// Invalid UTF-8 reads as U+FFFD, one for each maximal part of a character (Unicode, section 3.9,
/// and the decoders of Python and Rust).
char32_t next_code_point(std::string_view text, size_t& at);
/// The code point that ends before byte `at` > 0. `text` must be valid UTF-8.
char32_t code_point_before(std::string_view text, size_t at);
void append_utf8(std::string& out, char32_t c);

bool is_ascii(std::string_view text);
bool is_utf8(std::string_view text);
/// The text with U+FFFD for invalid UTF-8.
std::string repaired_utf8(std::string_view text);

std::u32string to_utf32(std::string_view text);
std::string to_utf8(std::u32string_view text);
size_t count_code_points(std::string_view text);

bool is_letter(char32_t c);               // L*
bool is_number(char32_t c);               // N*
bool is_mark(char32_t c);                 // M*
bool is_nonspacing_mark(char32_t c);      // Mn
bool is_other(char32_t c);                // C*: control, format, surrogate, private, unassigned
bool is_unicode_punctuation(char32_t c);  // P*
bool is_space(char32_t c);                // White_Space, as \s in a regular expression
bool is_space_separator(char32_t c);      // Zs
bool is_word(char32_t c);                 // as \w in a regular expression (Unicode TR 18, annex C)
bool is_python_space(char32_t c);         // as Python's str.isspace()

/// How to lower-case a capital sigma at the end of a word. Python's str.lower() writes a final
/// sigma. Hugging Face's tokenizers lower-case each character by itself and do not.
enum class Sigma { by_word, by_character };

/// Full lower case: U+0130 becomes two code points.
std::string lower_case(std::string text, Sigma sigma);
/// The full upper or title case of a character: that of U+00DF is two code points.
void append_upper(std::u32string& out, char32_t c);
void append_title(std::u32string& out, char32_t c);
bool is_cased(char32_t c);  // the property Cased: letters with case, and what counts as such

enum class NormalForm { nfc, nfd, nfkc, nfkd };
std::string normalized(std::string text, NormalForm form);

}  // namespace patina
