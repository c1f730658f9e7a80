// Labelled texts: label maps, splits, and the sets known by name.
#include "patina/data/formats/texts.h"

#include <gtest/gtest.h>

#include <set>

#include "patina/data/catalog.h"
#include "patina/data/formats/text_sets.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/toy_source.h"

namespace patina {
namespace {

using Strings = std::vector<std::string>;

TextTable table_of(const Strings& labels) {
  TextTable table{.origin = "t"};
  for (const auto& label : labels)
    table.records.push_back({{"some text", ""}, label, int64_t(table.records.size()) + 1});
  return table;
}

TEST(LabelMap, SortsWhatOccurs) {
  const auto words = table_of({"b", "a", "b", "10"}), numbers = table_of({"10", "2", "0"});
  EXPECT_EQ(LabelMap::of({&words}).classes(), (Strings{"10", "a", "b"}));
  EXPECT_EQ(LabelMap::of({&numbers}).classes(), (Strings{"0", "2", "10"}));
  EXPECT_EQ(LabelMap::of({&numbers})("10", "t"), 2);
  EXPECT_EQ(LabelMap::of({&words, &numbers}).classes().size(), 5u);
  const auto bad = table_of({"a", "b\tc"});
  EXPECT_TRUE(
      contains(error_of([&] { LabelMap::of({&bad}); }), "t:2: a class name holds a control"));
}

TEST(LabelMap, IsReadFromAListOrAnObject) {
  const auto list = LabelMap::parse(R"(["World", "Sports"])", "l.json");
  EXPECT_EQ(list("Sports", "t"), 1);
  EXPECT_EQ(list("1", "t"), 1);
  const auto stars = LabelMap::parse(R"(["1", "2", "3"])", "l.json");
  EXPECT_EQ(stars("1", "t"), 0) << "a name goes before a number";
  EXPECT_EQ(stars("0", "t"), 0);
  const auto numbered = LabelMap::parse(R"({"b": 1, "a": 0})", "l.json");
  EXPECT_EQ(numbered.classes(), (Strings{"a", "b"}));
  EXPECT_EQ(numbered("b", "t"), 1);
  const auto merged = LabelMap::parse(R"({"5": "good", "4": "good", "1": "bad"})", "l.json");
  EXPECT_EQ(merged.classes(), (Strings{"good", "bad"}));
  EXPECT_EQ(merged("4", "t"), 0);
  EXPECT_EQ(merged("1", "t"), 1);
}

TEST(LabelMap, RefusesWhatIsNone) {
  const auto error = [](std::string_view json) {
    return error_of([&] { LabelMap::parse(json, "l.json"); });
  };
  for (const char* json : {"5", "[]", "{}", "[1, 2]", "{\"a\": 0, \"b\": \"c\"}", "{\"a\": 0.5}"})
    EXPECT_TRUE(contains(error(json), "l.json: a list of class names is expected")) << json;
  for (const char* json : {"{\"a\": 1}", "{\"a\": -1}", "{\"a\": 0, \"b\": 0}"})
    EXPECT_TRUE(contains(error(json), "each once")) << json;
  EXPECT_TRUE(contains(error("[\"a\", \"a\"]"), "two classes have one name"));
  EXPECT_TRUE(contains(error("[\"a\", \"\"]"), "a class without a name"));
  EXPECT_TRUE(contains(error("["), "l.json: not valid JSON"));
  const auto map = LabelMap::parse(R"(["World", "Sports"])", "l.json");
  EXPECT_EQ(error_of([&] { map("Sprots", "t.csv:7"); }),
            "t.csv:7: the label \"Sprots\" is none of the 2 that data.labels knows, did you mean "
            "\"Sports\"?");
}

TEST(LabelMap, ShowsAStrangeLabelReadably) {
  const auto map = LabelMap::parse(R"(["a"])", "l.json");
  const auto error = [&](const std::string& label) { return error_of([&] { map(label, "t:1"); }); };
  EXPECT_TRUE(contains(error("\x1b[31m\n"), "the label \"?[31m?\" is"));
  EXPECT_TRUE(contains(error(std::string(59, 'x') + "\u00e4\u00e4"),
                       "the label \"" + std::string(59, 'x') + "...\" is"));
}

struct TextFolder {
  fs::path path = scratch_folder("texts");
  DataOptions options{.name = "text", .path = path.string()};

  void put(const std::string& name, const std::string& text) const {
    write_text(path / name, text);
  }
  DataSplits open() const { return open_data(options); }
  std::string error() const {
    return error_of([&] { open(); });
  }
};

TEST(TextData, ReadsTwoFilesOfAnyFormat) {
  TextFolder folder;
  folder.put("train.csv", "text,label\na,x\nb,y\nc,x\n");
  folder.put("val.jsonl",
             "{\"text\": \"d\", \"label\": \"y\"}\n{\"text\": \"e\", \"label\": \"x\"}");
  folder.put("readme.md", "not a split");
  const auto data = folder.open();
  EXPECT_EQ(data.name, "text");
  EXPECT_EQ(data.train->classes(), (Strings{"x", "y"}));
  EXPECT_EQ(data.test->classes(), data.train->classes());
  ASSERT_EQ(data.train->size(), 3);
  EXPECT_TRUE(data.train->is_text());
  EXPECT_EQ(data.train->text(1).first, "b");
  EXPECT_EQ(data.train->label(1), 1);
  EXPECT_EQ(data.train->origin(1), (folder.path / "train.csv").string() + ":3");
  EXPECT_EQ(data.test->text(0).first, "d");
  EXPECT_EQ(data.test->label(0), 1);
}

TEST(TextData, TakesTheFirstOfEachClassAndPairs) {
  TextFolder folder;
  folder.put("train.tsv", "a\tb\tlabel\n1\tp\tx\n2\tq\tx\n3\tr\ty\n");
  folder.put("test.tsv", "a\tb\tlabel\n4\ts\tx\n5\tt\ty\n");
  folder.options.text = "a";
  folder.options.text_pair = "b";
  folder.options.train_per_class = 1;
  const auto data = folder.open();
  ASSERT_EQ(data.train->size(), 2);
  EXPECT_TRUE(data.train->is_text());
  EXPECT_EQ(data.train->text(1).first, "3");
  EXPECT_EQ(data.train->text(1).second, "r");
}

TEST(TextData, SplitsOneFileWithinEachClass) {
  TextFolder folder;
  std::string text = "text,label\n";
  for (int i = 0; i < 40; ++i) text += fmt::format("text {},{}\n", i, i % 4 == 0 ? "few" : "many");
  folder.put("all.csv", text);
  folder.options.path = (folder.path / "all.csv").string();
  folder.options.test_fraction = 0.3;
  const auto data = folder.open();
  EXPECT_EQ(data.train->size(), 28);
  EXPECT_EQ(data.test->size(), 12);
  std::set<std::string> all, tested;
  int64_t few = 0;
  for (int64_t i = 0; i < data.test->size(); ++i) {
    tested.insert(data.test->text(i).first);
    few += data.test->label(i) == 0;
  }
  EXPECT_EQ(few, 3);
  all = tested;
  for (int64_t i = 0; i < data.train->size(); ++i) all.insert(data.train->text(i).first);
  EXPECT_EQ(all.size(), 40u);
  const auto again = folder.open();
  for (int64_t i = 0; i < again.test->size(); ++i)
    EXPECT_TRUE(tested.contains(again.test->text(i).first));
}

TEST(TextData, ReadsSplitsOfOneJsonFileAndALabelMap) {
  TextFolder folder;
  folder.put("d.json",
             R"({"train": [["a", 1], ["b", 0]], "test": [["c", 0], ["d", 1]], "oos": []})");
  folder.put("names.json", R"(["no", "yes"])");
  folder.options.path = (folder.path / "d.json").string();
  folder.options.labels = "names.json";
  const auto data = folder.open();
  EXPECT_EQ(data.train->classes(), (Strings{"no", "yes"}));
  EXPECT_EQ(data.train->label(0), 1);
  EXPECT_TRUE(data.test->origin(1).ends_with("d.json[test][1]"));
}

TEST(TextData, TakesAFormatAndLabelsInAFileBeside) {
  TextFolder folder;
  folder.put("train.in", "a\nb\n");
  folder.put("train.labels", "x\ny\n");
  folder.put("test.in", "c\nd\n");
  EXPECT_TRUE(contains(folder.error(), "no train.csv"));
  folder.options.format = "lines";
  EXPECT_TRUE(contains(folder.error(), "test.labels: missing (neither plain nor with .gz)"));
  folder.put("test.labels", "y\nx\n");
  const auto data = folder.open();
  EXPECT_EQ(data.test->text(1).first, "d");
  EXPECT_EQ(data.test->label(1), 0);
}

TEST(TextData, ErrorsSayWhatToDo) {
  TextFolder folder;
  EXPECT_TRUE(contains(folder.error(), "no train.csv"));
  folder.put("train.csv", "text,label\na,x\nb,y\n");
  EXPECT_TRUE(contains(folder.error(), "has train but no test, val or valid"));
  folder.put("test.csv", "text,label\na,x\nb,z\n");
  EXPECT_EQ(folder.error(), "text, train split: class \"z\" has no texts");
  folder.put("test.csv", "text,label\na,x\n");
  EXPECT_EQ(folder.error(), "text, test split: class \"y\" has no texts");
  folder.put("test.csv", "text,label\n");
  EXPECT_TRUE(contains(folder.error(), "test.csv: no texts in it"));
  folder.put("test.json", "[]");
  EXPECT_TRUE(contains(folder.error(), "test.csv and test.json: which is meant?"));
  fs::remove(folder.path / "test.csv");
  folder.put("test.json", "{\"a\": []}");
  EXPECT_TRUE(contains(folder.error(), "test.json: one list of records is expected, not splits"));
  folder.put("test.json", R"([["a", "x"], ["b", "y"]])");
  EXPECT_EQ(folder.error(), "");
  folder.put("labels.json", "[\"x\"]");
  folder.options.labels = "labels.json";
  EXPECT_TRUE(contains(folder.error(), "train.csv:3: the label \"y\" is none of the 1"));
  folder.options.labels.clear();

  folder.options.path = (folder.path / "train.csv").string();
  EXPECT_TRUE(contains(folder.error(), "train.csv:2: the only text of class \"x\""));
  folder.put("d.json", R"({"test": []})");
  folder.options.path = (folder.path / "d.json").string();
  EXPECT_TRUE(contains(folder.error(), "d.json: an object of splits without \"train\""));
  folder.put("d.json", R"({"train": []})");
  EXPECT_TRUE(contains(folder.error(), "d.json: has train but no test, val or valid"));
  folder.options.path = (folder.path / "nothing.csv").string();
  EXPECT_TRUE(contains(folder.error(), "nothing.csv: cannot open"));
  folder.options.path.clear();
  EXPECT_TRUE(contains(folder.error(), "data.path is empty; set it to a file of texts"));
}

TEST(Source, IsOfOneKind) {
  const auto table = table_of({"a"});
  const Texts texts(table, LabelMap::of({&table}));
  EXPECT_TRUE(contains(error_of([&] { (void)(texts.image(0)); }), "sample 0 is a text"));
  EXPECT_TRUE(contains(error_of([&] { (void)(ToySource(1, 1).text(0)); }), "sample 0 is an image"));
}

struct Known {
  const char *name, *folder;
  int64_t classes, train, test;
  const char *first_class, *first_text;
};

class KnownTexts : public testing::TestWithParam<Known> {};

TEST_P(KnownTexts, Open) {
  const Known& known = GetParam();
  PATINA_NEED_SHARED(folder, std::string("data/") + known.folder);
  const auto data = open_data({.name = known.name, .path = folder.string()});
  EXPECT_EQ(data.train->size(), known.train);
  EXPECT_EQ(data.test->size(), known.test);
  EXPECT_EQ(int64_t(data.train->classes().size()), known.classes);
  EXPECT_EQ(data.train->classes()[0], known.first_class);
  EXPECT_TRUE(data.train->text(0).first.starts_with(known.first_text));
}

INSTANTIATE_TEST_SUITE_P(
    Sets, KnownTexts,
    testing::Values(
        Known{"clinc150", "clinc150", 150, 15000, 4500, "accept_reservations", "what expression"},
        Known{"banking77", "banking77", 77, 10003, 3080, "card_arrival", "I am still waiting"},
        Known{"snips", "snips", 7, 13084, 700, "AddToPlaylist", "listen to westbam"},
        Known{"agnews", "five_textcls", 4, 4000, 7600, "World", "Title: Intel"},
        Known{"amazon", "five_textcls", 5, 5000, 7600, "very negative", "Title: not what"},
        Known{"dbpedia", "five_textcls", 14, 5215, 2385, "Company", "Title: William"},
        Known{"yahoo", "five_textcls", 10, 2748, 1170, "business", "How do you get"},
        Known{"yelp", "five_textcls", 5, 4047, 953, "very negative", "Text: Pretty good"}),
    [](const auto& info) { return std::string(info.param.name); });

// The publishers' layouts with few samples, so that reading is tested without the published files.
TEST(KnownTexts, OpenFromTheirPublishersLayouts) {
  const auto root = scratch_folder("known-texts");
  const auto put = [&](const fs::path& path, const std::string& text) {
    make_folder((root / path).parent_path());
    write_text(root / path, text);
  };
  const auto open = [&](const std::string& name, const std::string& folder) {
    return open_data({.name = name, .path = (root / folder).string()});
  };
  put("snips/train/seq.in", "play a song \nbook a table\n");
  put("snips/train/label", "Play\nBook\n");
  put("snips/test/seq.in", "book\nplay\n");
  put("snips/test/label", "Book\nPlay\n");
  EXPECT_EQ(open("snips", "snips").test->label(1), 1);
  put("clinc/data/data_full.json", R"({"oos_train": [["u", "oos"]], "val": [["v", "b"]],
       "train": [["t", "b"], ["s", "a"]], "test": [["w", "a"], ["x", "b"]]})");
  const auto clinc = open("clinc150", "clinc");
  EXPECT_EQ(clinc.train->classes(), (Strings{"a", "b"}));
  EXPECT_EQ(clinc.test->text(0).first, "w");
  put("banking/banking_data/categories.json", R"(["z", "y"])");
  put("banking/banking_data/train.csv", "text,category\np,y\nq,z\n");
  put("banking/banking_data/test.csv", "text,category\nr,z\ns,y\n");
  EXPECT_EQ(open("banking77", "banking").train->label(0), 1);
  put("five/yelp.labels.json", R"(["bad", "good"])");
  put("five/yelp.train.jsonl",
      "{\"label\": 1, \"text\": \"t\"}\n{\"label\": 0, \"text\": \"u\"}\n");
  put("five/yelp.test.jsonl", "{\"label\": 0, \"text\": \"v\"}\n{\"label\": 1, \"text\": \"w\"}\n");
  EXPECT_EQ(open("yelp", "five").test->classes()[1], "good");
}

// The publishers' samples of one domain, under every domain's name.
struct AspectFolder {
  AspectFolder() {
    for (const char* place :
         {"Bing3Domains/asc/Computer", "Bing3Domains/asc/Router", "Bing3Domains/asc/Speaker",
          "Bing5Domains/asc/ApexAD2600Progressive", "Bing5Domains/asc/CanonG3",
          "Bing5Domains/asc/CreativeLabsNomadJukeboxZenXtra40GB",
          "Bing5Domains/asc/NikonCoolpix4300", "Bing5Domains/asc/Nokia6610",
          "Bing9Domains/asc/CanonPowerShotSD500", "Bing9Domains/asc/CanonS100",
          "Bing9Domains/asc/DiaperChamp", "Bing9Domains/asc/HitachiRouter",
          "Bing9Domains/asc/LinksysRouter", "Bing9Domains/asc/MicroMP3",
          "Bing9Domains/asc/Nokia6600", "Bing9Domains/asc/Norton", "Bing9Domains/asc/ipod"})
      for (const char* split : {"train.json", "test.json"})
        put(fs::path(place) / split,
            R"({"0": {"id": 0, "polarity": "+", "sentence": " It was cheap .", "term": "price"},
                "1": {"id": 1, "polarity": "-", "sentence": "A poor screen .", "term": "screen"}})");
    for (const char* place : {"XuSemEval/asc/14/laptop", "XuSemEval/asc/14/rest"})
      for (const char* split : {"train.json", "test.json"})
        put(fs::path(place) / split,
            R"({"a": {"polarity": "positive", "term": "t", "id": "a", "sentence": "Good."},
                "b": {"polarity": "neutral", "term": "t", "id": "b", "sentence": "There."},
                "c": {"polarity": "negative", "term": "t", "id": "c", "sentence": "Bad."}})");
  }
  void put(const fs::path& file, const std::string& text) const {
    make_folder((path / file).parent_path());
    write_text(path / file, text);
  }
  DataSplits open(bool shared = true) const {
    return open_data({.name = "asc", .path = path.string(), .shared_classes = shared});
  }
  fs::path path = scratch_folder("aspects");
};

TEST(AspectSentiment, HasNineteenDomainsOfAspectAndSentence) {
  const AspectFolder folder;
  const auto data = folder.open();
  EXPECT_EQ(data.train->domains().size(), 19u);
  EXPECT_EQ(data.train->domains()[1], "Router");
  EXPECT_EQ(data.train->domains()[18], "rest");
  EXPECT_EQ(data.train->classes(), (Strings{"negative", "positive", "neutral"}));
  EXPECT_EQ(data.train->size(), 17 * 2 + 2 * 3);
  EXPECT_EQ(data.train->text(1).first, "screen");
  EXPECT_EQ(data.train->text(1).second, "A poor screen .");
  EXPECT_EQ(data.train->label(1), 0);
  const auto apart = folder.open(/*shared=*/false);
  EXPECT_EQ(apart.train->classes().size(), 17u * 2 + 2 * 3);
  EXPECT_EQ(apart.train->classes()[2], "Router: negative");
}

TEST(AspectSentiment, SaysWhatIsWrong) {
  const AspectFolder folder;
  const auto error = [&](const std::string& text) {
    folder.put("Bing9Domains/asc/ipod/test.json", text);
    return error_of([&] { folder.open(); });
  };
  EXPECT_TRUE(contains(error("[]"), "ipod/test.json: an object from identifier to sample is"));
  EXPECT_TRUE(contains(error(R"({"0": {"polarity": "+", "term": "t"}})"),
                       R"(ipod/test.json[0]: "sentence" is not a text)"));
  EXPECT_TRUE(contains(error(R"({"0": 5})"), R"([0]: "polarity" is not a text)"));
  EXPECT_TRUE(
      contains(error_of([] { open_data({.name = "asc+snips"}); }), "asc has domains of its own"));
  EXPECT_TRUE(contains(error_of([] { open_data({.name = "asc", .domains = "permuted"}); }),
                       "asc has domains of its own; leave it empty"));
}

// An array of int64 as NumPy 1.0 writes it.
std::string npy(const std::vector<int64_t>& values, const std::string& type = "<i8") {
  std::string about = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({},), }}",
                                  type, values.size());
  about.resize(117, ' ');
  about += '\n';
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += char(about.size());
  bytes += '\0';
  bytes += about;
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(int64_t));
  return bytes;
}

// Three relations: number 2 has most samples; 3 is in cluster 0, 1 in cluster 1.
struct RelationFolder {
  RelationFolder() {
    put("relation_name.txt", "one\ntwo\nthree\n");
    put("rel_index.npy", npy({3, 1, 2}));
    put("CFRLdata_10_100_10_5/rel_cluster_label_0.npy", npy({0, 1, 1}));
    const std::string rest = "\tzzz\t3\tyyy\t0 1\tQ1\tQ2\n";
    const std::string text = "\t9 9\tthe old town in france" + rest;
    put("CFRLdata_10_100_10_5/train_0.txt", "2" + text + "1" + text + "2" + text + "3" + text);
    put("CFRLdata_10_100_10_5/test_0.txt", "1" + text + "2" + text + "3" + text);
  }
  void put(const fs::path& file, const std::string& text) const {
    make_folder((path / file).parent_path());
    write_text(path / file, text);
  }
  DataSplits open() const { return open_data({.name = "fewrel_5shot", .path = path.string()}); }
  fs::path path = scratch_folder("relations");
};

TEST(FewShotRelations, AreOrderedByClusterAndMarkTheirEntities) {
  const RelationFolder folder;
  const auto data = folder.open();
  EXPECT_EQ(data.train->classes(), (Strings{"two", "three", "one"}));
  EXPECT_EQ(data.train->text(0).first, "# the old # town $ in $ france");
  EXPECT_EQ(data.train->label(0), 0);
  EXPECT_EQ(data.train->label(1), 2);
  EXPECT_EQ(data.test->size(), 3);
}

// The sentence stays as it is, with its spaces, also in front.
TEST(FewShotRelations, KeepTheSpacesOfASentence) {
  const TextTable table = parse_relations("1\t2\t a  b \ta\t1\tb\t3\tx\ty\n", "t");
  ASSERT_EQ(table.records.size(), 1u);
  EXPECT_EQ(table.records[0].text.first, " $ a $  # b # ");
}

TEST(FewShotRelations, SaysWhatIsWrong) {
  const RelationFolder folder;
  const auto error = [&](const fs::path& file, const std::string& text) {
    const std::string before = read_text(folder.path / file);
    folder.put(file, text);
    std::string said = error_of([&] { folder.open(); });
    folder.put(file, before);
    return said;
  };
  const fs::path test = "CFRLdata_10_100_10_5/test_0.txt";
  EXPECT_TRUE(contains(error(test, "1\t2\n"), "test_0.txt:1: 2 columns, 9 expected"));
  const auto row = [](const std::string& places) {
    return "1\tn\ta b c\th\t" + places + "\tt\t0\tQ1\tQ2\n";
  };
  for (const char* places : {"3", "0 2", "x", "", "1 0", "-1"})
    EXPECT_TRUE(contains(error(test, row(places)), "of an entity's words") ||
                contains(error(test, row(places)), "an entity without place"))
        << places;
  EXPECT_TRUE(contains(error("rel_index.npy", npy({3, 1})), "3 names, 2 relations"));
  EXPECT_TRUE(contains(error("rel_index.npy", npy({3, 1, 9})), "3 names, 3 relations"));
  for (const std::string& bytes :
       {std::string("NUMPY"), npy({1, 2, 3}, "<f8"), npy({1, 2, 3}) + "x"})
    EXPECT_TRUE(contains(error("rel_index.npy", bytes), "not a one-dimensional NumPy array"));
}

}  // namespace
}  // namespace patina
