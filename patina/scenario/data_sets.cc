#include <algorithm>
#include <map>
#include <set>

#include "patina/base/error.h"
#include "patina/scenario/rules.h"

namespace patina {

namespace {

std::vector<Part> by_domain(const Source& source, const std::vector<int64_t>& number) {
  std::vector<Part> parts(source.domains().size());
  for (int64_t i = 0; i < source.size(); ++i)
    if (const int64_t target = number[size_t(source.label(i))]; target >= 0)
      parts[size_t(source.domain(i))].add(i, target);
  return parts;
}

}  // namespace

Scenario data_sets(const ScenarioOptions& options, const DataSplits& data,
                   const ScenarioInfo& info) {
  const auto domain_order = order_of_domains(options, data.train->domains(), data.name);
  // Classes are numbered as the sets bring them.
  std::vector<std::set<int64_t>> brought(data.train->domains().size());
  for (int64_t i = 0; i < data.train->size(); ++i)
    brought[size_t(data.train->domain(i))].insert(data.train->label(i));
  std::vector<int64_t> number(data.train->classes().size(), -1), order;
  std::vector<Stretch> stretches;
  bool all_new = true;
  std::vector<std::vector<int64_t>> classes, fresh;
  for (const int64_t domain : domain_order) {
    auto& own = classes.emplace_back();
    auto& added = fresh.emplace_back();
    for (const int64_t label : brought[size_t(domain)]) {
      int64_t& of_label = number[size_t(label)];
      all_new = all_new && of_label < 0;
      if (of_label < 0) {
        of_label = int64_t(order.size());
        order.push_back(label);
        added.push_back(of_label);
      }
      own.push_back(of_label);
    }
    std::ranges::sort(own);
  }
  auto train = by_domain(*data.train, number), test = by_domain(*data.test, number);
  for (size_t task = 0; task < domain_order.size(); ++task) {
    const auto domain = size_t(domain_order[task]);
    const auto& name = data.train->domains()[domain];
    if (train[domain].positions.empty() || test[domain].positions.empty())
      fail(ErrorKind::scenario, "the set \"{}\" has no {} samples", name,
           train[domain].positions.empty() ? "training" : "test");
    stretches.push_back({classes[task], fresh[task], std::move(train[domain]).of(*data.train),
                         std::move(test[domain]).of(*data.test), name});
  }
  Grant grant = info.grant;
  grant.new_classes = all_new;
  return {info.name, grant, *data.train, order, std::move(stretches)};
}

}  // namespace patina
