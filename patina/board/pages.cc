#include "patina/board/pages.h"

#include <algorithm>

#include "patina/base/progress.h"
#include "patina/report/comparison.h"
#include "patina/report/page.h"
#include "patina/report/report.h"

extern "C" {
extern const unsigned char patina_board_js[], patina_board_js_end[];
}

namespace patina::board {

namespace {

using serve::Request;
using serve::Response;

constexpr auto kBetweenLooks = std::chrono::milliseconds(500);
constexpr size_t kMostInReport = 200;
constexpr uint64_t kLargestRecord = uint64_t{64} << 20;

Response html(std::string body) {
  return {.body = std::move(body),
          .type = "text/html; charset=utf-8",
          .headers = {{"Cache-Control", "no-store"},
                      {"Content-Security-Policy", "frame-ancestors 'none'"},
                      {"X-Content-Type-Options", "nosniff"},
                      {"Referrer-Policy", "no-referrer"}}};
}

Response json(const Json& value, int status = 200) {
  return {.status = status,
          .body = value.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n",
          .headers = {{"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}}};
}

// "a%20b" of "a b": for a query.
std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const unsigned char c : text)
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
        std::string_view("-._~/").find(char(c)) != std::string_view::npos)
      out += char(c);
    else
      out += fmt::format("%{:02X}", c);
  return out;
}

// For browsers without scripts: the list as it is now.
std::string plain_table(const std::vector<ListedRun>& runs) {
  std::string rows;
  for (const auto& run : runs) {
    const auto score = [&](Score value) {
      return page::cell(run.of_texts || !value ? number(value) : percent(value) + "%");
    };
    rows += fmt::format("<tr><th scope=\"row\"><a href=\"/report?run={}\">{}</a></th>",
                        percent_encoded(run.id), page::escape(run.id));
    rows += page::cell(page::escape(run.learner)) + page::cell(name_of(run.state)) +
            page::cell(fmt::format("{}/{}", run.learned, run.tasks)) + score(run.last) +
            score(run.average) + page::cell(format_seconds(run.seconds)) + "</tr>\n";
  }
  return page::sortable_table(
      page::head_row({"Run", "Learner", "State", "Tasks", "Last", "Average", "Time"}), rows);
}

constexpr std::string_view kPage = R"html(<main class="board">
<p id="said" role="status" aria-live="polite"></p>
<form action="/report" method="get" id="runs-form">
<section aria-labelledby="runs-title">
<h2 id="runs-title">Runs</h2>
<div class="controls">
  <label>Filter <input type="search" id="filter" autocomplete="off" placeholder="name, learner, data"></label>
  <label>State <select id="state"><option value="">all</option><option>running</option><option>finished</option><option>cut short</option><option>unreadable</option></select></label>
  <button type="submit" id="compare" disabled>Compare</button>
  <button type="button" id="none" disabled>Select none</button>
</div>
<div class="scroll" tabindex="0"><table class="numbers" id="runs"><caption class="unseen">Runs in the folder, live</caption>
<thead><tr><th scope="col"><input type="checkbox" id="all" aria-label="Select all runs shown"></th><th scope="col">Run</th><th scope="col">Learner</th><th scope="col">Data</th><th scope="col">State</th><th scope="col">Tasks</th><th scope="col">Last</th><th scope="col">Average</th><th scope="col">Forgetting</th><th scope="col">Time</th><th scope="col">Left</th></tr></thead>
<tbody></tbody></table></div>
<p class="legend" id="count"></p>
</section>
</form>
<section id="accuracy"><h2>Accuracy after each task</h2>
<p class="about" id="shown">Over the test samples of all classes seen so far, in percent.</p>
<figure><canvas role="img" aria-label="Accuracy after each task of the runs selected above" data-chart="accuracy"></canvas></figure></section>
)html";

}  // namespace

Pages::Pages(const fs::path& folder)
    : folder_(fs::absolute(folder).lexically_normal()), canonical_(fs::weakly_canonical(folder)) {
  std::error_code ignored;
  if (!fs::is_directory(folder_, ignored))
    fail(ErrorKind::file, "{}: there is no such folder; give one that holds runs, such as runs/",
         folder_.string());
}

Response Pages::refusal(int status, const std::string& message) {
  return json({{"error", {{"message", message}}}}, status);
}

Response Pages::answer(const Request& request) {
  if (request.method != "GET" && request.method != "HEAD")
    return refusal(405, "the board only shows: ask with GET");
  try {
    if (request.path == "/") return page();
    if (request.path == "/runs") return list();
    if (request.path == "/report") return report(request);
    if (request.path == "/healthz") return json({{"status", "ok"}});
    if (request.path == "/favicon.ico") return {.status = 204, .type = ""};
    return refusal(404, "there is nothing here: the board is at /");
  } catch (const std::exception& error) {
    return refusal(500, error.what());
  }
}

bool Pages::leads_out(const fs::path& file) const {
  std::error_code failed;
  const fs::path real = fs::canonical(file, failed);
  if (failed) return false;
  const fs::path below = real.lexically_relative(canonical_);
  return below.empty() || *below.begin() == "..";
}

// Reads a record again only when its file has changed. Null: there is none.
const Pages::Read* Pages::read(const fs::path& folder) {
  const fs::path file = folder / "record.json";
  if (!is_file(file)) return nullptr;
  std::error_code ignored;
  const auto changed = fs::last_write_time(file, ignored);
  const auto size = fs::file_size(file, ignored);
  Read& known = read_[folder];
  if ((known.record || !known.fault.empty()) && known.changed == changed && known.size == size)
    return &known;
  known = {.changed = changed, .size = size};
  try {
    if (leads_out(file))
      fail(ErrorKind::file, "{}: a link that leads out of the board's folder", file.string());
    if (size > kLargestRecord) fail(ErrorKind::file, "{}: larger than 64 MiB", file.string());
    known.record = std::make_shared<const RunRecord>(read_record(folder));
  } catch (const std::exception& error) {
    known.fault = error.what();
  }
  return &known;
}

ListedRun Pages::listed(const fs::path& folder) {
  const Read* known = read(folder);
  if (known && !known->record) {
    ListedRun run;
    run.folder = folder;
    run.id = run_id(folder, folder_);
    run.state = RunState::unreadable;
    run.fault = known->fault;
    run.changed = known->changed;
    return run;
  }
  return listed_run(folder, folder_, known ? known->record.get() : nullptr);
}

// Looks at the folder at most twice a second, however many ask.
std::vector<ListedRun> Pages::runs() {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (listed_at_ != std::chrono::steady_clock::time_point{} && now - listed_at_ < kBetweenLooks)
    return listed_;
  listed_.clear();
  for (const auto& folder : run_folders(folder_)) listed_.push_back(listed(folder));
  std::erase_if(read_, [&](const auto& entry) {
    return std::ranges::none_of(listed_,
                                [&](const ListedRun& run) { return run.folder == entry.first; });
  });
  listed_at_ = now;
  return listed_;
}

Response Pages::page() {
  const std::string name = folder_.filename().empty() ? folder_.parent_path().filename().string()
                                                      : folder_.filename().string();
  const std::string body = fmt::format(
      "<header><p class=\"brand\">patina board</p><h1>{}</h1><ul class=\"facts\" "
      "id=\"facts\"></ul></header>\n{}<noscript><section><p class=\"about\">Without JavaScript "
      "the board does not follow runs; this is how they are now.</p>{}</section></noscript>\n"
      "</main>\n",
      page::escape(name), kPage, plain_table(runs()));
  const std::string script(reinterpret_cast<const char*>(patina_board_js),
                           reinterpret_cast<const char*>(patina_board_js_end));
  const Json none = nullptr;
  return html(page::document({.title = name + " - patina board",
                              .body = body,
                              .data = none,
                              .script = script,
                              .live = true}));
}

Response Pages::list() {
  Json all = Json::array();
  for (const auto& run : runs()) all.push_back(to_json(run));
  return json({{"folder", folder_.string()}, {"runs", std::move(all)}});
}

Response Pages::report(const Request& request) {
  const auto known = runs();
  std::vector<fs::path> folders;
  std::string left_out;
  const auto add = [&](const ListedRun& run) {
    if (is_file(run.folder / "record.json") && run.state != RunState::unreadable)
      folders.push_back(run.folder);
    else
      left_out = run.fault.empty() ? run.id + " has no record yet: it gets one after its first task"
                                   : run.fault;
  };
  bool asked = false;
  for (const auto& [key, id] : request.query) {
    if (key != "run") continue;
    asked = true;
    const auto found = std::ranges::find(known, id, &ListedRun::id);
    if (found == known.end()) return refusal(404, fmt::format("there is no run \"{}\" here", id));
    add(*found);
  }
  if (!asked)
    for (const auto& run : known) add(run);
  if (folders.empty())
    return refusal(404, left_out.empty() ? "there are no runs with a record here" : left_out);
  if (folders.size() > kMostInReport)
    return refusal(413, fmt::format("{} runs are too many for one page: select at most {}",
                                    folders.size(), kMostInReport));
  return html(report_html(read_records(folders), "/"));
}

}  // namespace patina::board
