// Opens a data set by its name, from where its files are, with the options of `[data]`.
#include "patina/data/catalog.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <set>

#include "patina/base/error.h"
#include "patina/data/domains.h"
#include "patina/data/files.h"
#include "patina/data/formats/known_data.h"
#include "patina/data/formats/table.h"
#include "patina/data/prepared.h"
#include "patina/data/views.h"

namespace patina {

namespace {

std::vector<std::string> names() {
  std::vector<std::string> result;
  for (const auto& info : data_sets()) result.push_back(info.name);
  return result;
}

std::string unknown_name(const std::string& name) {
  return fmt::format("no data set is called \"{}\"{}; `patina list datasets` shows them all", name,
                     did_you_mean(name, names()));
}

// Splits "mnist+usps" into both names.
std::vector<std::string> sets_of(const std::string& name) {
  std::vector<std::string> sets(1);
  for (const char c : name) {
    if (c == '+')
      sets.emplace_back();
    else
      sets.back() += c;
  }
  return sets;
}

// Whether it is a set of several domains.
bool has_domains(const std::string& name) {
  return std::ranges::any_of(known_data(), [&](const KnownData& set) {
    return set.info.name == name && bool(set.open_domains);
  });
}

// A mistake in the options, independent of the files.
struct Mistake {
  const char* key;
  std::string message;
};

std::optional<Mistake> mistake_in_names(const DataOptions& options) {
  const auto sets = sets_of(options.name), all = names();
  std::set<std::string> met;
  for (const auto& set : sets) {
    if (set.empty() && sets.size() > 1)
      return Mistake{"name", fmt::format("\"{}\" lacks a data set beside a \"+\"", options.name)};
    if (!set.empty() && std::ranges::count(all, set) == 0)
      return Mistake{"name", unknown_name(set)};
    if (sets.size() > 1 && has_domains(set))
      return Mistake{"name", fmt::format("{} has domains of its own and stands alone", set)};
    if (sets.size() > 1 && find_own(set))
      return Mistake{"name", fmt::format("\"{}\" stands alone; only the sets that have a name of "
                                         "their own can be joined by \"+\"",
                                         set)};
    if (!met.insert(set).second)
      return Mistake{"name", fmt::format("{} is there twice; name each set once", set)};
  }
  return {};
}

std::optional<Mistake> mistake_in_domains(const DataOptions& options) {
  if (options.domains == "folders" && options.name != "folder")
    return Mistake{
        "domains",
        fmt::format("\"folders\" needs data.name = \"folder\", which is \"{}\"", options.name)};
  if (!options.domains.empty() && sets_of(options.name).size() > 1)
    return Mistake{"domains", fmt::format("\"{}\" domains are made of one data set, and {} has its "
                                          "sets as domains; leave it empty, or name one set",
                                          options.domains, options.name)};
  if (!options.domains.empty() && has_domains(options.name))
    return Mistake{"domains",
                   fmt::format("{} has domains of its own; leave it empty", options.name)};
  if (!options.angles.empty() && options.domains != "rotated")
    return Mistake{"angles", "angles need data.domains = \"rotated\""};
  if (options.domain_padding != 0 && options.domains != "permuted")
    return Mistake{"domain_padding", "padding needs data.domains = \"permuted\""};
  std::set<std::string> met;
  for (const double angle : options.angles)
    if (const auto text = fmt::format("{:g}", angle); !met.insert(text).second)
      return Mistake{"angles",
                     fmt::format("{} is there twice; each domain has its own angle", text)};
  return {};
}

// Where the set's files may be: in the folder the user gave (a subfolder of it for joined sets), or
// in the usual places.
std::vector<fs::path> places_of(const KnownData& set, const std::string& path, bool is_joined) {
  std::vector<fs::path> places;
  if (!path.empty() && is_joined) {
    places.push_back(fs::path(path) / set.info.name);
    if (set.shelf() != set.info.name) places.push_back(fs::path(path) / set.shelf());
  } else if (!path.empty()) {
    places.emplace_back(path);
  } else {
    if (!set.place.empty()) places.emplace_back(set.place);
    if (const char* data = std::getenv("PATINA_DATA"); data && *data)
      places.push_back(fs::path(data) / set.shelf());
  }
  return places;
}

// The first of some places, or of their subfolders, that has the set's files; empty: none.
fs::path place_with(const KnownData& set, const std::vector<fs::path>& places) {
  for (const auto& place : places) {
    if (!find_file(place, set.mark).empty()) return place;
    if (!set.subfolder.empty() && !find_file(place / set.subfolder, set.mark).empty())
      return place / set.subfolder;
  }
  return {};
}

fs::path find_folder(const KnownData& set, const std::string& path, bool is_joined) {
  const auto places = places_of(set, path, is_joined);
  if (fs::path found = place_with(set, places); !found.empty()) return found;
  std::string searched;
  for (const auto& place : places) searched += fmt::format("\n  {}", place.string());
  if (searched.empty()) searched = "\n  nowhere: neither data.path nor $PATINA_DATA is set";
  fail(ErrorKind::data,
       "data set {} not found; searched{}\nIt needs {}.\nGet it: {}. Then set data.path to {}, "
       "or put it in $PATINA_DATA/{}.",
       set.info.name, searched, set.info.files, set.info.how,
       is_joined ? "the folder that holds it" : "its folder", set.shelf());
}

DataSplits open_named(const DataOptions& options) {
  if (const OwnData* own = find_own(options.name)) {
    if (options.path.empty()) fail(ErrorKind::data, "data.path is empty; set it to {}", own->path);
    return own->open(options.path, options);
  }
  const auto sets = sets_of(options.name);
  std::vector<DataSplits> parts;
  for (const auto& name : sets) {
    const auto set =
        std::ranges::find(known_data(), name, [](const KnownData& set) { return set.info.name; });
    const fs::path folder = find_folder(*set, options.path, sets.size() > 1);
    if (set->open_domains) return joined(set->open_domains(folder), options.shared_classes);
    parts.push_back(set->open(folder));
    parts.back().name = name;
    // Checked before joining: a class without samples might have the name of another set's class.
    if (sets.size() > 1) check_splits(parts.back(), options);
  }
  return parts.size() > 1 ? joined(std::move(parts), options.shared_classes)
                          : std::move(parts.front());
}

}  // namespace

void DataOptions::bind(Fields& f) {
  f("name", name,
    "The data set: a name of `patina list datasets`, several joined by \"+\" that become "
    "domains, \"folder\" for image folders, \"text\" for your own labelled texts, "
    "\"instructions\" for prompts with answers, \"visual_questions\" for questions about your "
    "own images, or \"passages\" for plain text.");
  f("path", path,
    "Folder that holds the data set's files (or, of joined sets, their folders), or a file of "
    "texts; empty searches the usual places and $PATINA_DATA.");
  f("train_per_class", train_per_class,
    "Train on the first N samples of each class in each domain; 0 takes all.", at_least(0));
  f("test_per_class", test_per_class,
    "Test on the first N samples of each class in each domain; 0 takes all.", at_least(0));
  f("imbalance", imbalance,
    "Training samples of the smallest class over those of the largest, with the classes between "
    "them falling exponentially in the data's order (Cui et al., CVPR 2019); 1 keeps all.",
    {.low = 0, .high = 1, .low_open = true});
  f("test_fraction", test_fraction,
    "Part of each class that becomes the test split, for image folders without train/ and test/ "
    "and for texts in one file.",
    {.low = 0, .high = 1, .low_open = true, .high_open = true});
  f("split_seed", split_seed, "Seed of that split, and of the samples held out for validation.",
    at_least(0));
  f("validation_percent", validation_percent,
    "Hold out this part of each class's training samples, and evaluate on it in place of the test "
    "split, which is then not read: for choosing hyper-parameters. 0: train on all, and test.",
    {.low = 0, .high = 100, .high_open = true});
  f("class_names", class_names,
    "A JSON file of class names, in the order of the data's classes, instead of the data set's "
    "own.");
  f("class_names_set", class_names_set, "The set of that file, for example \"cifar100\".");
  f("skip_bad_images", skip_bad_images,
    "Decode every image of a folder once at the start, and leave out and count those that cannot "
    "be; otherwise a bad image stops the run when it is met.");
  f("text", text,
    "For \"text\": the column or field of the texts; a number from 0 if the table has no header.");
  f("text_pair", text_pair, "The column of each text's second part; empty: there is none.");
  f("label", label, "The column of the labels.");
  f("labels", labels,
    "A JSON file beside the texts: a list of class names, or an object from label to name or from "
    "name to number; empty: the labels that occur, sorted.");
  std::vector<std::string> formats = text_formats();
  formats.insert(formats.begin(), "");
  f("format", format, "How the texts are written; empty: by the files' names.", formats);
  f("sets", sets,
    "Of \"instructions\" and \"passages\": the sets below `path`, in the order of the stream, "
    "each a domain; empty: `path` is the only one.");
  f("instruction", instruction,
    "Of \"instructions\": the key of a record's instruction, the prompt.");
  f("input", input,
    "The key of what the instruction is about, which a record may lack; empty: there is none.");
  f("answer", answer, "The key of a record's answer: a text, or a list of texts.");
  f("messages", messages,
    "The key of a conversation, a list of messages with `role` and `content`, in place of the "
    "three.");
  f("passage_bytes", passage_bytes,
    "Of \"passages\": the largest number of bytes of a sample; each ends at a line's end if it "
    "can.",
    between(4, 1 << 20));
  f("verbalized", verbalized,
    "Of labelled texts: prompts that are answered by the names of their classes, for learners that "
    "answer with text.");
  f("shared_classes", shared_classes,
    "Of joined sets: classes of one name are one class; otherwise each set keeps its own, as "
    "\"usps: 3\".");
  f("domains", domains,
    "Empty: the domains the data have; \"permuted\" or \"rotated\": every image once in each "
    "domain, with its pixels so changed; \"folders\": of \"folder\" data, one folder of class "
    "folders a domain.",
    {"", "permuted", "rotated", "folders"});
  f("domain_count", domain_count,
    "How many permuted or rotated domains; the first is as the data are, and without `angles` "
    "domain i of n is rotated by 180 i / n degrees.",
    between(1, 1000));
  f("domain_padding", domain_padding,
    "Of permuted domains: black pixels added on every side, the first domain's too, before the "
    "pixels move. With 2, digits have 32 x 32, as in Hsu et al. (2018) and van de Ven and Tolias "
    "(2019).",
    between(0, 64));
  f("domain_seed", domain_seed, "Seed of the permutations and of `train_per_domain`.", at_least(0));
  f("angles", angles,
    "Of rotated domains: the angle of each in degrees, counter-clockwise, instead of "
    "`domain_count`.",
    between(-360, 360));
  f("train_per_domain", train_per_domain,
    "Train on N samples drawn of each domain, whatever their class; 0 takes all.", at_least(0));
  for (const auto& mistake : {mistake_in_names(*this), mistake_in_domains(*this)})
    if (mistake) f.require(false, mistake->key, mistake->message);
}

std::vector<std::string> data_sets_found() {
  std::vector<std::string> found;
  for (const auto& set : known_data())
    if (!place_with(set, places_of(set, "", /*is_joined=*/false)).empty())
      found.push_back(set.info.name);
  return found;
}

const std::vector<DataSetInfo>& data_sets() {
  static const std::vector<DataSetInfo> infos = [] {
    std::vector<DataSetInfo> result;
    for (const auto& set : known_data()) result.push_back(set.info);
    for (const auto& own : own_data()) result.push_back(own.info);
    return result;
  }();
  return infos;
}

const DataSetInfo* find_data_set(std::string_view name) {
  const auto found = std::ranges::find(data_sets(), name, &DataSetInfo::name);
  return found == data_sets().end() ? nullptr : &*found;
}

DataSplits open_data(const DataOptions& options) {
  if (options.name.empty())
    fail(ErrorKind::data, "data.name is empty; `patina list datasets` shows what it may be");
  for (const auto& mistake : {mistake_in_names(options), mistake_in_domains(options)})
    if (mistake) fail(ErrorKind::data, "data.{}: {}", mistake->key, mistake->message);
  DataSplits splits = open_named(options);
  splits.name = options.name;
  return prepared(std::move(splits), options);
}

}  // namespace patina
