#include "patina/data/formats/tar.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <string_view>

#include "patina/base/error.h"

namespace patina {

namespace {

constexpr size_t kTarBlock = 512;

// A field of a header: its offset and length.
struct TarField {
  size_t at, length;
};
constexpr TarField kTarName{0, 100}, kTarSize{124, 12}, kTarChecksum{148, 8}, kTarMagic{257, 5},
    kTarPrefix{345, 155};
constexpr size_t kTarType = 156;

using TarHeader = std::span<const uint8_t, kTarBlock>;

std::string text_in(TarHeader header, TarField field) {
  const auto* from = reinterpret_cast<const char*>(header.data()) + field.at;
  return {from, std::find(from, from + field.length, '\0')};
}

// An octal number between spaces; nothing if it is none.
std::optional<uint64_t> octal_in(TarHeader header, TarField field) {
  std::string_view text(reinterpret_cast<const char*>(header.data()) + field.at, field.length);
  const auto is_filling = [](char c) { return c == ' ' || c == '\0'; };
  while (!text.empty() && is_filling(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_filling(text.back())) text.remove_suffix(1);
  if (text.empty()) return std::nullopt;
  uint64_t number = 0;
  for (const char c : text) {
    if (c < '0' || c > '7') return std::nullopt;
    number = number * 8 + uint64_t(c - '0');  // at most 12 digits
  }
  return number;
}

// The sum of the header's bytes, those of the checksum counting as spaces.
uint64_t sum_of(TarHeader header) {
  uint64_t sum = std::accumulate(header.begin(), header.end(), uint64_t{0});
  for (size_t i = 0; i < kTarChecksum.length; ++i)
    sum += uint64_t{' '} - header[kTarChecksum.at + i];
  return sum;
}

bool leaves_the_archive(const std::string& name) {
  const fs::path path(name);
  return name.empty() || path.is_absolute() ||
         std::ranges::any_of(path, [](const fs::path& part) { return part == ".."; });
}

// "./train/0.png" and "train/0.png" are one file.
std::string plain(const std::string& name) {
  return fs::path(name).lexically_normal().string();
}

// Of a pax header what changes the next file's name or size; a reader without it would be wrong.
bool changes_next(std::string_view records) {
  return records.find(" path=") != records.npos || records.find(" size=") != records.npos;
}

}  // namespace

TarArchive TarArchive::parse(Bytes bytes, const std::string& origin) {
  TarArchive archive;
  archive.origin_ = origin;
  archive.bytes_ = std::move(bytes);
  const std::span<const uint8_t> all(archive.bytes_);
  size_t at = 0;
  bool ended = false;
  std::string long_name;  // of GNU's, for the next file
  while (at + kTarBlock <= all.size()) {
    const TarHeader header = all.subspan(at).first<kTarBlock>();
    at += kTarBlock;
    if (std::ranges::all_of(header, [](uint8_t byte) { return byte == 0; })) {
      ended = true;
      break;
    }
    const auto size = octal_in(header, kTarSize), sum = octal_in(header, kTarChecksum);
    if (!sum || *sum != sum_of(header))
      fail(ErrorKind::format, "{}: not a tar archive, or damaged: the header at byte {} is wrong",
           origin, at - kTarBlock);
    if (!size || *size > all.size() - at)
      fail(ErrorKind::format, "{}: truncated: the file at byte {} goes beyond the archive's end",
           origin, at - kTarBlock);
    const auto content = all.subspan(at, size_t(*size));
    at += (size_t(*size) + kTarBlock - 1) / kTarBlock * kTarBlock;
    const char type = char(header[kTarType]);
    const std::string_view text(reinterpret_cast<const char*>(content.data()), content.size());
    if (type == 'L') {
      long_name = std::string(text.substr(0, text.find('\0')));
      continue;
    }
    std::string name = text_in(header, kTarName);
    if (text_in(header, kTarMagic) == "ustar")
      if (const std::string prefix = text_in(header, kTarPrefix); !prefix.empty())
        name.insert(0, prefix + "/");
    if (!long_name.empty()) name = std::exchange(long_name, "");
    if (type == 'x' && changes_next(text))
      fail(ErrorKind::format,
           "{}: a name or size is in a header of pax, which is not read: make the archive with "
           "`tar --format=gnu`",
           origin);
    if (type == 'x' || type == 'g' || type == '5') continue;
    if (type != '0' && type != '\0')
      fail(ErrorKind::format, "{}: {} is a link or a device; only files are read", origin, name);
    if (leaves_the_archive(name))
      fail(ErrorKind::format, "{}: the name \"{}\" leaves the archive", origin, name);
    if (!archive.files_.emplace(plain(name), content).second)
      fail(ErrorKind::format, "{}: {} is there twice", origin, plain(name));
    if (archive.files_.size() > kMostFiles)
      fail(ErrorKind::format, "{}: more than {} files", origin, kMostFiles);
  }
  if (!ended && at != all.size())
    fail(ErrorKind::format, "{}: truncated: the archive has no end", origin);
  if (archive.files_.empty()) fail(ErrorKind::format, "{}: no files in it", origin);
  return archive;
}

TarArchive TarArchive::read(const fs::path& path) {
  return parse(read_maybe_gzip(path, kMostBytes), path.string());
}

}  // namespace patina
