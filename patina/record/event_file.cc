#include "patina/record/event_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "patina/base/error.h"

namespace patina {

namespace {

constexpr std::array<uint32_t, 256> crc_table() {
  constexpr uint32_t kPolynomial = 0x82f63b78;  // Castagnoli's, reflected
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < table.size(); ++byte) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = value & 1 ? (value >> 1) ^ kPolynomial : value >> 1;
    table[byte] = value;
  }
  return table;
}

template <class Word>
std::string little_endian(Word word) {
  std::string bytes;
  for (size_t i = 0; i < sizeof(Word); ++i) bytes += char(uint8_t(word >> (8 * i)));
  return bytes;
}

// Protobuf's wire format.
std::string wire_varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += char(uint8_t(value) | 0x80);
  return bytes + char(uint8_t(value));
}
enum class Wire : uint64_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };
std::string wire_key(uint64_t field, Wire wire) {
  return wire_varint(field << 3 | uint64_t(wire));
}
std::string wire_whole(uint64_t field, int64_t value) {
  return wire_key(field, Wire::varint) + wire_varint(uint64_t(value));
}
std::string wire_real64(uint64_t field, double value) {
  return wire_key(field, Wire::fixed64) + little_endian(std::bit_cast<uint64_t>(value));
}
std::string wire_real32(uint64_t field, float value) {
  return wire_key(field, Wire::fixed32) + little_endian(std::bit_cast<uint32_t>(value));
}
std::string wire_bytes(uint64_t field, std::string_view value) {
  return wire_key(field, Wire::bytes) + wire_varint(value.size()) + std::string(value);
}

// Summary { repeated Value value = 1; }, Value { tag = 1, simple_value = 2, image = 4, tensor = 8,
// metadata = 9 }.
std::string summary_value(std::string_view tag, std::string_view content) {
  return wire_bytes(1, wire_bytes(1, tag) + std::string(content));
}

// SummaryMetadata { plugin_data = 1 { plugin_name = 1 } }: which of TensorBoard's tabs shows it.
std::string shown_by(std::string_view plugin) {
  return wire_bytes(9, wire_bytes(1, wire_bytes(1, plugin)));
}

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  std::string host = name.data();
  for (char& c : host)
    if (c == '/') c = '_';
  return host;
}

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static constexpr auto kTable = crc_table();
  uint32_t crc = ~uint32_t{0};
  for (const char c : bytes) crc = kTable[(crc ^ uint8_t(c)) & 0xff] ^ (crc >> 8);
  return ~crc;
}

uint32_t masked_crc32c(std::string_view bytes) {
  constexpr uint32_t kMask = 0xa282ead8;
  return std::rotr(crc32c(bytes), 15) + kMask;
}

std::string tf_record(std::string_view data) {
  const std::string length = little_endian(uint64_t(data.size()));
  return length + little_endian(masked_crc32c(length)) + std::string(data) +
         little_endian(masked_crc32c(data));
}

EventFile::EventFile(const fs::path& folder, std::function<double()> now)
    : now_(now ? std::move(now) : seconds_now) {
  path_ = folder /
          fmt::format("events.out.tfevents.{:010}.{}.{}", int64_t(now_()), host_name(), ::getpid());
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor_ < 0)
    fail(ErrorKind::file, "{}: cannot create: {}", path_.string(), std::strerror(errno));
  write(wire_real64(1, now_()) + wire_bytes(3, "brain.Event:2"));
}

EventFile::~EventFile() {
  ::close(descriptor_);
}

// A record is written at once; after a failure, as of a full disk, what is half written is removed.
void EventFile::write(std::string_view event) {
  const std::string record = tf_record(event);
  const off_t end = ::lseek(descriptor_, 0, SEEK_END);
  ssize_t put;
  do put = ::write(descriptor_, record.data(), record.size());
  while (put < 0 && errno == EINTR);
  if (put == ssize_t(record.size())) return;
  const std::string why = put < 0 ? std::strerror(errno) : "the disk is full";
  [[maybe_unused]] const int cut = ::ftruncate(descriptor_, end);
  fail(ErrorKind::file, "{}: cannot write: {}", path_.string(), why);
}

void EventFile::event(int64_t step, std::string_view what) {
  write(wire_real64(1, now_()) + wire_whole(2, step) + std::string(what));
}

// SessionLog { status = 1 }, of which START is 1.
void EventFile::restarted(int64_t step) {
  event(step, wire_bytes(7, wire_whole(1, 1)));
}

void EventFile::scalar(std::string_view tag, int64_t step, double value) {
  event(step, wire_bytes(5, summary_value(tag, wire_real32(2, float(value)))));
}

// TensorProto { dtype = 1 (DT_STRING is 7), tensor_shape = 2 { dim = 2 { size = 1 } },
// string_val = 8 }.
void EventFile::text(std::string_view tag, int64_t step, std::string_view markdown) {
  const std::string tensor =
      wire_whole(1, 7) + wire_bytes(2, wire_bytes(2, wire_whole(1, 1))) + wire_bytes(8, markdown);
  event(step, wire_bytes(5, summary_value(tag, shown_by("text") + wire_bytes(8, tensor))));
}

// Image { height = 1, width = 2, colorspace = 3 (RGB is 3), encoded_image_string = 4 }.
void EventFile::png(std::string_view tag, int64_t step, std::span<const uint8_t> png, int width,
                    int height) {
  const std::string_view encoded(reinterpret_cast<const char*>(png.data()), png.size());
  const std::string image =
      wire_whole(1, height) + wire_whole(2, width) + wire_whole(3, 3) + wire_bytes(4, encoded);
  event(step, wire_bytes(5, summary_value(tag, wire_bytes(4, image))));
}

}  // namespace patina
