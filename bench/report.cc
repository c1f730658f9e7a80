#include "bench/report.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>

#include "patina/base/progress.h"
#include "patina/kernels/isa.h"
#include "patina/run/machine.h"
#include "patina/tensor.h"
#include "patina/version.h"

namespace patina::bench {

namespace {

std::string text_of(const Value& v) {
  if (v.unit == "s")
    return v.value < 1 ? fmt::format("{:.2f} ms", v.value * 1e3) : fmt::format("{:.2f} s", v.value);
  if (v.unit == "bytes") return format_bytes(uint64_t(std::max(0.0, v.value)));
  return fmt::format("{:.5g}{}{}", v.value, v.unit.empty() ? "" : " ", v.unit);
}

std::string text_of(const Ratio& ratio, bool quick) {
  std::string text = fmt::format("{:.2f}", ratio.value);
  if (ratio.bar && !quick)
    text += fmt::format("  {} {}: {}", ratio.at_most ? "at most" : "at least", *ratio.bar,
                        ratio.met() ? "met" : "NOT MET");
  return text;
}

// "  name      what".
void add_line(std::string& lines, const std::string& name, const std::string& what) {
  constexpr int kNames = 52;
  lines += fmt::format("    {:<{}}{}\n", name, kNames, what);
}

}  // namespace

Json about_machine() {
  const Machine machine = this_machine();
  return {{"cpu", machine.cpu},
          {"cores", machine.cores},
          {"threads", tensor_threads()},
          {"memory_bytes", machine.memory_bytes},
          {"isa", kernels::name(kernels::isa())},
          {"patina", kVersion},
          {"libtorch", libtorch_version()},
          {"compiler", compiler_version()}};
}

Json load_average() {
  double loads[3];
  const int known = ::getloadavg(loads, 3);
  return std::vector(loads, loads + std::max(0, known));
}

Json json_of(const Scenario& scenario, const std::vector<Case>& cases, bool quick) {
  Json list = Json::array();
  for (const auto& one : cases) {
    Json values = Json::array(), ratios = Json::array();
    for (const auto& v : one.values)
      values.push_back({{"name", v.name}, {"value", v.value}, {"unit", v.unit}});
    for (const auto& r : one.ratios) {
      Json ratio = {{"name", r.name}, {"value", r.value}, {"bar", nullptr}, {"met", nullptr}};
      if (r.bar && !quick) {
        ratio["bar"] = {{r.at_most ? "at_most" : "at_least", *r.bar}};
        ratio["met"] = r.met();
      }
      ratios.push_back(ratio);
    }
    list.push_back({{"name", one.name}, {"medians", values}, {"ratios", ratios}});
  }
  return {{"name", scenario.name}, {"about", scenario.about}, {"cases", list}};
}

std::string text_of(const Case& one, bool quick) {
  std::string lines = fmt::format("  {}\n", one.name);
  for (size_t i = 0; i < one.values.size();) {
    const std::string& name = one.values[i].name;  // of a time, and of rates computed from it
    std::vector<std::string> texts;
    for (; i < one.values.size() && one.values[i].name == name; ++i)
      texts.push_back(text_of(one.values[i]));
    add_line(lines, name, fmt::format("{}", fmt::join(texts, ", ")));
  }
  for (const auto& ratio : one.ratios) add_line(lines, ratio.name, text_of(ratio, quick));
  return lines;
}

}  // namespace patina::bench
