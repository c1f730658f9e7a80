// The text sets with a name, each read from its publisher's files.
#pragma once

#include <vector>

#include "patina/data/source.h"

namespace patina {

/// data_full.json of Larson et al. (EMNLP 2019): the 150 intents, without out-of-scope queries and
/// the validation split. Classes are sorted by name.
DataSplits open_clinc150(const fs::path& folder);
/// Reads train.csv, test.csv and categories.json, which gives the order of the 77 classes.
DataSplits open_banking77(const fs::path& folder);
/// Reads train/ and test/, with one sentence per line in seq.in and its intent in label.
DataSplits open_snips(const fs::path& folder);
/// Aspect sentiment (Ke et al., "LifelongSentClass", COLING 2020): one pair of sets a domain, 17
/// products and two of SemEval-2014, with the aspect as a text's first part and the sentence as its
/// second. Polarities are "positive", "negative" and, of the last two domains, "neutral".
std::vector<DataSplits> open_aspect_sentiment(const fs::path& folder);
/// Continual few-shot relations (Qin and Joty, ACL 2022) on FewRel: the ten relations with a
/// hundred samples each come first, then those of the authors' other clusters, which have `shots`
/// samples. Entities are marked as by Wu and He (CIKM 2019): "$ head $", "# tail #".
DataSplits open_few_shot_relations(const fs::path& folder, int shots);
/// Reads <name>.train.jsonl, <name>.test.jsonl and <name>.labels.json.
DataSplits open_labelled_jsonl(const fs::path& folder, const std::string& name);

}  // namespace patina
