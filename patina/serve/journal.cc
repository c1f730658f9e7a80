#include "patina/serve/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <set>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/base/work.h"

namespace patina::serve {

namespace {

constexpr std::string_view kFirstLine = "patina journal 1\n";
constexpr size_t kRecordHead = 12;  // length and checksum
constexpr uint64_t kLongestRecord = (uint64_t{1} << 32) - 1;
constexpr size_t kEarlierKeys = 10000;

std::string reason() {
  return std::strerror(errno);
}

void add_number(std::string& to, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) to += char(value >> (8 * i) & 0xff);
}

uint64_t number_at(std::string_view bytes, int count) {
  uint64_t value = 0;
  for (int i = 0; i < count; ++i) value |= uint64_t(uint8_t(bytes[size_t(i)])) << (8 * i);
  return value;
}

uint64_t checksum(std::string_view payload) {
  ContentHash hash;
  hash.add(payload);
  return hash.words()[0];
}

std::string record_of(const Json& json, const std::vector<std::string>& blobs) {
  const std::string text = json.dump();
  std::string payload;
  add_number(payload, text.size(), 4);
  payload += text;
  for (const auto& blob : blobs) payload += blob;
  if (payload.size() > kLongestRecord)
    fail(ErrorKind::data, "the request has {} bytes, too many for one entry of the journal",
         payload.size());
  std::string record;
  add_number(record, payload.size(), 4);
  add_number(record, checksum(payload), 8);
  return record + payload;
}

// The payload of the record at the beginning of `bytes`; "": there is none that is whole.
std::string_view whole_record(std::string_view bytes) {
  if (bytes.size() < kRecordHead) return {};
  const uint64_t length = number_at(bytes, 4);
  if (length < 4 || length > bytes.size() - kRecordHead) return {};
  const std::string_view payload = bytes.substr(kRecordHead, length);
  return checksum(payload) == number_at(bytes.substr(4), 8) ? payload : std::string_view{};
}

std::string new_id() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

// A record that was read.
struct Record {
  Json json;
  std::string_view blobs;
};

Record read_record(std::string_view payload, const fs::path& path) {
  const auto damaged = [&] {
    fail(ErrorKind::state, "{}: a record of the journal is damaged", path.string());
  };
  if (payload.size() < 4) damaged();
  const uint64_t length = number_at(payload, 4);
  if (length > payload.size() - 4) damaged();
  Record record{parse_json(payload.substr(4, length), path.string()), payload.substr(4 + length)};
  if (!record.json.is_object()) damaged();
  return record;
}

JournalEntry entry_of(const Record& record, const fs::path& path) {
  try {
    JournalEntry entry{.sequence = record.json.at("sequence").get<uint64_t>(),
                       .key = record.json.at("key").get<std::string>(),
                       .request = record.json.at("request").get<std::string>()};
    size_t at = 0;
    for (const auto& size : record.json.at("blobs")) {
      const auto bytes = size.get<uint64_t>();
      if (bytes > record.blobs.size() - at)
        fail(ErrorKind::state, "{}: an entry's samples are longer than the entry", path.string());
      entry.blobs.emplace_back(record.blobs.substr(at, bytes));
      at += bytes;
    }
    return entry;
  } catch (const Json::exception& error) {
    fail(ErrorKind::state, "{}: an entry of the journal is damaged: {}", path.string(),
         error.what());
  }
}

// The number in a mark of journal `id`; nothing: the mark is another journal's, or none.
std::optional<uint64_t> number_in(const std::string& mark, const std::string& id) {
  if (!mark.starts_with(id + ":")) return std::nullopt;
  const std::string digits = mark.substr(id.size() + 1);
  if (digits.empty() || digits.size() > 18 || digits.find_first_not_of("0123456789") != digits.npos)
    return std::nullopt;
  return std::stoull(digits);
}

void sync_folder_of(const fs::path& path) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const int handle = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (handle < 0) return;
  ::fsync(handle);
  ::close(handle);
}

}  // namespace

Journal::Journal(fs::path path, const std::string& mark) : path_(std::move(path)) {
  // Another process may replace the file between opening and locking it.
  while (true) {
    file_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
    if (file_ < 0 && errno != ENOENT)
      fail(ErrorKind::file, "{}: cannot open: {}", path_.string(), reason());
    if (file_ < 0) break;
    struct stat mine {
    }, named{};
    if (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
      const bool held = errno == EWOULDBLOCK;
      const std::string why = reason();
      ::close(file_);
      fail(
          ErrorKind::state, "{}: {}", path_.string(),
          held
              ? "another server has it open: one serves an artefact at a time (with --no-learn any "
                "number do)"
              : "cannot lock: " + why);
    }
    if (::fstat(file_, &mine) == 0 && ::stat(path_.c_str(), &named) == 0 &&
        mine.st_ino == named.st_ino && mine.st_dev == named.st_dev)
      break;
    ::close(file_);
  }
  try {
    if (file_ < 0) {
      file_ = begin_file(new_id(), 0);
    } else {
      const MappedFile mapped(path_);
      const std::string_view bytes(reinterpret_cast<const char*>(mapped.bytes().data()),
                                   mapped.bytes().size());
      if (!bytes.starts_with(kFirstLine))
        fail(ErrorKind::state,
             "{}: it is no journal, or its beginning is damaged: move it away to begin another one",
             path_.string());
      // Walks over the records to the first that is not whole.
      size_t at = kFirstLine.size();
      std::set<uint64_t> refused;
      std::vector<JournalEntry> found;
      bool named = false;
      uint64_t base = 0;
      while (true) {
        const std::string_view payload = whole_record(bytes.substr(at));
        if (payload.empty()) break;
        const Record record = read_record(payload, path_);
        const uint64_t end = at + kRecordHead + payload.size();
        if (!named) {
          named = true;
          id_ = record.json.value("journal", "");
          last_ = base = record.json.value("base", uint64_t{0});
          for (const auto& one : record.json.value("keys", Json::array()))
            earlier_keys_.emplace_back(one.at(0).get<std::string>(), one.at(1).get<uint64_t>());
          if (id_.empty())
            fail(ErrorKind::state, "{}: the journal has no name: it is damaged", path_.string());
        } else if (record.json.contains("refused")) {
          refused.insert(record.json.value("refused", uint64_t{0}));
        } else {
          found.push_back(entry_of(record, path_));
          last_ = std::max(last_, found.back().sequence);
          entries_.push_back({found.back().sequence, at, end, found.back().key});
        }
        at = end;
      }
      // Only the last record can be half written: each is on the disk before the next begins.
      for (size_t next = at + 1; next < bytes.size(); ++next)
        if (!whole_record(bytes.substr(next)).empty())
          fail(ErrorKind::state,
               "{}: the record at byte {} is damaged, and others follow it: the disk lost "
               "something. Move the file away to serve the artefact without it",
               path_.string(), at);
      if (!named)
        fail(ErrorKind::state,
             "{}: the journal's beginning is damaged: move it away to begin "
             "another one",
             path_.string());
      cut_ = bytes.size() - at;
      size_ = at;
      for (auto& kept : entries_)
        if (refused.contains(kept.sequence)) kept.key.clear();
      const auto included = number_in(mark, id_);
      if (included) {
        if (*included < base)
          warn(
              fmt::format("{}: the artefact is older than its journal: requests {} to {} are in "
                          "neither",
                          path_.string(), *included + 1, base));
        std::erase_if(earlier_keys_, [&](const auto& key) { return key.second > *included; });
        last_ = std::max(last_, *included);
      }
      for (auto& entry : found)
        if (!refused.contains(entry.sequence) && entry.sequence > included.value_or(0))
          pending_.push_back(std::move(entry));
      if (!included && !pending_.empty())
        fail(ErrorKind::state,
             "{}: it has {} requests to learn, and they are for another artefact than the one that "
             "is here: put that one back, or move the journal away",
             path_.string(), pending_.size());
      if (!included) {  // another artefact took the place of the one that had this journal
        entries_.clear();
        earlier_keys_.clear();
        const int old = file_;
        file_ = begin_file(new_id(), 0);
        ::close(old);
      }
    }
    if (cut_ > 0 && size_ < uint64_t(::lseek(file_, 0, SEEK_END)) &&
        (::ftruncate(file_, off_t(size_)) != 0 || ::fsync(file_) != 0))
      fail(ErrorKind::file, "{}: cannot write: {}", path_.string(), reason());
  } catch (const Json::exception& error) {
    if (file_ >= 0) ::close(file_);
    fail(ErrorKind::state, "{}: the journal is damaged: {}", path_.string(), error.what());
  } catch (...) {
    if (file_ >= 0) ::close(file_);
    throw;
  }
}

Journal::~Journal() {
  if (file_ >= 0) ::close(file_);
}

void Journal::put(int file, std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(ErrorKind::file, "{}: cannot write: {}", path_.string(), reason());
    bytes.remove_prefix(size_t(written));
  }
}

// Puts a file with the entries in entries_, taken from the current file, in the place of the
// journal and returns it, locked. The current one stays open.
int Journal::begin_file(const std::string& id, uint64_t base) {
  fs::path temporary = path_;
  temporary += fmt::format(".{}.tmp", ::getpid());
  const int made = ::open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (made < 0) fail(ErrorKind::file, "{}: cannot create: {}", temporary.string(), reason());
  try {
    Json keys = Json::array();
    for (const auto& [key, sequence] : earlier_keys_) keys.push_back({key, sequence});
    std::string text(kFirstLine);
    text += record_of({{"journal", id}, {"base", base}, {"keys", keys}}, {});
    put(made, text);
    uint64_t end = text.size();
    std::deque<Kept> moved;
    for (const Kept& kept : entries_) {
      std::string record(kept.end - kept.begin, '\0');
      size_t got = 0;
      while (got < record.size()) {
        const ssize_t part =
            ::pread(file_, record.data() + got, record.size() - got, off_t(kept.begin + got));
        if (part < 0 && errno == EINTR) continue;
        if (part <= 0) fail(ErrorKind::file, "{}: cannot read: {}", path_.string(), reason());
        got += size_t(part);
      }
      put(made, record);
      moved.push_back({kept.sequence, end, end + record.size(), kept.key});
      end += record.size();
    }
    if (::fsync(made) != 0 || ::flock(made, LOCK_EX | LOCK_NB) != 0 ||
        ::rename(temporary.c_str(), path_.c_str()) != 0)
      fail(ErrorKind::file, "{}: cannot write to disk: {}", path_.string(), reason());
    sync_folder_of(path_);
    entries_ = std::move(moved);
    id_ = id;
    size_ = end;
    last_ = std::max(base, entries_.empty() ? base : entries_.back().sequence);
    return made;
  } catch (...) {
    ::close(made);
    ::unlink(temporary.c_str());
    throw;
  }
}

uint64_t Journal::append(JournalEntry entry) {
  const std::lock_guard lock(mutex_);
  if (broken_)
    fail(ErrorKind::file,
         "{}: the disk failed before, and the journal takes no more: start the "
         "server again",
         path_.string());
  entry.sequence = last_ + 1;
  Json sizes = Json::array();
  for (const auto& blob : entry.blobs) sizes.push_back(blob.size());
  const std::string record = record_of({{"sequence", entry.sequence},
                                        {"key", entry.key},
                                        {"request", entry.request},
                                        {"blobs", sizes}},
                                       entry.blobs);
  try {
    if (::lseek(file_, off_t(size_), SEEK_SET) < 0)
      fail(ErrorKind::file, "{}: cannot seek: {}", path_.string(), reason());
    put(file_, record);
  } catch (const Error&) {
    broken_ = ::ftruncate(file_, off_t(size_)) != 0;
    throw;
  }
  if (::fdatasync(file_) != 0) {
    // After a failure the kernel may drop what it could not write, and report success next time.
    broken_ = true;
    fail(ErrorKind::file, "{}: cannot write to disk: {}", path_.string(), reason());
  }
  entries_.push_back({entry.sequence, size_, size_ + record.size(), entry.key});
  size_ += record.size();
  last_ = entry.sequence;
  return last_;
}

void Journal::refused(uint64_t sequence, const std::string& key) {
  const std::lock_guard lock(mutex_);
  for (auto& kept : entries_)
    if (kept.sequence == sequence && kept.key == key) kept.key.clear();
  if (broken_) return;
  const std::string record = record_of({{"refused", sequence}}, {});
  try {
    if (::lseek(file_, off_t(size_), SEEK_SET) < 0) return;
    put(file_, record);
    size_ += record.size();
  } catch (const Error&) {
    broken_ = ::ftruncate(file_, off_t(size_)) != 0;
  }
}

std::optional<uint64_t> Journal::find(const std::string& key) const {
  if (key.empty()) return std::nullopt;
  const std::lock_guard lock(mutex_);
  for (const auto& kept : entries_)
    if (kept.key == key) return kept.sequence;
  for (const auto& [earlier, sequence] : earlier_keys_)
    if (earlier == key) return sequence;
  return std::nullopt;
}

std::string Journal::mark(uint64_t sequence) const {
  const std::lock_guard lock(mutex_);
  return fmt::format("{}:{}", id_, sequence);
}

void Journal::saved(uint64_t sequence) {
  const std::lock_guard lock(mutex_);
  if (broken_) return;
  while (!entries_.empty() && entries_.front().sequence <= sequence) {
    if (!entries_.front().key.empty())
      earlier_keys_.emplace_back(std::move(entries_.front().key), entries_.front().sequence);
    entries_.pop_front();
  }
  while (earlier_keys_.size() > kEarlierKeys) earlier_keys_.pop_front();
  const int old = file_;
  file_ = begin_file(id_, entries_.empty() ? std::max(last_, sequence) : sequence);
  ::close(old);
}

uint64_t Journal::bytes() const {
  const std::lock_guard lock(mutex_);
  return size_;
}

uint64_t Journal::last() const {
  const std::lock_guard lock(mutex_);
  return last_;
}

}  // namespace patina::serve
