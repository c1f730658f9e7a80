#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "patina/base/error.h"
#include "patina/scenario/rules.h"

namespace patina {

namespace {

// The classes of which a domain has samples, in the order of `order`.
std::vector<int64_t> classes_in(const Source& source, int64_t domain,
                                const std::vector<int64_t>& order) {
  std::vector<char> met(source.classes().size());
  for (int64_t i = 0; i < source.size(); ++i)
    if (source.domain(i) == domain) met[size_t(source.label(i))] = true;
  std::vector<int64_t> classes;
  std::ranges::copy_if(order, std::back_inserter(classes),
                       [&](int64_t c) { return met[size_t(c)]; });
  return classes;
}

// Every stretch in as many parts, part after part of all of them.
std::vector<Stretch> in_rounds(const std::vector<Stretch>& whole, int64_t rounds) {
  std::vector<Stretch> parts;
  for (int64_t round = 0; round < rounds; ++round)
    for (const Stretch& set : whole) {
      const int64_t size = set.train.size();
      if (size < rounds)
        fail(ErrorKind::scenario,
             "domain \"{}\" has {} training samples, which are fewer than scenario.rounds = {}",
             set.name, size, rounds);
      std::vector<int64_t> part(size_t(size * (round + 1) / rounds - size * round / rounds));
      std::iota(part.begin(), part.end(), size * round / rounds);
      parts.push_back({set.classes, round == 0 ? set.fresh : std::vector<int64_t>{},
                       set.train.select(part), set.test,
                       fmt::format("{}, round {}", set.name, round + 1)});
    }
  return parts;
}

}  // namespace

Scenario data_sets(const ScenarioOptions& options, const DataSplits& data,
                   const ScenarioInfo& info) {
  const auto& names = data.train->domains();
  const auto domain_order = order_of_domains(options, names, data.name);
  const auto order = order_of_classes(options, int64_t(data.train->classes().size()));
  // Classes are numbered as the stream meets them.
  std::vector<int64_t> met;  // classes of the source
  std::vector<std::vector<int64_t>> classes, fresh;
  for (const int64_t domain : domain_order) {
    const auto own = classes_in(*data.train, domain, order);
    classes.emplace_back();
    fresh.emplace_back();
    for (const int64_t c : own) {
      auto found = std::ranges::find(met, c);
      if (found == met.end()) {
        fresh.back().push_back(int64_t(met.size()));
        found = met.insert(found, c);
      }
      classes.back().push_back(found - met.begin());
    }
    for (const int64_t c : classes_in(*data.test, domain, order))
      if (std::ranges::find(own, c) == own.end())
        fail(ErrorKind::scenario,
             "domain \"{}\" has test samples of class \"{}\" and no training sample",
             names[size_t(domain)], data.train->classes()[size_t(c)]);
  }
  const auto number = numbers_of_classes(met, int64_t(data.train->classes().size()));
  auto train = by_domain(*data.train, number), test = by_domain(*data.test, number);
  Grant grant = info.grant;
  grant.new_classes = true;
  std::vector<Stretch> stretches;
  for (size_t task = 0; task < domain_order.size(); ++task) {
    const auto domain = size_t(domain_order[task]);
    if (train[domain].positions.empty() || test[domain].positions.empty())
      fail(ErrorKind::scenario, "domain \"{}\" has no {} samples", names[domain],
           train[domain].positions.empty() ? "training" : "test");
    if (fresh[task].size() < classes[task].size()) grant.new_classes = false;
    std::ranges::sort(classes[task]);
    stretches.push_back({classes[task], fresh[task], std::move(train[domain]).of(*data.train),
                         std::move(test[domain]).of(*data.test), names[domain]});
  }
  if (options.rounds > 1) {
    stretches = in_rounds(std::move(stretches), options.rounds);
    grant.new_classes = false;
  }
  return {info.name, grant, *data.train, met, std::move(stretches)};
}

}  // namespace patina
