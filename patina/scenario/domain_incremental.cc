#include <algorithm>
#include <numeric>

#include "patina/base/error.h"
#include "patina/scenario/rules.h"

namespace patina {

std::vector<int64_t> order_of_domains(const ScenarioOptions& options,
                                      const std::vector<std::string>& domains,
                                      const std::string& data) {
  const int64_t count = int64_t(domains.size());
  if (count < 2 && options.name != "data_sets")
    fail(ErrorKind::scenario,
         "{} has one domain, and a stream of {} needs several: set data.domains, or name several "
         "data sets (\"mnist+usps\"), or a folder with a folder a domain",
         data, options.name);
  if (options.domain_order.empty()) {
    std::vector<int64_t> order(size_t(count), 0);
    std::iota(order.begin(), order.end(), int64_t{0});
    return order;
  }
  check_order(options.domain_order, count, "scenario.domain_order", "a domain",
              fmt::format("{} has {} domains, numbered from 0", data, count));
  return options.domain_order;
}

std::vector<Part> by_domain(const Source& source, const std::vector<int64_t>& number) {
  std::vector<Part> parts(source.domains().size());
  for (int64_t i = 0; i < source.size(); ++i)
    if (const int64_t target = number[size_t(source.label(i))]; target >= 0)
      parts[size_t(source.domain(i))].add(i, target);
  return parts;
}

Scenario domain_incremental(const ScenarioOptions& options, const DataSplits& data,
                            const ScenarioInfo& info) {
  if (options.domain_classes == "own") return data_sets(options, data, info);
  const auto& domains = data.train->domains();
  const auto domain_order = order_of_domains(options, domains, data.name);
  const int64_t classes = int64_t(data.train->classes().size());
  const auto order = order_of_classes(options, classes);
  std::vector<int64_t> all(order.size());
  std::iota(all.begin(), all.end(), int64_t{0});
  const auto number = numbers_of_classes(order, classes);
  const bool apart = options.domain_classes == "apart";
  auto train = by_domain(*data.train, number), test = by_domain(*data.test, number);
  std::vector<Stretch> stretches;
  for (const int64_t domain : domain_order) {
    Part& part = train[size_t(domain)];
    for (const int64_t c : all)
      if (!std::ranges::count(part.targets, c))
        fail(ErrorKind::scenario,
             "domain \"{}\" has no training sample of class \"{}\", and in a domain_incremental "
             "stream every task has the same classes: leave the class out (scenario.class_order), "
             "or "
             "use another scenario",
             domains[size_t(domain)], data.train->classes()[size_t(order[size_t(c)])]);
    std::vector<int64_t> fresh;
    if (apart || stretches.empty()) {
      const int64_t first = int64_t(stretches.size() * all.size());
      for (const int64_t c : all) fresh.push_back(first + c);
      for (int64_t& target : part.targets) target += first;
    }
    stretches.push_back({all, std::move(fresh), std::move(part).of(*data.train),
                         std::move(test[size_t(domain)]).of(*data.test)});
  }
  Grant grant = info.grant;
  grant.new_classes = apart;
  return {info.name, grant, *data.train, order, std::move(stretches)};
}

}  // namespace patina
