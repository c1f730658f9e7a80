// The HTML page: comparison, charts over all runs, then one section a run.
//
// One file, nothing loaded: the style, the script and Chart.js come out of the binary, and a
// content security policy in the page forbids the rest.
#include "patina/report/page.h"

#include <algorithm>
#include <utility>

#include "patina/report/comparison.h"
#include "patina/report/report.h"

extern "C" {
extern const unsigned char patina_chart_js[], patina_chart_js_end[];
extern const unsigned char patina_page_css[], patina_page_css_end[];
extern const unsigned char patina_page_js[], patina_page_js_end[];
}

namespace patina {
namespace page {

std::string escape(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

namespace {

std::string embedded(const unsigned char* begin, const unsigned char* end) {
  return {reinterpret_cast<const char*>(begin), reinterpret_cast<const char*>(end)};
}

// A script element ends at the first "</script", even inside a string; "<!--" would hide the end.
std::string script_text(std::string text) {
  for (const auto& [from, to] : {std::pair{"</script", "<\\/script"}, {"<!--", "<\\!--"}})
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += 2)
      text.replace(at, std::string_view(from).size(), to);
  return text;
}

std::string json_text(const Json& json) {
  std::string text;
  // A label may hold a folder's name, which need not be UTF-8.
  for (const char c : json.dump(-1, ' ', false, Json::error_handler_t::replace))
    c == '<' ? text += "\\u003c" : text += c;
  return text;
}

}  // namespace

std::string document(const Document& document) {
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
      "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:{}\">\n"
      "<title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n",
      document.live ? "; connect-src 'self'" : "", escape(document.title),
      embedded(patina_page_css, patina_page_css_end));
  html += document.body;
  html += "<script type=\"application/json\" id=\"report-data\">";
  html += json_text(document.data) + "</script>\n<script>\n";
  html += script_text(embedded(patina_chart_js, patina_chart_js_end)) + "\n</script>\n<script>\n";
  html += script_text(embedded(patina_page_js, patina_page_js_end));
  return html + script_text(std::string(document.script)) + "</script>\n</body>\n</html>\n";
}

}  // namespace page

namespace {

using page::escape;

// What all runs share is the page's heading; with runs on different data it is just their number.
std::string heading(const std::vector<RunRecord>& runs) {
  const auto title = [](const RunRecord& run) {
    return fmt::format("{}, {}", run.record.data.name, run.record.scenario.name);
  };
  for (const auto& run : runs)
    if (title(run) != title(runs[0])) return fmt::format("{} runs", runs.size());
  return runs.empty() ? "No runs" : title(runs[0]);
}

// The fact, when it holds for every run; a page need not repeat it for each.
template <class Fact>
std::string shared_fact(const std::vector<RunRecord>& runs, Fact fact) {
  for (const auto& run : runs)
    if (fact(run.record) != fact(runs[0].record)) return "";
  return runs.empty() ? "" : fmt::format("<li>{}</li>", escape(fact(runs[0].record)));
}

std::string masthead(const std::vector<RunRecord>& runs, std::string_view home) {
  std::string facts = fmt::format("<li>{} {}</li>", runs.size(), runs.size() == 1 ? "run" : "runs");
  facts += shared_fact(runs,
                       [](const Record& run) { return fmt::format("{} tasks", run.tasks.size()); });
  facts += shared_fact(
      runs, [](const Record& run) { return fmt::format("{} classes", run.class_order.size()); });
  facts += shared_fact(runs, [](const Record& run) { return run.model.name; });
  const std::string brand = home.empty()
                                ? "patina report"
                                : fmt::format("<a href=\"{}\">&larr; all runs</a>", escape(home));
  return fmt::format(
      "<header><p class=\"brand\">{}</p><h1>{}</h1><ul class=\"facts\">{}</ul></header>\n", brand,
      escape(heading(runs)), facts);
}

}  // namespace

std::string report_html(const std::vector<RunRecord>& runs, std::string_view home) {
  std::string body = masthead(runs, home) + "<main>\n" + page::comparison_section(runs);
  body += page::seeds_section(runs);
  body +=
      "<noscript><p class=\"about\">The charts need JavaScript; every number is in the tables."
      "</p></noscript>\n";
  body += page::chart_sections(runs) + page::cost_section(runs) + page::differences_section(runs);
  for (size_t i = 0; i < runs.size(); ++i) body += page::run_section(runs[i], i);
  const Json data = page::chart_data(runs);
  return page::document(
      {.title = heading(runs) + " - patina report", .body = body + "</main>\n", .data = data});
}

}  // namespace patina
