#include "patina/record/run_progress.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "patina/base/json.h"

namespace patina {

namespace {

constexpr uint64_t kLongestProgress = 1 << 16;

fs::path progress_file(const fs::path& folder) {
  return folder / "progress.json";
}

int64_t count_in(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number_integer()
             ? std::max<int64_t>(0, found->get<int64_t>())
             : 0;
}
double seconds_in(const Json& json, const char* key) {
  const auto found = json.find(key);
  const double value = found != json.end() && found->is_number() ? found->get<double>() : 0;
  return std::isfinite(value) && value > 0 ? value : 0;
}
std::string text_in(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

double RunProgress::rate() const {
  return part_seconds > 0 && done > earlier ? double(done - earlier) / part_seconds : 0;
}

void write_progress(const fs::path& folder, const RunProgress& progress) {
  const Json json = {{"tasks", progress.tasks},
                     {"learned", progress.learned},
                     {"part", progress.part},
                     {"unit", progress.unit},
                     {"note", progress.note},
                     {"done", progress.done},
                     {"total", progress.total},
                     {"earlier", progress.earlier},
                     {"part_seconds", progress.part_seconds},
                     {"run_seconds", progress.run_seconds}};
  const fs::path temporary = folder / fmt::format("progress.json.{}.tmp", ::getpid());
  std::ofstream file(temporary);
  file << json.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
  file.close();
  std::error_code failed;
  if (file) fs::rename(temporary, progress_file(folder), failed);
  if (!file || failed) fs::remove(temporary, failed);
}

void remove_progress(const fs::path& folder) {
  std::error_code ignored;
  fs::remove(progress_file(folder), ignored);
}

std::optional<RunProgress> read_progress(const fs::path& folder) {
  try {
    if (!is_file(progress_file(folder))) return {};
    const Json json = parse_json(read_text(progress_file(folder), kLongestProgress), "progress");
    if (!json.is_object()) return {};
    return RunProgress{.tasks = count_in(json, "tasks"),
                       .learned = count_in(json, "learned"),
                       .part = text_in(json, "part"),
                       .unit = text_in(json, "unit"),
                       .note = text_in(json, "note"),
                       .done = count_in(json, "done"),
                       .total = count_in(json, "total"),
                       .earlier = count_in(json, "earlier"),
                       .part_seconds = seconds_in(json, "part_seconds"),
                       .run_seconds = seconds_in(json, "run_seconds")};
  } catch (const Error&) {  // it was removed meanwhile, or is not ours
    return {};
  }
}

}  // namespace patina
