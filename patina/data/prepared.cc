#include "patina/data/prepared.h"

#include "patina/base/error.h"
#include "patina/data/class_names.h"
#include "patina/data/domains.h"
#include "patina/data/views.h"

namespace patina {

namespace {

bool validates(const DataOptions& options) {
  return options.validation_percent > 0;
}

// Throws Error(data) for the first class or domain that has training samples, but none held out.
void check_held_out(const Source& all, const Source& held, const DataOptions& options) {
  const auto check = [&](const char* what, const std::vector<std::string>& names, auto number) {
    std::vector<int64_t> of_all(names.size()), of_held(names.size());
    for (int64_t i = 0; i < all.size(); ++i) ++of_all[size_t(number(all, i))];
    for (int64_t i = 0; i < held.size(); ++i) ++of_held[size_t(number(held, i))];
    for (size_t k = 0; k < names.size(); ++k)
      if (of_all[k] > 0 && of_held[k] == 0)
        fail(ErrorKind::data,
             "data.validation_percent = {:g} holds out no sample of {} \"{}\", which has too few "
             "(training samples: {}); use more samples of it, a larger percentage, or 0",
             options.validation_percent, what, names[k], of_all[k]);
  };
  check("class", all.classes(), [](const Source& source, int64_t i) { return source.label(i); });
  check("domain", all.domains(), [](const Source& source, int64_t i) { return source.domain(i); });
}

// Divides the samples at `positions` of the training split; `held` is for each of its images before
// domains were made of them.
void hold_out(DataSplits& splits, const std::vector<int64_t>& positions,
              const std::vector<char>& held, const DataOptions& options) {
  const std::shared_ptr<const Source> all = std::move(splits.train);
  std::vector<int64_t> kept, validation;
  for (const int64_t i : positions)
    (held[size_t(i) % held.size()] ? validation : kept).push_back(i);
  check_held_out(Selection(all, positions), Selection(all, validation), options);
  splits.train = std::make_unique<Selection>(all, std::move(kept));
  // Samples that were left out are counted once, with the training split.
  splits.test = std::make_unique<Selection>(all, std::move(validation), -all->skipped());
  splits.evaluated_on = "validation";
}

}  // namespace

void check_splits(const DataSplits& splits, const DataOptions& options) {
  check_every_class(*splits.train, splits.name + ", train split");
  if (!validates(options)) check_every_class(*splits.test, splits.name + ", test split");
}

DataSplits prepared(DataSplits splits, const DataOptions& options) {
  if (validates(options)) splits.test.reset();  // nothing below can read it
  // Only a folder's files can fail to decode: other formats are checked when they are opened.
  if (options.skip_bad_images && options.name == "folder")
    for (auto* split : {&splits.train, &splits.test})
      if (*split) *split = without_bad_images(std::move(*split));
  check_splits(splits, options);
  splits.train = first_of_each(std::move(splits.train), options.train_per_class);
  if (splits.test) splits.test = first_of_each(std::move(splits.test), options.test_per_class);
  splits.train = long_tail(std::move(splits.train), options.imbalance);
  std::vector<char> held;
  if (validates(options)) held = drawn_for_validation(options, *splits.train);
  if (options.domains == "permuted" || options.domains == "rotated")
    splits = varied(std::move(splits), options);
  const auto drawn =
      drawn_of_each_domain(*splits.train, options.train_per_domain, options.domain_seed);
  if (validates(options))
    hold_out(splits, drawn, held, options);
  else if (options.train_per_domain > 0)
    splits.train = std::make_unique<Selection>(std::move(splits.train), drawn);
  if (options.train_per_domain > 0)
    check_every_class(*splits.train, fmt::format("{}, train split, of which data.train_per_domain "
                                                 "draws {} samples a domain",
                                                 options.name, options.train_per_domain));
  if (!options.class_names.empty()) {
    const auto names = read_class_names(options.class_names, options.class_names_set);
    for (auto* split : {&splits.train, &splits.test}) *split = renamed(std::move(*split), names);
  }
  // Answers about one's own images were read as they are written.
  if (options.verbalized && options.name != "visual_questions") {
    if (!splits.train->is_text() || splits.train->answer_kind() != AnswerKind::label)
      fail(ErrorKind::data, "data.verbalized is for labelled texts, and {} has none", options.name);
    for (auto* split : {&splits.train, &splits.test}) *split = verbalized(std::move(*split));
  }
  return splits;
}

}  // namespace patina
