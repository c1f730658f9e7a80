// The text sets with a name, each read from its publisher's files.
#pragma once

#include "patina/data/source.h"

namespace patina {

/// data_full.json of Larson et al. (EMNLP 2019): the 150 intents, without out-of-scope queries and
/// the validation split. Classes are sorted by name.
DataSplits open_clinc150(const fs::path& folder);
/// Reads train.csv, test.csv and categories.json, which gives the order of the 77 classes.
DataSplits open_banking77(const fs::path& folder);
/// Reads train/ and test/, with one sentence per line in seq.in and its intent in label.
DataSplits open_snips(const fs::path& folder);
/// Reads <name>.train.jsonl, <name>.test.jsonl and <name>.labels.json.
DataSplits open_labelled_jsonl(const fs::path& folder, const std::string& name);

}  // namespace patina
