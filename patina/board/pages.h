// What the board shows of a folder of runs: answers to requests, without sockets.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "patina/report/run_list.h"
#include "patina/serve/http.h"

namespace patina::board {

/// Reads only, and only what lies below the folder: a run is asked for by its place in the list,
/// never by a path. May be asked from several threads.
///
///   GET /                     the page
///   GET /runs                 every run, as JSON; see to_json(ListedRun)
///   GET /report?run=A&run=B   the report of these runs; without any, of all that have a record
///   GET /healthz              {"status": "ok"}
class Pages {
 public:
  /// Throws Error(file) if there is no such folder.
  explicit Pages(const fs::path& folder);

  serve::Response answer(const serve::Request& request);

  /// A response that refuses a request.
  static serve::Response refusal(int status, const std::string& message);

 private:
  // A record that was read, and the file as it was then.
  struct Read {
    fs::file_time_type changed;
    uintmax_t size = 0;
    std::shared_ptr<const RunRecord> record;  // null: it cannot be read
    std::string fault;
  };

  std::vector<ListedRun> runs();
  ListedRun listed(const fs::path& folder);
  const Read* read(const fs::path& folder);
  bool leads_out(const fs::path& file) const;
  serve::Response page();
  serve::Response list();
  serve::Response report(const serve::Request& request);

  const fs::path folder_, canonical_;
  std::mutex mutex_;
  std::map<fs::path, Read> read_;
  std::vector<ListedRun> listed_;
  std::chrono::steady_clock::time_point listed_at_{};
};

}  // namespace patina::board
