#include "patina/data/formats/text_sets.h"

#include "patina/base/error.h"
#include "patina/data/files.h"
#include "patina/data/formats/texts.h"

namespace patina {

DataSplits open_clinc150(const fs::path& folder) {
  return open_texts(need_file(folder, "data_full.json"), {});
}

DataSplits open_banking77(const fs::path& folder) {
  return open_texts(folder, {.label = "category", .labels = "categories.json"});
}

DataSplits open_snips(const fs::path& folder) {
  const auto split = [&](const char* name) {
    return read_lines(need_file(folder / name, "seq.in"), need_file(folder / name, "label"));
  };
  TextTable train = split("train"), test = split("test");
  const LabelMap labels = LabelMap::of({&train, &test});
  return text_splits(std::move(train), std::move(test), labels);
}

DataSplits open_labelled_jsonl(const fs::path& folder, const std::string& name) {
  const auto split = [&](const char* which) {
    const fs::path file = need_file(folder, fmt::format("{}.{}.jsonl", name, which));
    return std::move(read_texts(file, {})[""]);
  };
  return text_splits(split("train"), split("test"),
                     LabelMap::read(folder / (name + ".labels.json")));
}

}  // namespace patina
