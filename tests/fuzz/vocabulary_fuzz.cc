// Any bytes are a vocabulary of the format that the first byte chooses, or a patina::Error; a
// SentencePiece model that was accepted encodes.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "patina/base/error.h"
#include "patina/text/load/vocabulary_files.h"
#include "patina/text/model/sentence_piece.h"
#include "patina/text/unicode/html.h"
#include "patina/text/unicode/unicode.h"

namespace {

using namespace patina;

void use(const PieceModel& model) {
  const auto tokenizer = sentence_piece(model, "fuzz");
  std::vector<int64_t> ids;
  for (const std::string_view text : {"ab  c", "\xe4\xb8\xad\xef\xbc\xa1 x"})
    tokenizer->encode(text, ids);
  for (const int64_t id : ids)
    if (id < 0 || id >= int64_t(model.pieces.size())) std::abort();
}

void read(uint8_t choice, std::span<const uint8_t> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string valid = repaired_utf8(text);
  switch (choice % 7) {
    case 0:
      return use(parse_piece_model(bytes, "fuzz"));
    case 1:
      return use(parse_llama2c_vocabulary(bytes, "fuzz"));
    case 2:
      return void(Vocabulary(parse_token_lines(text, "fuzz"), {}, "fuzz"));
    case 3:
      return void(Vocabulary(parse_token_ids(text, "fuzz"), {}, "fuzz"));
    case 4:
      return void(openai_clip_tokens(parse_merges(text, "fuzz", 100)));
    case 5:
      if (!is_utf8(unescape_html(valid))) std::abort();
      return;
    default:
      for (const auto form : {NormalForm::nfc, NormalForm::nfd, NormalForm::nfkc, NormalForm::nfkd})
        if (normalized(normalized(valid, form), form) != normalized(valid, form)) std::abort();
      if (!is_utf8(lower_case(valid, Sigma::by_word))) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  try {
    read(data[0], {data + 1, size - 1});
  } catch (const patina::Error&) {
  }
  return 0;
}
