// TensorBoard's event files: a TFRecord file of Event messages in protobuf's wire format. The few
// messages that are written here are encoded by hand, so no library of TensorFlow's is needed.
//
// TFRecord: length (u64, little-endian), masked CRC32C of it, the data, masked CRC32C of those.
// Event (tensorflow/core/util/event.proto): wall_time = 1 (double), step = 2 (int64),
// file_version = 3 (string), summary = 5, session_log = 7.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "patina/base/file.h"
#include "patina/base/protobuf.h"

namespace patina {

/// CRC-32C (Castagnoli; RFC 3720, B.4) and TFRecord's mask of it.
uint32_t crc32c(std::string_view bytes);
uint32_t masked_crc32c(std::string_view bytes);
/// A record around `data`.
std::string tf_record(std::string_view data);

/// Appends events to a file of its own; each is flushed to the system, and readers see whole
/// records only. An instance may be used from one thread at a time.
class EventFile {
 public:
  /// Creates `folder`/events.out.tfevents.TIME.HOST.PROCESS. `now`: the time in seconds. Throws
  /// Error(file).
  explicit EventFile(const fs::path& folder, std::function<double()> now = {});
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  const fs::path& path() const { return path_; }

  /// From `step` on, events of earlier files are void: the run was resumed there.
  void restarted(int64_t step);
  void scalar(std::string_view tag, int64_t step, double value);
  /// Markdown.
  void text(std::string_view tag, int64_t step, std::string_view markdown);
  void png(std::string_view tag, int64_t step, std::span<const uint8_t> png, int width, int height);

 private:
  void event(int64_t step, const ProtobufMessage& what);
  void write(std::string_view event);

  fs::path path_;
  std::function<double()> now_;
  int descriptor_ = -1;
};

}  // namespace patina
