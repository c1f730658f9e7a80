// The text sets with a name, each read from its publisher's files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "patina/data/formats/table.h"
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

/// The files of the last two, as text. Throw Error(format) with the place.
/// {"id": {"polarity": "+", "term": "monitor", "sentence": "..."}, ...}: pairs of a term and its
/// sentence, labelled positive, negative or as the file says.
TextTable parse_aspects(std::string_view json, const std::string& origin);
/// Lines of nine cells: relation, other relations, sentence, head, the places of its words, tail,
/// the places of its words, two identifiers. Labelled with the relation, both entities marked.
TextTable parse_relations(std::string_view text, const std::string& origin);
/// A one-dimensional array of int64 in version 1 of NumPy's format.
std::vector<int64_t> parse_int64_npy(std::string_view bytes, const std::string& origin);

/// Reads <name>.train.jsonl, <name>.test.jsonl and <name>.labels.json.
DataSplits open_labelled_jsonl(const fs::path& folder, const std::string& name);

}  // namespace patina
