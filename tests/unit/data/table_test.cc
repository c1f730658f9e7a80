// Texts in files: every way to write them, and every error.
#include "patina/data/formats/table.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include "patina/base/json.h"
#include "patina/data/formats/lines.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

const TextFields kByNumber{.text = "0", .pair = "", .label = "1"};

std::vector<std::string> firsts(const TextTable& table) {
  std::vector<std::string> texts;
  for (const auto& record : table.records) texts.push_back(record.text.first);
  return texts;
}

std::vector<std::string> labels(const TextTable& table) {
  std::vector<std::string> list;
  for (const auto& record : table.records) list.push_back(record.label);
  return list;
}

TextTable csv(std::string_view text, const TextFields& fields = {}) {
  return parse_csv(text, ',', fields, "t.csv");
}
std::string csv_error(std::string_view text, const TextFields& fields = {}) {
  return error_of([&] { csv(text, fields); });
}

using Strings = std::vector<std::string>;

TEST(Csv, ReadsQuotesLineEndsAndMarks) {
  const auto table =
      csv("\xef\xbb\xbftext,id,label\r\n"
          "plain,1,a\r\n"
          "\"a, comma\",2,b\r\n"
          "\"say \"\"hi\"\"\",3,\"c\"\r\n"
          "\"two\nlines\",4,d\n"
          "\r\n"
          "\n"
          "\"\"\"\",5,e\n"
          "stray \" quote,6,f");
  EXPECT_EQ(firsts(table),
            (Strings{"plain", "a, comma", "say \"hi\"", "two\nlines", "\"", "stray \" quote"}));
  EXPECT_EQ(labels(table), (Strings{"a", "b", "c", "d", "e", "f"}));
  EXPECT_EQ(table.place(3), "t.csv:5");
  EXPECT_EQ(table.place(4), "t.csv:9");
  EXPECT_EQ(table.place(5), "t.csv:10");
}

TEST(Csv, TakesColumnsByNumberWithoutAHeader) {
  const auto table = csv("text,label\nx,y\n", kByNumber);
  EXPECT_EQ(firsts(table), (Strings{"text", "x"}));
  EXPECT_EQ(labels(csv("1,2,c\n3,4,d\n", {.text = "1", .pair = "0", .label = "2"})),
            (Strings{"c", "d"}));
  EXPECT_EQ(csv("1,2,c\n", {.text = "1", .pair = "0", .label = "2"}).records[0].text.second, "1");
  EXPECT_TRUE(csv("").records.empty());
  EXPECT_TRUE(csv("text,label\n").records.empty());
}

TEST(Csv, ReadsPairsAndTabs) {
  const auto table = parse_csv("label\tleft\tright\nyes\ta, b\t\"c\td\"\nno\te\t\n", '\t',
                               {.text = "left", .pair = "right"}, "t.tsv");
  EXPECT_EQ(firsts(table), (Strings{"a, b", "e"}));
  EXPECT_EQ(table.records[0].text.second, "c\td");
  EXPECT_EQ(table.records[1].text.second, "");
  EXPECT_EQ(labels(table), (Strings{"yes", "no"}));
}

TEST(Csv, ErrorsNameTheLine) {
  const std::string head = "text,label\n";
  EXPECT_EQ(csv_error(head + "a,b\n\"c,d\ne,f\n"),
            "t.csv:3: the quote that opens here is never closed");
  EXPECT_TRUE(contains(csv_error(head + "\"a\nb\"x,c\n"), "t.csv:3: text behind a closing quote"));
  EXPECT_TRUE(contains(csv_error(head + "a,b\nc\n"), "t.csv:3: 1 cells, but the first row has 2"));
  EXPECT_TRUE(contains(csv_error(head + "a, b,c\n"), "t.csv:2: 3 cells"));
  EXPECT_EQ(csv_error(head + "a,b\n \t,c\n"), "t.csv:3: an empty text; fill it or remove it");
  EXPECT_TRUE(contains(csv_error(head + "a,b\n\xff,b\n"), "t.csv:3: not UTF-8"));
  EXPECT_TRUE(contains(csv_error("text,label\na,b\nc,\n"), "t.csv:3: a text without a label"));
  EXPECT_TRUE(contains(csv_error("query,label\na,b\n"),
                       "t.csv:1: no column is called \"text\"; set data.text"));
  EXPECT_TRUE(contains(csv_error("text,labels\n"), "did you mean \"labels\"?; set data.label"));
  EXPECT_TRUE(contains(csv_error("a,b\n", {.text = "0", .pair = "", .label = "2"}),
                       "data.label is 2, but there are 2 columns"));
  EXPECT_TRUE(contains(csv_error("a,b\n", {.text = "0", .pair = "", .label = "b"}),
                       "both column names, or both numbers"));
  EXPECT_TRUE(contains(csv_error(std::string(5000, ',')), "t.csv:1: more than 4096 columns"));
  EXPECT_TRUE(contains(csv_error(head + std::string(kLongestRecord + 1, 'x') + ",a\n"),
                       "t.csv:2: a row of more than 16777216 bytes"));
}

TEST(Utf8, KnowsWhatIsNot) {
  const auto refused = [](const std::string& text) {
    return contains(csv_error(text + ",a\n", kByNumber), "not UTF-8");
  };
  for (const char* good : {"\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
                           "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
    EXPECT_FALSE(refused(good));
  for (const char* bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xe0\x9f\xbf", "\xed\xa0\x80",
                          "\xe2\x82", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80"})
    EXPECT_TRUE(refused(bad));
}

TEST(Jsonl, ReadsObjectsAndLists) {
  const auto table = parse_jsonl(
      "{\"label\": 3, \"text\": \"a\\nb\"}\r\n\n[\"c\", \"x\"]\n{\"text\": \"d\", \"label\": true}",
      {}, "t.jsonl");
  EXPECT_EQ(firsts(table), (Strings{"a\nb", "c", "d"}));
  EXPECT_EQ(labels(table), (Strings{"3", "x", "true"}));
  EXPECT_EQ(table.place(1), "t.jsonl:3");
  const auto pair = parse_jsonl("{\"q\": \"a\", \"r\": \"b\"}",
                                {.text = "q", .pair = "r", .label = ""}, "t.jsonl");
  EXPECT_EQ(pair.records[0].text.second, "b");
}

TEST(Jsonl, ErrorsNameTheLine) {
  const auto error = [](std::string_view text) {
    return error_of([&] { parse_jsonl(text, {}, "t.jsonl"); });
  };
  const std::string good = "{\"text\": \"a\", \"label\": 1}\n";
  EXPECT_TRUE(contains(error(good + "{\"text\": \"a\", "), "t.jsonl:2: not valid JSON"));
  EXPECT_EQ(error(good + "{\"txt\": \"a\", \"label\": 1}"),
            "t.jsonl:2: the record has no \"text\", did you mean \"txt\"?");
  EXPECT_TRUE(contains(error(good + "{\"text\": 5, \"label\": 1}"), "the text is not a string"));
  EXPECT_TRUE(contains(error(good + "{\"text\": \"a\", \"label\": 1.5}"), "neither a string nor"));
  for (const char* none : {"null", "\"\"", "\" \""})
    EXPECT_TRUE(contains(error(good + "{\"text\": \"a\", \"label\": " + none + "}"),
                         "t.jsonl:2: a text without a label"))
        << none;
  EXPECT_TRUE(contains(error(good + "[\"a\"]"), "a list of 1 values; number 1 is wanted"));
  EXPECT_TRUE(contains(error(good + "7"), "t.jsonl:2: a record is an object, or a list"));
  EXPECT_TRUE(
      contains(error(good + "{\"text\": \" \", \"label\": 1}"), "t.jsonl:2: an empty text"));
  EXPECT_TRUE(contains(error(good + "\xff"), "t.jsonl:2: not UTF-8"));
  EXPECT_TRUE(contains(error(good + std::string(kLongestRecord + 1, ' ')),
                       "t.jsonl:2: a line of 16777217 bytes"));
}

TEST(JsonTexts, ReadsListsAndSplits) {
  const auto whole = parse_json_texts(R"([{"text": "a", "label": "x"}, ["b", "y"]])", {}, "t.json");
  ASSERT_EQ(whole.size(), 1u);
  EXPECT_EQ(firsts(whole.at("")), (Strings{"a", "b"}));
  EXPECT_EQ(whole.at("").place(1), "t.json[1]");
  const auto splits = parse_json_texts(R"({"train": [["a", "x"]], "val": [["b", "y"]]})", {}, "t");
  EXPECT_EQ(splits.at("val").place(0), "t[val][0]");
  EXPECT_EQ(labels(splits.at("val")), Strings{"y"});
}

TEST(JsonTexts, ErrorsNameTheRecord) {
  const auto error = [](std::string_view text) {
    return error_of([&] { parse_json_texts(text, {}, "t.json"); });
  };
  EXPECT_TRUE(contains(error("{\"train\": 5}"), "t.json[train]: a list of records is expected"));
  EXPECT_TRUE(contains(error("[[\"a\", \"b\"], [\"\", \"b\"]]"), "t.json[1]: an empty text"));
  EXPECT_TRUE(contains(error("7"), "t.json: a list of records is expected"));
  EXPECT_TRUE(contains(error("[[\"a\""), "t.json: not valid JSON"));
}

TEST(ReadTexts, GoesByTheNameOrTheFormat) {
  const auto folder = scratch_folder("read-texts");
  const std::string text = "text,label\na,b\n";
  const gzFile packed = gzopen((folder / "t.csv.gz").c_str(), "wb");
  gzwrite(packed, text.data(), unsigned(text.size()));
  gzclose(packed);
  EXPECT_EQ(firsts(read_texts(folder / "t.csv.gz", {}).at("")), Strings{"a"});

  write_text(folder / "t.data", "text\tlabel\na\tb\n");
  EXPECT_EQ(labels(read_texts(folder / "t.data", {}, "tsv").at("")), Strings{"b"});
  EXPECT_TRUE(contains(error_of([&] { read_texts(folder / "t.data", {}); }),
                       "t.data: the name tells no format"));
  EXPECT_TRUE(contains(error_of([&] { read_texts(folder / "none.csv", {}); }), "cannot open"));

  write_text(folder / "t.txt", "one\r\ntwo\n");
  write_text(folder / "t.labels", "x\ny\n");
  const auto lines = read_texts(folder / "t.txt", {}).at("");
  EXPECT_EQ(firsts(lines), (Strings{"one", "two"}));
  EXPECT_EQ(labels(lines), (Strings{"x", "y"}));
  write_text(folder / "t.labels", "x\n");
  EXPECT_TRUE(contains(error_of([&] { read_texts(folder / "t.txt", {}); }),
                       "t.labels: 1 labels for the 2 texts of"));
  EXPECT_EQ(
      read_texts(folder / "t.txt", {.text = "", .pair = "", .label = ""}).at("").records.size(),
      2u);
  write_text(folder / "t.txt", "one\n\ntwo\n");
  EXPECT_TRUE(
      contains(error_of([&] { read_texts(folder / "t.txt", {}); }), "t.txt:2: an empty text"));
}

TEST(TextFormat, IsToldByTheEnding) {
  EXPECT_EQ(text_format("a/train.csv"), "csv");
  EXPECT_EQ(text_format("train.jsonl.gz"), "jsonl");
  EXPECT_EQ(text_format("x.ndjson"), "jsonl");
  EXPECT_EQ(text_format("x.txt"), "lines");
  EXPECT_EQ(text_format("x.png"), "");
  EXPECT_EQ(text_format("x"), "");
}

}  // namespace
}  // namespace patina
