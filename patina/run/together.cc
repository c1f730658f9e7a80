#include "patina/run/together.h"

#include "patina/base/error.h"
#include "patina/base/json.h"

namespace patina {

namespace {

std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace

std::string Together::text_of_first(const std::string& text) const {
  if (!workers_) return text;
  const auto bytes = broadcast_bytes(*workers_, bytes_of(text));
  return {bytes.begin(), bytes.end()};
}

bool Together::agreed(const std::function<bool()>& said) const {
  return text_of_first(leads() && said() ? "yes" : "no") == "yes";
}

std::string Together::text(const std::function<std::string()>& said) const {
  return text_of_first(leads() ? said() : "");
}

std::optional<Json> Together::record(const std::function<std::optional<Json>()>& said) const {
  std::optional<Json> own;
  if (leads()) own = said();
  if (!workers_) return own;
  const std::string text = text_of_first(own ? own->dump() : "");
  if (text.empty()) return std::nullopt;
  return parse_json(text, "the first worker's record");
}

Archive Together::checkpoint(const RunFolder& folder) const {
  if (!workers_) return folder.load();
  // Read whole by the first worker before the others get it: it may be the one before a damaged
  // one.
  std::optional<Archive> own;
  Bytes file;
  if (leads()) {
    own.emplace(folder.load());
    file = read_file(own->origin(), ~uint64_t{0});
  }
  const auto bytes = broadcast_bytes(*workers_, file);
  if (own) return std::move(*own);
  return Archive::parse(bytes, "the first worker's checkpoint");
}

void Together::check_same(const std::string& hash, const std::string& when) const {
  const bool other = text_of_first(hash) != hash;
  if (any(other))
    fail(ErrorKind::workers,
         "{} {}: the machines compute differently; run on machines with the same processor, "
         "LibTorch "
         "and number of threads",
         when,
         other ? fmt::format("worker {} does not have the bits of the first", workers_->rank())
               : "another worker does not have the bits of the first");
}

}  // namespace patina
