// Prompts with answers and plain text in files, and how prompts are written.
#include "patina/data/formats/instructions.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "patina/base/file.h"
#include "patina/data/catalog.h"
#include "patina/data/formats/passages.h"
#include "patina/data/mixer.h"
#include "patina/data/prompt.h"
#include "patina/data/views.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

InstructionTable lines(std::string_view text, const InstructionFields& fields = {}) {
  return parse_instructions_jsonl(text, fields, "t.jsonl");
}
std::string error(std::string_view text, const InstructionFields& fields = {}) {
  return error_of(ErrorKind::format, [&] { lines(text, fields); });
}

TEST(Instructions, AreReadByTheirKeys) {
  const auto table = lines(
      "{\"instruction\": \"Add.\", \"input\": \"1 2\", \"output\": \"3\"}\n"
      "\n"
      "{\"instruction\": \"Greet.\", \"output\": [\"Hello\", \"Hi\"]}\n");
  ASSERT_EQ(table.records.size(), 2u);
  EXPECT_EQ(table.records[0].turns[0].role, "user");
  EXPECT_EQ(table.records[0].turns[0].content, "Add.");
  EXPECT_EQ(table.records[0].input, "1 2");
  EXPECT_EQ(table.records[0].answers, std::vector<std::string>{"3"});
  EXPECT_EQ(table.records[1].input, "");
  EXPECT_EQ(table.records[1].answers, (std::vector<std::string>{"Hello", "Hi"}));
  EXPECT_EQ(table.place(1), "t.jsonl:3");
  const auto other = lines("{\"prompt\": \"Q\", \"answer\": 7}",
                           {.instruction = "prompt", .input = "", .answer = "answer"});
  EXPECT_EQ(other.records[0].answers, std::vector<std::string>{"7"});
}

TEST(Instructions, MayBeConversations) {
  const auto table = lines(
      "{\"messages\": [{\"role\": \"system\", \"content\": \"Be brief.\"},"
      "{\"role\": \"user\", \"content\": \"A?\"}, {\"role\": \"assistant\", \"content\": \"a\"},"
      "{\"role\": \"user\", \"content\": \"B?\"}, {\"role\": \"assistant\", \"content\": \"b\"}]}");
  const Exchange& exchange = table.records[0];
  ASSERT_EQ(exchange.turns.size(), 4u);
  EXPECT_EQ(exchange.turns[0].role, "system");
  EXPECT_EQ(exchange.turns[3].content, "B?");
  EXPECT_EQ(exchange.answers, std::vector<std::string>{"b"});
}

// Records that are asked: answers are not read, and a conversation may end with the user.
TEST(Instructions, MayBePromptsWithoutAnswers) {
  const auto table = lines(
      "{\"instruction\": \"Add.\", \"input\": \"1 2\"}\n"
      "{\"instruction\": \"Add.\", \"output\": \" \"}\n"
      "{\"messages\": [{\"role\": \"user\", \"content\": \"A?\"}]}\n"
      "{\"messages\": [{\"role\": \"user\", \"content\": \"A?\"},"
      "{\"role\": \"assistant\", \"content\": \"a\"}]}\n",
      {.answer = ""});
  ASSERT_EQ(table.records.size(), 4u);
  EXPECT_EQ(table.records[0].input, "1 2");
  EXPECT_TRUE(table.records[0].answers.empty() && table.records[1].answers.empty());
  for (const size_t i : {2, 3}) {
    ASSERT_EQ(table.records[i].turns.size(), 1u);
    EXPECT_EQ(table.records[i].turns[0].content, "A?");
  }
  EXPECT_TRUE(contains(error("{\"instruction\": \" \"}", {.answer = ""}), "t.jsonl:1"));
  EXPECT_TRUE(contains(error("{\"messages\": []}", {.answer = ""}), "does not end"));
}

TEST(Instructions, OfSuperNaturalInstructionsShareADefinition) {
  const auto table = parse_instructions_json(
      "{\"Definition\": [\"Name the colour.\"], \"Categories\": \"x\", \"Instances\": ["
      "{\"id\": \"1\", \"input\": \"sky\", \"output\": \"blue\"},"
      "{\"id\": \"2\", \"input\": \"snow\", \"output\": [\"white\", \"pale\"]}]}",
      {.instruction = "prompt", .answer = "answer"}, "t.json");
  ASSERT_EQ(table.records.size(), 2u);
  EXPECT_EQ(table.records[1].turns[0].content, "Name the colour.");
  EXPECT_EQ(table.records[1].input, "snow");
  EXPECT_EQ(table.records[1].answers[1], "pale");
  EXPECT_EQ(table.place(1), "t.json[1]");
}

TEST(Instructions, SayWhatIsWrongAndWhere) {
  EXPECT_EQ(
      error("{\"prompt\": \"Q\", \"answer\": \"A\"}"),
      "t.jsonl:1: the record has no \"instruction\"; its keys are \"answer\", \"prompt\": set "
      "data.instruction to one of them");
  EXPECT_EQ(error("\n{\"instruction\": \"Q\", \"output\": \" \"}"),
            "t.jsonl:2: the answer \"output\" is empty; fill it or remove the record");
  EXPECT_EQ(error("{\"instruction\": \"\", \"output\": \"a\"}"),
            "t.jsonl:1: \"instruction\" is empty; fill it or remove the record");
  EXPECT_EQ(error("{\"instruction\": \"Q\", \"output\": {}}"),
            "t.jsonl:1: \"output\" is not a text");
  EXPECT_EQ(error("[1]"), "t.jsonl:1: a record is an object with an instruction and its answer");
  EXPECT_EQ(error("{\"messages\": [{\"role\": \"user\", \"content\": \"A?\"}]}"),
            "t.jsonl:1: the conversation does not end with the assistant's answer");
  EXPECT_TRUE(contains(error("{\"messages\": [{\"role\": \"human\", \"content\": \"A?\"}]}"),
                       "messages[0] has the role \"human\""));
  EXPECT_TRUE(contains(error("{\"messages\": [{\"role\": \"assistant\", \"content\": \"A\"}]}"),
                       "messages[0] has the role \"assistant\""));
  EXPECT_TRUE(
      contains(error_of([] { parse_instructions_json("{\"Instances\": []}", {}, "t.json"); }),
               "needs a \"Definition\""));
  EXPECT_EQ(error_of(ErrorKind::data, [] { Instructions{lines("")}; }),
            "t.jsonl: no records in it");
}

TEST(Instructions, AreOpenedAsSets) {
  const auto folder = scratch_folder("instruction-sets");
  fs::create_directories(folder / "sums");
  const std::string record = "{\"instruction\": \"Q\", \"output\": \"A\"}\n";
  write_text(folder / "sums/train.jsonl", record + record);
  write_text(folder / "sums/eval.jsonl", record);
  write_text(folder / "words.train.json", "[" + record + "]");
  write_text(folder / "words.test.json", "[" + record + "]");
  DataOptions options{.name = "instructions", .path = folder.string(), .sets = {"words", "sums"}};
  const DataSplits data = open_data(options);
  EXPECT_EQ(data.train->domains(), (std::vector<std::string>{"words", "sums"}));
  EXPECT_EQ(data.train->size(), 3);
  EXPECT_EQ(data.train->domain(2), 1);
  EXPECT_EQ(data.train->answer_kind(), AnswerKind::text);
  EXPECT_EQ(data.train->exchange(0).answers[0], "A");
  const Selection last(std::shared_ptr<const Source>(std::move(open_data(options).train)), {2});
  EXPECT_EQ(last.exchange(0).answers[0], "A");
  EXPECT_NE(data.train->fingerprint(0), ContentHash().words());
  options.sets = {"words", "none"};
  EXPECT_TRUE(contains(error_of(ErrorKind::data, [&] { open_data(options); }),
                       "none: no train split; put a file none/train.* or none.train.* there"));
  options.sets = {"words", "words"};
  EXPECT_TRUE(contains(error_of(ErrorKind::data, [&] { open_data(options); }), "there twice"));
}

TEST(Verbalized, AnswersWithTheNamesOfClasses) {
  const auto folder = scratch_folder("verbalized");
  const std::string table = "text,label\nthe ball,sport\na vote,politics\n";
  write_text(folder / "train.csv", table);
  write_text(folder / "test.csv", table);
  const DataSplits data = open_data({.name = "text", .path = folder.string(), .verbalized = true});
  EXPECT_EQ(data.train->answer_kind(), AnswerKind::text);
  EXPECT_EQ(data.train->classes().size(), 1u);
  const Exchange exchange = data.test->exchange(1);
  EXPECT_EQ(exchange.turns[0].content, "a vote");
  EXPECT_EQ(exchange.answers, std::vector<std::string>{"politics"});
  EXPECT_TRUE(contains(error_of(ErrorKind::data,
                                [&] {
                                  open_data({.name = "passages",
                                             .path = PATINA_SOURCE_DIR,
                                             .sets = {"none"},
                                             .verbalized = true});
                                }),
                       "no train split"));
}

TEST(Passages, TogetherAreTheText) {
  const std::string text = "one two three\nfour five\n\nsix sev\xc3\xa4n eight nine ten\n";
  const Passages passages(text, "t.txt", 12);
  std::string all;
  for (int64_t i = 0; i < passages.size(); ++i) {
    EXPECT_LE(passages.text(i).first.size(), 13u) << i;
    all += passages.text(i).first;
  }
  EXPECT_EQ(all, text);
  EXPECT_EQ(passages.text(0).first, "one two ");
  EXPECT_EQ(passages.text(1).first, "three\nfour ");
  EXPECT_EQ(passages.origin(2), "t.txt:2");
  EXPECT_EQ(passages.answer_kind(), AnswerKind::nothing);
  // Never inside a character.
  const Passages umlauts("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", "t.txt", 5);
  EXPECT_EQ(umlauts.text(0).first, "\xc3\xa4\xc3\xa4");
  EXPECT_EQ(error_of(ErrorKind::data, [] { Passages(" \n", "t.txt", 8); }), "t.txt: no text in it");
  EXPECT_TRUE(contains(error_of(ErrorKind::format, [] { Passages("a\n\xff", "t.txt", 8); }),
                       "t.txt:2: not UTF-8"));
}

// What stands in front of the answer.
std::vector<PromptPart> prompt_of(std::vector<PromptPart> parts) {
  parts.pop_back();
  return parts;
}

std::string joined_text(const std::vector<PromptPart>& parts) {
  std::string text;
  for (const auto& part : parts) text += part.answer ? "<" + part.text + ">" : part.text;
  return text;
}

TEST(PlainPrompt, FillsInAndLeavesOutTheLineOfAnEmptyInput) {
  const PlainPrompt plain("{instruction}\nInput: {input}\nAnswer: ");
  Exchange exchange{.turns = {{"user", "Add {input}."}}, .input = "1 2", .answers = {"3", "three"}};
  EXPECT_EQ(joined_text(prompt_of(plain.parts(exchange))), "Add {input}.\nInput: 1 2\nAnswer: ");
  exchange.input = "";
  EXPECT_EQ(joined_text(prompt_of(plain.parts(exchange))), "Add {input}.\nAnswer: ");
  const PromptPart answer = plain.parts(exchange).back();
  EXPECT_EQ(answer.text, "3");
  EXPECT_TRUE(answer.answer && answer.ends);
  EXPECT_TRUE(contains(error_of(ErrorKind::recipe, [] { PlainPrompt("{input}"); }),
                       "without {instruction}"));
  EXPECT_TRUE(contains(error_of(ErrorKind::recipe, [] { PlainPrompt("{instruction} {answer}"); }),
                       "only {instruction} and {input}"));
}

constexpr const char* kChatMl =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

TEST(ChatPrompt, TheAnswerEndsWithItsTurn) {
  const ChatTemplate chat(kChatMl, "test");
  const ChatPrompt prompt(chat);
  const Exchange exchange{.turns = {{"system", "Be brief."}, {"user", "Translate."}},
                          .input = "chat",
                          .answers = {"cat"}};
  const auto parts = prompt_of(prompt.parts(exchange));
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(
      parts[0].text,
      "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nTranslate.\nchat<|im_end|>\n"
      "<|im_start|>assistant\n");
  EXPECT_FALSE(parts[0].answer);
  const PromptPart answer = prompt.parts(exchange).back();
  EXPECT_EQ(answer.text, "cat<|im_end|>");
  EXPECT_TRUE(answer.answer);
  EXPECT_FALSE(answer.ends) << "the turn's end is in the text";
  EXPECT_EQ(prompt.end(), "<|im_end|>");
  EXPECT_TRUE(prompt.frames());
}

TEST(ChatPrompt, EarlierAnswersAreLearnedToo) {
  const ChatTemplate chat(kChatMl, "test");
  const ChatPrompt prompt(chat);
  const auto parts = prompt_of(prompt.parts(
      {.turns = {{"user", "a"}, {"assistant", "b"}, {"user", "c"}}, .answers = {"d"}}));
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[1].text, "b<|im_end|>");
  EXPECT_TRUE(parts[1].answer);
  EXPECT_EQ(parts[2].text, "\n<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_FALSE(parts[2].answer);
}

TEST(PlainPrompt, WritesEveryTurnOfAConversation) {
  const PlainPrompt plain("Q: {instruction}\n{input}\n");
  const Exchange exchange{
      .turns = {{"system", "Brief."}, {"user", "A?"}, {"assistant", "a"}, {"user", "B?"}},
      .answers = {"b"}};
  EXPECT_EQ(joined_text(prompt_of(plain.parts(exchange))), "Brief.\nQ: A?\n<a>Q: B?\n");
}

TEST(Mixer, MixesExactNumbersAsAFunctionOfSeedAndEpoch) {
  const Seeds seeds(3);
  const auto rows = mixed_rows(90, 7, 0.1, seeds, 2);
  EXPECT_EQ(rows, mixed_rows(90, 7, 0.1, seeds, 2));
  EXPECT_NE(rows, mixed_rows(90, 7, 0.1, seeds, 3));
  EXPECT_NE(rows, mixed_rows(90, 7, 0.1, Seeds(4), 2));
  std::vector<int64_t> first;
  std::map<int64_t, int> second;
  for (const auto& [source, sample] : rows)
    if (source == 0)
      first.push_back(sample);
    else
      ++second[sample];
  ASSERT_EQ(first.size(), 90u);
  for (int64_t i = 0; i < 90; ++i) EXPECT_EQ(first[size_t(i)], i);
  EXPECT_EQ(rows.size(), 100u);  // exactly a tenth is replayed
  EXPECT_EQ(second.size(), 7u);  // 10 rows of 7 samples: each once, then some again
  for (const auto& [sample, times] : second) EXPECT_LE(times, 2) << sample;
  EXPECT_EQ(mixed_rows(5, 0, 0.5, seeds, 0).size(), 5u);
}

// Texts of different lengths: each source's tokens are its part's to within half of its longest
// text and half of one of the source before.
TEST(Mixer, CountsTokensNotTexts) {
  std::vector<TokenSource> sources = {{{}, 0.5}, {{}, 0.3}, {{}, 0.2}};
  for (int64_t i = 0; i < 200; ++i) sources[0].tokens.push_back(50 + 7 * i % 41);
  for (int64_t i = 0; i < 9; ++i) sources[1].tokens.push_back(100 + i);
  for (int64_t i = 0; i < 40; ++i) sources[2].tokens.push_back(10 + i % 3);
  const Seeds seeds(3);
  const auto rows = rows_by_tokens(sources, 4000, seeds, 2);
  EXPECT_EQ(rows, rows_by_tokens(sources, 4000, seeds, 2));
  EXPECT_NE(rows, rows_by_tokens(sources, 4000, seeds, 3));
  std::vector<int64_t> tokens(3), used(9);
  std::set<int64_t> of_first;
  for (const auto& [source, sample] : rows) {
    tokens[size_t(source)] += sources[size_t(source)].tokens[size_t(sample)];
    if (source == 0) {
      EXPECT_TRUE(of_first.insert(sample).second) << "twice";
    }
    if (source == 1) ++used[size_t(sample)];
  }
  EXPECT_NEAR(double(tokens[0]), 2000, 46);
  EXPECT_NEAR(double(tokens[0] + tokens[1]), 3200, 54);
  EXPECT_NEAR(double(tokens[0] + tokens[1] + tokens[2]), 4000, 6);
  // 1200 of 936 tokens: all once before one comes again.
  EXPECT_EQ(std::ranges::min(used), 1);
  EXPECT_EQ(std::ranges::max(used), 2);
  // A whole source is all of it.
  EXPECT_EQ(rows_by_tokens({{{5, 6, 7}, 1}, {{}, 0}}, 18, seeds, 0).size(), 3u);
}

}  // namespace
}  // namespace patina
