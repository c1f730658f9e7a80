// Format: PKWARE's APPNOTE 6.3.10, sections 4.3 (records) and 4.5.3 (the zip64 field).
#include "patina/checkpoint/zip.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "patina/base/error.h"

namespace patina {

namespace {

constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50,
                   kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr uint64_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56,
                   kLocator64Bytes = 20, kLongestComment = 65535;
constexpr uint16_t kStored = 0, kEncrypted = 1, kField64 = 1;
constexpr uint32_t kElsewhere = 0xffffffff;  // the number is in the zip64 field

class ZipReader {
 public:
  ZipReader(std::span<const uint8_t> bytes, const std::string& origin)
      : bytes_(bytes), origin_(origin) {}

  std::map<std::string, ZipArchive::Entry> read() {
    const Directory directory = find_directory();
    uint64_t at = directory.offset;
    for (uint64_t i = 0; i < directory.entries; ++i) at = read_entry(at);
    check_overlaps(directory.offset);
    return std::move(entries_);
  }

 private:
  struct Directory {
    uint64_t entries, offset;
  };
  struct Place {
    uint64_t begin, end;
    std::string name;
  };

  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) const {
    fail(ErrorKind::format, "{}: not a zip archive that patina reads: {}", origin_,
         fmt::format(text, std::forward<Args>(args)...));
  }

  template <class T>
  T number(uint64_t at) const {
    if (at > bytes_.size() || bytes_.size() - at < sizeof(T))
      refuse("a record lies beyond its end; is the file complete?");
    T value;
    std::memcpy(&value, bytes_.data() + at, sizeof(T));
    return value;
  }

  // The end record stands at the end, before a comment.
  uint64_t find_end() const {
    if (bytes_.size() < kEndBytes) refuse("{} bytes, fewer than a directory has", bytes_.size());
    const uint64_t last = bytes_.size() - kEndBytes;
    const uint64_t first = last > kLongestComment ? last - kLongestComment : 0;
    for (uint64_t at = last + 1; at-- > first;)
      if (number<uint32_t>(at) == kEnd &&
          at + kEndBytes + number<uint16_t>(at + 20) == bytes_.size())
        return at;
    refuse("there is no directory at its end; is the file complete?");
  }

  Directory find_directory() const {
    const uint64_t end = find_end();
    Directory directory{number<uint16_t>(end + 10), number<uint32_t>(end + 16)};
    uint64_t disk = number<uint16_t>(end + 4);
    if (end >= kLocator64Bytes && number<uint32_t>(end - kLocator64Bytes) == kLocator64) {
      const auto at = number<uint64_t>(end - kLocator64Bytes + 8);
      if (at > end || end - at < kEnd64Bytes || number<uint32_t>(at) != kEnd64)
        refuse("its 64-bit directory is not where it should be");
      directory = {number<uint64_t>(at + 32), number<uint64_t>(at + 48)};
      disk = number<uint32_t>(at + 16);
    }
    if (disk != 0) refuse("it is in several parts");
    if (directory.entries > ZipArchive::kMostEntries)
      refuse("{} entries, more than {}", directory.entries, ZipArchive::kMostEntries);
    if (directory.offset > end || directory.entries > (end - directory.offset) / kCentralBytes)
      refuse("its directory of {} entries lies beyond its end; is the file complete?",
             directory.entries);
    return directory;
  }

  // The values of the zip64 field stand in this order, each only where it did not fit.
  void widen(uint64_t extra, uint64_t extra_end, std::initializer_list<uint64_t*> values) const {
    if (std::ranges::none_of(values, [](const uint64_t* v) { return *v == kElsewhere; })) return;
    while (extra + 4 <= extra_end) {
      const auto kind = number<uint16_t>(extra), length = number<uint16_t>(extra + 2);
      const uint64_t end = extra + 4 + length;
      if (end > extra_end) break;
      if (kind == kField64) {
        uint64_t at = extra + 4;
        for (uint64_t* value : values) {
          if (*value != kElsewhere) continue;
          if (at + 8 > end) refuse("a 64-bit field is cut short");
          *value = number<uint64_t>(at);
          at += 8;
        }
        return;
      }
      extra = end;
    }
  }

  uint64_t read_entry(uint64_t at) {
    if (number<uint32_t>(at) != kCentral) refuse("its directory is damaged at byte {}", at);
    const auto flags = number<uint16_t>(at + 8), method = number<uint16_t>(at + 10);
    uint64_t packed = number<uint32_t>(at + 20), size = number<uint32_t>(at + 24);
    uint64_t offset = number<uint32_t>(at + 42);
    const uint64_t name_length = number<uint16_t>(at + 28), extra = number<uint16_t>(at + 30),
                   comment = number<uint16_t>(at + 32);
    const uint64_t end = at + kCentralBytes + name_length + extra + comment;
    if (end > bytes_.size()) refuse("its directory is cut short");
    if (name_length > ZipArchive::kLongestName)
      refuse("a name of {} bytes, more than {}", name_length, ZipArchive::kLongestName);
    std::string name(reinterpret_cast<const char*>(bytes_.data()) + at + kCentralBytes,
                     name_length);
    if (std::ranges::any_of(name, [](char c) { return c < 0x20 || c > 0x7e; }))
      refuse("entry {} is not named in ASCII", entries_.size());
    widen(at + kCentralBytes + name_length, at + kCentralBytes + name_length + extra,
          {&size, &packed, &offset});
    if (flags & kEncrypted) refuse("{} is encrypted", name);
    if (offset > bytes_.size() || number<uint32_t>(offset) != kLocal)
      refuse("{} is not where the directory says; is the file complete?", name);
    // The local header's own name and field may have other lengths than the directory's.
    const uint64_t begin =
        offset + kLocalBytes + number<uint16_t>(offset + 26) + number<uint16_t>(offset + 28);
    if (begin > bytes_.size() || packed > bytes_.size() - begin)
      refuse("{} lies beyond its end; is the file complete?", name);
    const bool compressed = method != kStored;
    if (!compressed && packed != size)
      refuse("{} is stored in {} bytes, but has {}", name, packed, size);
    places_.push_back({offset, begin + packed, name});
    if (!entries_.emplace(name, ZipArchive::Entry{bytes_.subspan(begin, packed), compressed})
             .second)
      refuse("{} is there twice", name);
    return end;
  }

  void check_overlaps(uint64_t directory) {
    std::ranges::sort(places_, {}, &Place::begin);
    uint64_t end = 0;
    for (const Place& place : places_) {
      if (place.begin < end) refuse("{} overlaps another entry", place.name);
      end = place.end;
    }
    if (end > directory) refuse("{} overlaps the directory", places_.back().name);
  }

  std::span<const uint8_t> bytes_;
  const std::string& origin_;
  std::map<std::string, ZipArchive::Entry> entries_;
  std::vector<Place> places_;
};

}  // namespace

ZipArchive ZipArchive::parse(std::span<const uint8_t> bytes, const std::string& origin) {
  ZipArchive archive;
  archive.origin_ = origin;
  archive.entries_ = ZipReader(bytes, origin).read();
  return archive;
}

bool ZipArchive::begins(std::span<const uint8_t> bytes) {
  constexpr uint8_t kMagic[] = {'P', 'K', 3, 4};
  return bytes.size() >= sizeof kMagic && std::equal(kMagic, kMagic + 4, bytes.begin());
}

std::span<const uint8_t> ZipArchive::at(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) fail(ErrorKind::format, "{}: the archive has no {}", origin_, name);
  if (found->second.compressed)
    fail(ErrorKind::format,
         "{}: {} is compressed, which torch.save does not do: save the weights with it anew",
         origin_, name);
  return found->second.bytes;
}

}  // namespace patina
