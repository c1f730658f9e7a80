#include "patina/fetch/fetch.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <thread>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/base/progress.h"
#include "patina/data/formats/tar.h"
#include "patina/fetch/sha256.h"
#include "patina/fetch/transfer.h"

namespace patina::fetch {

namespace {

constexpr const char* kRecord = "FETCHED.json";

// The beginning of a file, and the address and validator with which the rest can be asked for.
class Part {
 public:
  explicit Part(const fs::path& whole) : path_(whole), tag_(whole) {
    path_ += ".part";
    tag_ += ".part.tag";
  }
  ~Part() { close(); }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

  const fs::path& path() const { return path_; }
  uint64_t size() const {
    std::error_code error;
    const auto size = fs::file_size(path_, error);
    return error ? 0 : uint64_t(size);
  }
  // The validator of what is there from this address; "": nothing that can be gone on with.
  std::string validator(const std::string& address) const {
    if (size() == 0 || !is_file(tag_)) return "";
    const std::string text = read_text(tag_);
    return text.starts_with(address + "\n") ? text.substr(address.size() + 1) : "";
  }

  void open(const std::string& address, const Answer& answer) {
    close();
    const int fresh = answer.from == 0 ? O_TRUNC : 0;
    if (fresh) fs::remove(tag_);
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND | fresh, 0644);
    if (descriptor_ < 0)
      fail(ErrorKind::file, "{}: cannot create: {}", path_.string(), std::strerror(errno));
    if (fresh && !answer.validator.empty()) write_text(tag_, address + "\n" + answer.validator);
  }
  void write(const char* data, size_t bytes) {
    while (bytes > 0) {
      const ssize_t put = ::write(descriptor_, data, bytes);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0)
        fail(ErrorKind::file,
             "{}: cannot write: {}; what was got so far is kept: make room and repeat the command",
             path_.string(), std::strerror(errno));
      data += put;
      bytes -= size_t(put);
    }
  }
  void sync() {
    if (descriptor_ >= 0 && ::fsync(descriptor_) != 0)
      fail(ErrorKind::file, "{}: cannot write to disk: {}", path_.string(), std::strerror(errno));
    close();
  }
  void remove() {
    close();
    std::error_code ignored;
    fs::remove(path_, ignored);
    fs::remove(tag_, ignored);
  }
  void rename(const fs::path& whole) {
    std::error_code error;
    fs::rename(path_, whole, error);
    if (error)
      fail(ErrorKind::file, "{}: cannot rename into place: {}", whole.string(), error.message());
    fs::remove(tag_, error);
  }

 private:
  void close() {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
  }

  fs::path path_, tag_;
  int descriptor_ = -1;
};

void check_room(const fs::path& folder, const std::string& name, const Answer& answer) {
  if (!answer.bytes || *answer.bytes < answer.from) return;
  std::error_code error;
  const auto space = fs::space(folder, error);
  const uint64_t needed = *answer.bytes - answer.from;
  if (error || space.available >= needed) return;
  fail(ErrorKind::file, "{}: the disk is full: {} of {} are needed there, and {} are free",
       folder.string(), format_bytes(needed), name, format_bytes(space.available));
}

// Bytes as they come, in thousands for people.
class Arrival {
 public:
  Arrival(const std::string& name, const Answer& answer)
      : progress_(name, int64_t(answer.bytes.value_or(0) / 1000), "KB") {
    if (answer.from > 0) progress_.resume(int64_t(answer.from / 1000));
  }
  void add(size_t bytes) {
    rest_ += bytes;
    if (rest_ < 1000) return;
    progress_.advance(int64_t(rest_ / 1000));
    rest_ %= 1000;
  }

 private:
  Progress progress_;
  size_t rest_ = 0;
};

void pause(double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < end) {
    if (current_work() && current_work()->should_stop && current_work()->should_stop())
      fail(ErrorKind::stopped, "stopped; the same command goes on");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

// One attempt at the whole file or the rest of it.
Answer attempt(Part& part, const std::string& name, const std::string& address, bool of_hub,
               const FetchOptions& options) {
  Asked asked{.address = address,
              .validator = part.validator(address),
              .token = of_hub ? options.token : "",
              .silent_s = options.silent_s};
  if (!asked.validator.empty()) asked.from = part.size();
  Answer answer;
  std::optional<Arrival> arrival;
  transfer(asked, {.begin =
                       [&](const Answer& said) {
                         answer = said;
                         check_room(part.path().parent_path(), name, said);
                         part.open(address, said);
                         arrival.emplace(name, said);
                       },
                   .bytes =
                       [&](const char* data, size_t bytes) {
                         part.write(data, bytes);
                         arrival->add(bytes);
                       }});
  part.sync();
  if (answer.bytes && part.size() != *answer.bytes)
    throw Interrupted(
        fmt::format("{}: it ended after {} of {} bytes", address, part.size(), *answer.bytes));
  return answer;
}

Answer persistent(Part& part, const std::string& name, const std::string& address, bool of_hub,
                  const FetchOptions& options) {
  for (int tried = 1;; ++tried) {
    try {
      return attempt(part, name, address, of_hub, options);
    } catch (const RangeRefused&) {
      if (tried >= options.tries) throw;
      part.remove();  // another file than the one it began with
    } catch (const Interrupted& reason) {
      const std::string kept =
          part.validator(address).empty()
              ? "the server does not say how to go on, so the next try begins again"
              : format_bytes(part.size()) + " are kept, and the same command goes on from there";
      if (tried >= options.tries)
        fail(ErrorKind::file, "{} ({} tries); {}", reason.what(), tried, kept);
      note(fmt::format("{}; trying again", reason.what()));
      pause(options.pause_s * double(1 << std::min(tried - 1, 10)));
    }
  }
}

Fetched fetch_from(const KnownFile& file, const std::string& place, const fs::path& folder,
                   const FetchOptions& options) {
  const std::string name = file_name(place), address = resolved(place);
  const fs::path whole = folder / name;
  Part part(whole);
  const Answer answer = persistent(part, name, address, is_of_hub(place), options);
  Fetched fetched{.name = name,
                  .address = address,
                  .bytes = part.size(),
                  .sha256 = sha256_of(part.path()),
                  .checked_with = "",
                  .commit = answer.commit};
  const std::string& expected = file.sha256.empty() ? answer.sha256 : file.sha256;
  if (!expected.empty()) {
    fetched.checked_with = file.sha256.empty() ? "the server" : "the list";
    if (fetched.sha256 != expected) {
      part.remove();
      fail(ErrorKind::format,
           "{}: its SHA-256 is {}, and {} says {}: it was damaged on its way, or is another file "
           "now; nothing of it was kept",
           address, fetched.sha256, fetched.checked_with, expected);
    }
  }
  part.rename(whole);
  return fetched;
}

Json json_of(const Fetched& file) {
  return {{"name", file.name},     {"address", file.address},           {"bytes", file.bytes},
          {"sha256", file.sha256}, {"checked_with", file.checked_with}, {"commit", file.commit}};
}

// What an earlier call left, by the record in the folder; a record that cannot be read is none.
std::vector<Fetched> recorded(const fs::path& folder) {
  std::vector<Fetched> files;
  const fs::path path = folder / kRecord;
  if (!is_file(path)) return files;
  try {
    const Json record = parse_json(read_text(path), path.string());
    for (const auto& one : record.at("files"))
      files.push_back({.name = one.at("name"),
                       .address = one.at("address"),
                       .bytes = one.at("bytes"),
                       .sha256 = one.at("sha256"),
                       .checked_with = one.at("checked_with"),
                       .commit = one.at("commit"),
                       .was_there = true});
  } catch (const std::exception& error) {
    warn(fmt::format("{}: it cannot be read ({}), so everything is fetched again", path.string(),
                     error.what()));
    files.clear();
  }
  return files;
}

void write_record(const Known& what, const std::vector<Fetched>& files, const fs::path& folder) {
  Json record = {{"name", what.name}, {"source", what.source}, {"files", Json::array()}};
  for (const auto& file : files) record["files"].push_back(json_of(file));
  write_text(folder / kRecord, record.dump(1) + "\n");
}

// Of an archive its files lie here, and it does not any more.
fs::path unpacked_mark(const fs::path& folder, const std::string& name) {
  return folder / (name + ".unpacked");
}

std::optional<Fetched> still_there(const KnownFile& file, const std::vector<Fetched>& earlier,
                                   const fs::path& folder) {
  for (const auto& address : file.addresses) {
    const std::string name = file_name(address);
    const auto before = std::ranges::find(earlier, name, &Fetched::name);
    if (before == earlier.end()) continue;
    if (!file.sha256.empty() && before->sha256 != file.sha256) continue;
    if (file.is_archive ? is_file(unpacked_mark(folder, name))
                        : is_file(folder / name) && sha256_of(folder / name) == before->sha256)
      return *before;
  }
  return std::nullopt;
}

std::optional<Fetched> fetch_file(const KnownFile& file, const fs::path& folder,
                                  const FetchOptions& options) {
  for (size_t i = 0; i < file.addresses.size(); ++i) {
    try {
      return fetch_from(file, file.addresses[i], folder, options);
    } catch (const NoSuchFile&) {
      if (i + 1 == file.addresses.size() && !file.may_lack) throw;
    }
  }
  return std::nullopt;
}

}  // namespace

void unpack(const fs::path& archive, const fs::path& folder) {
  const TarArchive tar = TarArchive::read(archive);
  for (const auto& [name, bytes] : tar.files()) {
    const fs::path path = folder / name;
    make_folder(path.parent_path());
    AtomicFile file(path);
    file.write(bytes.data(), bytes.size());
    file.commit();
  }
}

std::vector<Fetched> fetch(const Known& what, const fs::path& folder, const FetchOptions& options) {
  make_folder(folder);
  const FolderLock lock(folder);
  const std::vector<Fetched> earlier = recorded(folder);
  std::vector<Fetched> all;
  for (const auto& file : what.files) {
    auto fetched = still_there(file, earlier, folder);
    if (!fetched) {
      fetched = fetch_file(file, folder, options);
      if (!fetched) continue;
      if (file.is_archive) {
        const fs::path archive = folder / fetched->name;
        unpack(archive, folder);
        write_text(unpacked_mark(folder, fetched->name), "");
        fs::remove(archive);
      }
    }
    all.push_back(std::move(*fetched));
    write_record(what, all, folder);
  }
  return all;
}

}  // namespace patina::fetch
