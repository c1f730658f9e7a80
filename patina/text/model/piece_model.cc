#include "patina/text/model/piece_model.h"

#include <cmath>
#include <cstring>
#include <optional>
#include <unordered_set>

#include "patina/base/error.h"
#include "patina/text/model/charsmap.h"
#include "patina/text/model/vocabulary.h"
#include "patina/text/pre_tokenizer.h"
#include "patina/text/unicode/unicode.h"

namespace patina {

namespace {

// One field of a message. The field's wire type decides whether `number` or `bytes` is set.
struct Field {
  uint32_t id = 0;
  uint64_t number = 0;
  std::string_view bytes;
};

enum WireType { varint_field = 0, fixed64_field = 1, bytes_field = 2, fixed32_field = 5 };

// Reads a message field by field (https://protobuf.dev/programming-guides/encoding).
class MessageReader {
 public:
  MessageReader(std::string_view bytes, std::string_view origin) : rest_(bytes), origin_(origin) {}

  std::optional<Field> next() {
    if (rest_.empty()) return std::nullopt;
    const uint64_t tag = varint();
    Field field{uint32_t(tag >> 3)};
    switch (tag & 7) {
      case varint_field:
        field.number = varint();
        break;
      case fixed64_field:
        take(8);
        break;
      case bytes_field:
        field.bytes = take(varint());
        break;
      case fixed32_field: {
        uint32_t bits = 0;
        std::memcpy(&bits, take(4).data(), sizeof bits);
        field.number = bits;
        break;
      }
      default:
        refuse();
    }
    if (field.id == 0) refuse();
    return field;
  }

 private:
  [[noreturn]] void refuse() const {
    fail(ErrorKind::format, "{}: not a SentencePiece model, or a damaged one; download it again",
         origin_);
  }

  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = uint8_t(take(1)[0]);
      value |= uint64_t(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    refuse();
  }

  std::string_view take(uint64_t count) {
    if (count > rest_.size()) refuse();
    const auto taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  std::string_view rest_, origin_;
};

float as_float(uint64_t bits) {
  const auto low = uint32_t(bits);
  float value;
  std::memcpy(&value, &low, sizeof value);
  return value;
}

Piece read_piece(std::string_view bytes, std::string_view origin) {
  Piece piece;
  MessageReader reader(bytes, origin);
  while (const auto field = reader.next()) {
    if (field->id == 1) piece.text = field->bytes;
    if (field->id == 2) piece.score = as_float(field->number);
    if (field->id == 3) {
      if (field->number < 1 || field->number > 6)
        fail(ErrorKind::format, "{}: a piece has the unknown type {}", origin, field->number);
      piece.type = PieceType(field->number);
    }
  }
  return piece;
}

void read_training(std::string_view bytes, PieceModel& model, std::string_view origin) {
  MessageReader reader(bytes, origin);
  while (const auto field = reader.next()) {
    if (field->id == 3) {
      if (field->number < 1 || field->number > 4)
        fail(ErrorKind::format, "{}: the model has the unknown kind {}", origin, field->number);
      model.kind = PieceModel::Kind(field->number);
    }
    if (field->id == 24) model.whitespace_suffix = field->number != 0;
    if (field->id == 35) model.byte_fallback = field->number != 0;
  }
}

void read_normalizing(std::string_view bytes, PieceModel& model, std::string_view origin) {
  MessageReader reader(bytes, origin);
  while (const auto field = reader.next()) {
    if (field->id == 2) model.charsmap = field->bytes;
    if (field->id == 3) model.dummy_prefix = field->number != 0;
    if (field->id == 4) model.remove_extra_whitespaces = field->number != 0;
    if (field->id == 5) model.escape_whitespaces = field->number != 0;
  }
}

std::string_view as_text(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

PieceModel parse_piece_model(std::span<const uint8_t> bytes, std::string_view origin) {
  PieceModel model;
  MessageReader reader(as_text(bytes), origin);
  while (const auto field = reader.next()) {
    if (field->id == 1) {
      if (model.pieces.size() >= size_t(kMostTokens))
        fail(ErrorKind::format, "{}: more than the limit of {} pieces", origin, kMostTokens);
      model.pieces.push_back(read_piece(field->bytes, origin));
    }
    if (field->id == 2) read_training(field->bytes, model, origin);
    if (field->id == 3) read_normalizing(field->bytes, model, origin);
  }
  check_piece_model(model, origin);
  return model;
}

PieceModel parse_llama2c_vocabulary(std::span<const uint8_t> bytes, std::string_view origin) {
  constexpr size_t kFirstByte = 3, kFirstNormal = kFirstByte + 256;
  PieceModel model{
      .kind = PieceModel::Kind::bpe, .byte_fallback = true, .remove_extra_whitespaces = false};
  std::string_view rest = as_text(bytes);
  const auto take = [&](size_t count, std::string_view what) {
    if (count > rest.size())
      fail(ErrorKind::format,
           "{}: ends inside {} {}; the file is cut short or not a llama2.c vocabulary", origin,
           what, model.pieces.size());
    const auto taken = rest.substr(0, count);
    rest.remove_prefix(count);
    return taken;
  };
  const auto number = [&](std::string_view what) {
    int32_t value;
    std::memcpy(&value, take(sizeof value, what).data(), sizeof value);
    return value;
  };
  number("the header before token");
  while (!rest.empty()) {
    const size_t id = model.pieces.size();
    const float score = as_float(uint32_t(number("token")));
    const int32_t length = number("token");
    if (length <= 0 || size_t(length) > kLongestToken || id >= size_t(kMostTokens))
      fail(ErrorKind::format, "{}: token {} has {} bytes; the file is not a llama2.c vocabulary",
           origin, id, length);
    Piece piece{with_replaced(take(size_t(length), "token"), " ", "▁"), score};
    if (id == 0) piece = {"<unk>", 0, PieceType::unknown};
    if (id == 1) piece = {"<s>", 0, PieceType::control};
    if (id == 2) piece = {"</s>", 0, PieceType::control};
    if (id >= kFirstByte && id < kFirstNormal) piece.type = PieceType::byte;
    model.pieces.push_back(std::move(piece));
  }
  check_piece_model(model, origin);
  return model;
}

void check_piece_model(const PieceModel& model, std::string_view origin) {
  std::unordered_set<std::string_view> seen;
  size_t unknown = 0, bytes = 0;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const Piece& piece = model.pieces[id];
    const auto refuse = [&](std::string_view why) {
      fail(ErrorKind::format, "{}: piece {} ({}) {}", origin, id, shown(piece.text), why);
    };
    if (piece.text.empty()) refuse("is empty");
    if (piece.text.size() > kLongestToken) refuse("is too long");
    if (piece.text.find('\0') != std::string::npos) refuse("holds a zero byte");
    if (!is_utf8(piece.text)) refuse("is not UTF-8");
    if (!std::isfinite(piece.score)) refuse("has a score that is not finite");
    if (!seen.insert(piece.text).second) refuse("occurs twice");
    unknown += piece.type == PieceType::unknown;
    if (piece.type == PieceType::byte) {
      ++bytes;
      const bool spelled = piece.text.size() == 6 && piece.text.starts_with("<0x") &&
                           piece.text.ends_with('>') &&
                           piece.text.find_first_not_of("0123456789ABCDEF", 3) == 5;
      if (!spelled) refuse("is of type byte, but is not spelled <0x00> to <0xFF>");
    }
  }
  if (unknown != 1)
    fail(ErrorKind::format, "{}: {} pieces are of type unknown; exactly one is needed", origin,
         unknown);
  if (bytes != (model.byte_fallback ? 256 : 0))
    fail(ErrorKind::format, "{}: {} pieces are bytes, not {}", origin, bytes,
         model.byte_fallback ? 256 : 0);
  if (!model.charsmap.empty()) CharsMap(model.charsmap, origin);
}

namespace {

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += char(value | 0x80);
  out += char(value);
}

void put_number(std::string& out, uint32_t id, uint64_t value) {
  put_varint(out, id << 3 | varint_field);
  put_varint(out, value);
}

void put_bytes(std::string& out, uint32_t id, std::string_view bytes) {
  put_varint(out, id << 3 | bytes_field);
  put_varint(out, bytes.size());
  out += bytes;
}

void put_float(std::string& out, uint32_t id, float value) {
  put_varint(out, id << 3 | fixed32_field);
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

}  // namespace

std::string serialized(const PieceModel& model) {
  std::string out, part;
  for (const Piece& piece : model.pieces) {
    part.clear();
    put_bytes(part, 1, piece.text);
    put_float(part, 2, piece.score);
    put_number(part, 3, uint64_t(piece.type));
    put_bytes(out, 1, part);
  }
  part.clear();
  put_number(part, 3, uint64_t(model.kind));
  put_number(part, 24, model.whitespace_suffix);
  put_number(part, 35, model.byte_fallback);
  put_bytes(out, 2, part);
  part.clear();
  put_bytes(part, 2, model.charsmap);
  put_number(part, 3, model.dummy_prefix);
  put_number(part, 4, model.remove_extra_whitespaces);
  put_number(part, 5, model.escape_whitespaces);
  put_bytes(out, 3, part);
  return out;
}

}  // namespace patina
