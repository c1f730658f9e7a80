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

using Proto = ProtobufMessage;

// Summary { repeated Value value = 1; }, Value { tag = 1, simple_value = 2, image = 4, tensor = 8,
// metadata = 9 }.
Proto summary(const Proto& value) {
  return Proto().message(5, Proto().message(1, value));
}

// SummaryMetadata { plugin_data = 1 { plugin_name = 1 } }: which of TensorBoard's tabs shows it.
Proto shown_by(std::string_view plugin) {
  return Proto().message(1, Proto().text(1, plugin));
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
  write(Proto().real64(1, now_()).text(3, "brain.Event:2").bytes());
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

void EventFile::event(int64_t step, const ProtobufMessage& what) {
  write(Proto().real64(1, now_()).whole(2, step).bytes() + what.bytes());
}

// SessionLog { status = 1 }, of which START is 1.
void EventFile::restarted(int64_t step) {
  event(step, Proto().message(7, Proto().whole(1, 1)));
}

void EventFile::scalar(std::string_view tag, int64_t step, double value) {
  event(step, summary(Proto().text(1, tag).real32(2, float(value))));
}

// TensorProto { dtype = 1 (DT_STRING is 7), tensor_shape = 2 { dim = 2 { size = 1 } },
// string_val = 8 }.
void EventFile::text(std::string_view tag, int64_t step, std::string_view markdown) {
  const Proto one = Proto().message(2, Proto().whole(1, 1));
  const Proto tensor = Proto().whole(1, 7).message(2, one).text(8, markdown);
  event(step, summary(Proto().text(1, tag).message(9, shown_by("text")).message(8, tensor)));
}

// Image { height = 1, width = 2, colorspace = 3 (RGB is 3), encoded_image_string = 4 }.
void EventFile::png(std::string_view tag, int64_t step, std::span<const uint8_t> png, int width,
                    int height) {
  const std::string_view encoded(reinterpret_cast<const char*>(png.data()), png.size());
  const Proto image = Proto().whole(1, height).whole(2, width).whole(3, 3).text(4, encoded);
  event(step, summary(Proto().text(1, tag).message(4, image)));
}

}  // namespace patina
