#include "patina/text/sentence_piece.h"

#include <sentencepiece_processor.h>

#include "patina/base/error.h"

namespace patina {

namespace {

class SentencePiece final : public TextModel {
 public:
  SentencePiece(const PieceModel& model, std::string_view origin) {
    try {
      const auto status = processor_.LoadFromSerializedProto(serialized(model));
      if (!status.ok())
        fail(ErrorKind::format, "{}: the SentencePiece library refuses the model: {}", origin,
             status.error_message());
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {  // its trie throws
      fail(ErrorKind::format, "{}: the SentencePiece library refuses the model: {}", origin,
           error.what());
    }
  }

  void encode(std::string_view piece, std::vector<int64_t>& ids) const override {
    std::vector<int> found;
    const auto status = processor_.Encode(piece, &found);
    PATINA_CHECK(status.ok(), "SentencePiece could not encode: {}", status.error_message());
    ids.insert(ids.end(), found.begin(), found.end());
  }

 private:
  sentencepiece::SentencePieceProcessor processor_;
};

}  // namespace

std::unique_ptr<TextModel> sentence_piece(const PieceModel& model, std::string_view origin) {
  return std::make_unique<SentencePiece>(model, origin);
}

}  // namespace patina
