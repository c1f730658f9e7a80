#include "patina/data/formats/text_sets.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <map>
#include <span>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/data/files.h"
#include "patina/data/formats/texts.h"
#include "patina/text/unicode/unicode.h"

namespace patina {

namespace {

struct Aspects {
  const char* domain;
  const char* folder;
};
constexpr std::array kAspects = {
    Aspects{"Computer", "Bing3Domains/asc/Computer"},
    Aspects{"Router", "Bing3Domains/asc/Router"},
    Aspects{"Speaker", "Bing3Domains/asc/Speaker"},
    Aspects{"ApexAD2600Progressive", "Bing5Domains/asc/ApexAD2600Progressive"},
    Aspects{"CanonG3", "Bing5Domains/asc/CanonG3"},
    Aspects{"CreativeLabsNomadJukeboxZenXtra40GB",
            "Bing5Domains/asc/CreativeLabsNomadJukeboxZenXtra40GB"},
    Aspects{"NikonCoolpix4300", "Bing5Domains/asc/NikonCoolpix4300"},
    Aspects{"Nokia6610", "Bing5Domains/asc/Nokia6610"},
    Aspects{"CanonPowerShotSD500", "Bing9Domains/asc/CanonPowerShotSD500"},
    Aspects{"CanonS100", "Bing9Domains/asc/CanonS100"},
    Aspects{"DiaperChamp", "Bing9Domains/asc/DiaperChamp"},
    Aspects{"HitachiRouter", "Bing9Domains/asc/HitachiRouter"},
    Aspects{"LinksysRouter", "Bing9Domains/asc/LinksysRouter"},
    Aspects{"MicroMP3", "Bing9Domains/asc/MicroMP3"},
    Aspects{"Nokia6600", "Bing9Domains/asc/Nokia6600"},
    Aspects{"Norton", "Bing9Domains/asc/Norton"},
    Aspects{"ipod", "Bing9Domains/asc/ipod"},
    Aspects{"laptop", "XuSemEval/asc/14/laptop"},
    Aspects{"rest", "XuSemEval/asc/14/rest"},
};

// "3 4 5": where an entity stands among the words.
std::pair<size_t, size_t> range_of(const std::string& positions, size_t words,
                                   const std::string& place) {
  std::vector<size_t> all;
  for (size_t at = 0; at < positions.size();) {
    size_t end = std::min(positions.find(' ', at), positions.size()), value = 0;
    const auto [stop, error] =
        std::from_chars(positions.data() + at, positions.data() + end, value);
    if (error != std::errc() || stop != positions.data() + end || value >= words ||
        (!all.empty() && value != all.back() + 1))
      fail(ErrorKind::format, "{}: \"{}\" are not the places of an entity's words", place,
           positions);
    all.push_back(value);
    at = end + 1;
  }
  if (all.empty()) fail(ErrorKind::format, "{}: an entity without place", place);
  return {all.front(), all.back()};
}

// The sentence with both entities between signs.
std::string marked(const std::string& sentence, const std::string& head, const std::string& tail,
                   const std::string& place) {
  std::vector<std::string> words;
  for (size_t at = 0; at <= sentence.size();) {
    const size_t end = std::min(sentence.find(' ', at), sentence.size());
    words.push_back(sentence.substr(at, end - at));
    at = end + 1;
  }
  const auto first = range_of(head, words.size(), place);
  const auto second = range_of(tail, words.size(), place);
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += ' ';
    if (i == first.first) text += "$ ";
    if (i == second.first) text += "# ";
    text += words[i];
    if (i == second.second) text += " #";
    if (i == first.second) text += " $";
  }
  return text;
}

}  // namespace

TextTable parse_aspects(std::string_view json, const std::string& origin) {
  TextTable table{origin, /*by_line=*/false, {}};
  const Json samples = parse_json(json, origin);
  if (!samples.is_object())
    fail(ErrorKind::format, "{}: an object from identifier to sample is expected", origin);
  for (const auto& item : samples.items()) {
    const Json& sample = item.value();
    const auto at = int64_t(table.records.size());
    const auto field = [&](const char* name) {
      if (!sample.is_object() || !sample.contains(name) || !sample[name].is_string() ||
          sample[name].get_ref<const std::string&>().empty())
        fail(ErrorKind::format, "{}[{}]: \"{}\" is not a text", origin, at, name);
      return sample[name].get<std::string>();
    };
    std::string polarity = field("polarity");
    if (polarity == "+") polarity = "positive";
    if (polarity == "-") polarity = "negative";
    table.records.push_back({{field("term"), field("sentence")}, polarity, at});
  }
  return table;
}

// Magic, length of the header, header, values.
std::vector<int64_t> parse_int64_npy(std::string_view bytes, const std::string& origin) {
  constexpr size_t kFixed = 10;
  const auto refuse = [&] {
    fail(ErrorKind::format, "{}: not a one-dimensional NumPy array of int64", origin);
  };
  if (!bytes.starts_with(std::string_view("\x93NUMPY\x01\x00", 8)) || bytes.size() < kFixed)
    refuse();
  const size_t header = kFixed + uint8_t(bytes[8]) + size_t{256} * uint8_t(bytes[9]);
  if (header > bytes.size() || (bytes.size() - header) % sizeof(int64_t) != 0) refuse();
  const size_t count = (bytes.size() - header) / sizeof(int64_t);
  const auto about = bytes.substr(kFixed, header - kFixed);
  if (about.find("'<i8'") == about.npos || about.find(fmt::format("({},)", count)) == about.npos)
    refuse();
  std::vector<int64_t> values(count);
  if (count > 0) std::memcpy(values.data(), bytes.data() + header, count * sizeof(int64_t));
  return values;
}

TextTable parse_relations(std::string_view text, const std::string& origin) {
  constexpr size_t kColumns = 9;
  TextTable table{origin, /*by_line=*/true, {}};
  if (!is_utf8(text)) fail(ErrorKind::format, "{}: not UTF-8", origin);
  int64_t line = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view row = text.substr(at, end - at);
    at = end + 1;
    const std::string place = fmt::format("{}:{}", origin, ++line);
    std::vector<std::string> cells(1);
    for (const char c : row)
      if (c == '\t')
        cells.emplace_back();
      else
        cells.back() += c;
    if (row.empty()) continue;
    if (cells.size() != kColumns)
      fail(ErrorKind::format, "{}: {} columns, {} expected", place, cells.size(), kColumns);
    table.records.push_back({{marked(cells[2], cells[4], cells[6], place), ""}, cells[0], line});
  }
  return table;
}

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

std::vector<DataSplits> open_aspect_sentiment(const fs::path& folder) {
  constexpr uint64_t kMostAspectBytes = uint64_t{1} << 24;
  std::vector<DataSplits> parts;
  for (const auto& [domain, place] : kAspects) {
    const auto split = [&, &place = place](const char* name) {
      const fs::path file = need_file(folder / place, name);
      return parse_aspects(read_text(file, kMostAspectBytes), file.string());
    };
    TextTable train = split("train.json"), test = split("test.json");
    const LabelMap labels = LabelMap::of({&train, &test});
    parts.push_back(text_splits(std::move(train), std::move(test), labels));
    parts.back().name = domain;
  }
  return parts;
}

DataSplits open_few_shot_relations(const fs::path& folder, int shots) {
  const fs::path part = folder / fmt::format("CFRLdata_10_100_10_{}", shots);
  constexpr uint64_t kMostTextBytes = uint64_t{1} << 26, kMostArrayBytes = uint64_t{1} << 20;
  const auto relations = [&](const char* name) {
    const fs::path file = need_file(part, name);
    return parse_relations(read_text(file, kMostTextBytes), file.string());
  };
  const auto array = [&](const fs::path& in, const char* name) {
    const fs::path file = need_file(in, name);
    return parse_int64_npy(read_text(file, kMostArrayBytes), file.string());
  };
  TextTable train = relations("train_0.txt"), test = relations("test_0.txt");
  const TextTable names = parse_lines(read_text(need_file(folder, "relation_name.txt")),
                                      (folder / "relation_name.txt").string());
  const auto relation = array(folder, "rel_index.npy");
  const auto cluster = array(part, "rel_cluster_label_0.npy");
  const auto count = int64_t(names.records.size());
  if (int64_t(relation.size()) != count || int64_t(cluster.size()) != count ||
      std::ranges::any_of(relation, [&](int64_t r) { return r < 1 || r > count; }))
    fail(ErrorKind::data, "{}: {} names, {} relations in rel_index.npy, {} clusters of them",
         part.string(), count, relation.size(), cluster.size());
  std::map<std::string, int64_t> samples;
  for (const auto& record : train.records) ++samples[record.label];
  // By cluster, that of the most samples first.
  struct Place {
    int64_t samples, cluster, relation;
  };
  std::vector<Place> order;
  for (size_t i = 0; i < relation.size(); ++i)
    order.push_back({-samples[std::to_string(relation[i])], cluster[i], relation[i]});
  std::ranges::sort(order, {},
                    [](const Place& p) { return std::tuple(p.samples, p.cluster, p.relation); });
  Json labels = Json::object();
  for (const auto& place : order)
    labels[std::to_string(place.relation)] = names.records[size_t(place.relation - 1)].text.first;
  return text_splits(std::move(train), std::move(test),
                     LabelMap::parse(labels.dump(), names.origin));
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
