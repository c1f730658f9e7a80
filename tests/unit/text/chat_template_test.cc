// Chat templates against transformers' texts, and Jinja's texts of random templates.
#include "patina/text/chat_template.h"

#include <gtest/gtest.h>

#include "patina/base/file.h"
#include "patina/base/json.h"
#include "patina/text/chat/named_templates.h"
#include "patina/text/tokenizer.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/tiny_tokenizers.h"

namespace patina {
namespace {

using Spans = std::vector<TextSpan>;
using Messages = std::vector<ChatMessage>;

Json read_json(const fs::path& path) {
  return parse_json(read_text(path), path.string());
}

std::map<std::string, std::string> tokens() {
  return {{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}};
}

std::tm some_time() {
  std::tm time{};
  time.tm_year = 2025 - 1900;
  time.tm_mon = 2;
  time.tm_mday = 7;
  time.tm_hour = 14;
  time.tm_min = 5;
  time.tm_sec = 9;
  time.tm_wday = 5;
  time.tm_yday = 65;
  return time;
}

// A conversation's options as transformers takes them.
struct Given {
  explicit Given(const Json& all) : variables(Json::object()) {
    for (const auto& [name, value] : all.items())
      if (name == "tools")
        tools = value;
      else if (name == "documents")
        documents = value;
      else if (name == "add_generation_prompt")
        prompt = value.get<bool>();
      else
        variables[name] = value;
  }
  ChatOptions options() const {
    return {.generation_prompt = prompt,
            .tools = tools.is_null() ? nullptr : &tools,
            .documents = documents.is_null() ? nullptr : &documents,
            .variables = &variables,
            .now = some_time()};
  }

  Json tools, documents, variables;
  bool prompt = false;
};

std::string template_text(const Json& row, const fs::path& folder) {
  if (row.contains("text")) return row.at("text").get<std::string>();
  return read_text(folder / "templates" / row.at("template").get<std::string>());
}

class ChatParity : public testing::TestWithParam<Fixtures> {};

TEST_P(ChatParity, ConversationsAreTransformers) {
  PATINA_NEED_FIXTURE(path, GetParam(), "chat/conversations.json");
  const Json all = read_json(path);
  for (const auto& row : all.at("templates")) {
    const auto name = row.at("template").get<std::string>();
    SCOPED_TRACE(name);
    std::optional<ChatTemplate> made;
    const std::string refusal =
        error_of([&] { made.emplace(template_text(row, path.parent_path()), name, tokens()); });
    // What is not supported is refused by name, and the published templates in the tree are.
    if (!made && GetParam() == Fixtures::large) {
      EXPECT_TRUE(contains(refusal, "supported")) << refusal;
      std::printf("%s\n", refusal.c_str());
      continue;
    }
    ASSERT_TRUE(made) << refusal;
    for (const auto& [key, expected] : row.at("texts").items()) {
      SCOPED_TRACE(key);
      const Json& conversation = all.at("conversations").at(key);
      const Given given(conversation.at("options"));
      std::string text;
      const std::string error = error_of(ErrorKind::data, [&] {
        text = made->render(conversation.at("messages"), given.options());
      });
      if (expected.is_null()) {
        EXPECT_NE(error, "") << text;
        continue;
      }
      EXPECT_EQ(error, "");
      EXPECT_EQ(Json(text), expected.is_array() ? expected[0] : expected);
      if (!expected.is_array()) continue;
      Spans spans;
      for (const auto& span : expected[1]) spans.push_back({span[0], span[1]});
      EXPECT_EQ(made->with_answers(conversation.at("messages"), given.options()).answers, spans);
    }
  }
}

TEST_P(ChatParity, RandomTemplatesAreJinjas) {
  PATINA_NEED_FIXTURE(path, GetParam(), "chat/programs.json");
  const Json all = read_json(path);
  const ChatOptions options{.variables = &all.at("variables")};
  size_t refused = 0;
  for (const auto& row : all.at("programs")) {
    const auto text = row[0].get<std::string>();
    std::string made;
    const std::string error = error_of([&] {
      made = ChatTemplate(text, "test").render(Messages{{"user", "Hello"}}, options);
    });
    if (row[1].is_null()) {
      EXPECT_NE(error, "") << text << "\nJinja refuses this; patina writes\n" << made;
    } else if (contains(error, "supported")) {
      ++refused;
    } else {
      EXPECT_EQ(error, "") << text << "\nJinja writes\n" << row[1].get<std::string>();
      EXPECT_EQ(error.empty() ? made : row[1].get<std::string>(), row[1].get<std::string>())
          << text;
    }
  }
  EXPECT_LT(double(refused), 0.02 * double(all.at("programs").size()));
}

INSTANTIATE_TEST_SUITE_P(All, ChatParity, testing::Values(Fixtures::small, Fixtures::large),
                         testing::PrintToStringParamName());

// What a template prints, without messages that matter.
std::string printed(std::string_view text, const ChatLimits& limits = {}) {
  return ChatTemplate(text, "t", tokens(), limits)
      .render(Messages{{"user", "Hello"}}, {.now = some_time()});
}

std::string template_refusal(std::string_view text, const ChatLimits& limits = {}) {
  return error_of([&] { printed(text, limits); });
}

TEST(ChatTemplates, WhatIsNotSupportedIsRefusedByNameAndPlace) {
  EXPECT_EQ(template_refusal("a\nb\n {{ messages | xmlattr }}"),
            "t: line 3, column 16: filter \"xmlattr\" is not supported");
  EXPECT_EQ(template_refusal("\u00e4 {% include 'x' %}"),
            "t: line 1, column 6: block \"include\" is not supported");
  EXPECT_EQ(template_refusal("{{ x is callable }}"),
            "t: line 1, column 9: test \"callable\" is not supported");
  EXPECT_EQ(template_refusal("{{ x.zfill(3) }}"),
            "t: line 1, column 5: method \"zfill\" is not supported");
  EXPECT_EQ(template_refusal("{{ cycler(1) }}"),
            "t: line 1, column 4: function \"cycler\" is not supported");
  EXPECT_EQ(template_refusal("{{ x | map('xmlattr') }}"),
            "t: line 1, column 12: filter \"xmlattr\" is not supported");
  EXPECT_EQ(template_refusal("{{ x | selectattr('a', 'filter') }}"),
            "t: line 1, column 24: test \"filter\" is not supported");
  EXPECT_EQ(
      template_refusal("{{ 'a' ~ (x | safe) }}"),
      "t: line 1, column 15: filter \"safe\" is supported only as the last of what is printed");
  EXPECT_EQ(template_refusal("{{ 2 ** 3 }}"),
            "t: line 1, column 6: the operator ** is not supported");
  EXPECT_EQ(template_refusal("{% for x in y recursive %}{% endfor %}"),
            "t: line 1, column 15: a recursive loop is not supported");
  EXPECT_EQ(template_refusal("{% macro m() %}{{ caller() }}{% endmacro %}"),
            "t: line 1, column 19: function \"caller\" is not supported");
  EXPECT_EQ(template_refusal("{% macro m() %}{{ varargs }}{% endmacro %}"),
            "t: line 1, column 4: \"varargs\" in a macro is not supported");
  EXPECT_EQ(
      template_refusal("{% set x %}{% generation %}{% endgeneration %}{% endset %}"),
      "t: line 1, column 15: block \"generation\" is not supported inside a macro, a set block "
      "or another one");
}

TEST(ChatTemplates, MistakesNameTheirPlace) {
  EXPECT_EQ(template_refusal("{% if x %}"),
            "t: line 1, column 11: the template ends before \"endif\"");
  EXPECT_EQ(template_refusal("{{ x"), "t: line 1, column 1: the tag has no end");
  EXPECT_EQ(template_refusal("{# x"), "t: line 1, column 1: the comment has no end");
  EXPECT_EQ(template_refusal("{% raw %} x"), "t: line 1, column 1: the block \"raw\" has no end");
  EXPECT_EQ(template_refusal("{{ 'x }}"), "t: line 1, column 4: the string has no end");
  EXPECT_EQ(template_refusal("{{ (x] }}"), "t: line 1, column 6: unexpected \"]\"");
  EXPECT_EQ(template_refusal("{{ a $ b }}"), "t: line 1, column 6: unexpected character \"$\"");
  EXPECT_EQ(template_refusal("{{ }}"), "t: line 1, column 4: unexpected \"}}\"");
  EXPECT_EQ(template_refusal("{{ a b }}"), "t: line 1, column 6: expected \"}}\", not \"b\"");
  EXPECT_EQ(template_refusal("{{ '\\ud800' }}"),
            "t: line 1, column 5: \\u in a string is not a character");
  EXPECT_EQ(template_refusal("{% set true = 1 %}"),
            "t: line 1, column 8: \"true\" cannot be assigned to");
  EXPECT_EQ(template_refusal("{% break %}"), "t: line 1, column 4: \"break\" outside a loop");
  EXPECT_EQ(template_refusal("{% for i in x %}{% set loop = 1 %}{% endfor %}"),
            "t: line 1, column 24: \"loop\" cannot be assigned to inside a loop");
  EXPECT_EQ(template_refusal("\xff"), "t: the chat template is not valid UTF-8");
}

TEST(ChatTemplates, MistakesOfRenderingNameTheirPlaceToo) {
  EXPECT_EQ(template_refusal("a\n{{ nope.x }}"), "t: line 2, column 8: 'nope' is undefined");
  EXPECT_EQ(template_refusal("{{ messages[0].nope.x }}"),
            "t: line 1, column 20: 'dict object' has no attribute 'nope'");
  EXPECT_EQ(template_refusal("{{ raise_exception('Alternate!') }}"),
            "t: line 1, column 19: the template refuses the conversation: Alternate!");
  EXPECT_EQ(template_refusal("{{ 1 + 'a' }}"),
            "t: line 1, column 6: \"+\" is not possible for int and str");
  EXPECT_EQ(template_refusal("{{ messages.append(1) }}"),
            "t: line 1, column 12: method \"append\" is not supported");
  EXPECT_EQ(template_refusal("{{ messages['append'](1) }}"),
            "t: line 1, column 22: access to attribute 'append' of 'list' object is unsafe.");
  EXPECT_EQ(
      template_refusal("{{ messages | map('trim') }}"),
      "t: line 1, column 15: a generator has no text; the filter \"list\" makes a list of it");
  EXPECT_EQ(
      template_refusal("{% set n = namespace(_a=1) %}"),
      "t: line 1, column 21: a namespace has no attributes that begin with \"_\", such as \"_a\"");
}

TEST(ChatTemplates, SpaceControlIsTrimAndStrip) {
  EXPECT_EQ(printed("a\n  {% if true %}\n  b\n  {% endif %}\nc\n"), "a\n  b\nc");
  EXPECT_EQ(printed("a\n  {%+ if true %}b{% endif +%}\nc\n\n"), "a\n  b\nc\n");
  EXPECT_EQ(printed("a \n {{- 'b' -}} \n c"), "abc");
  EXPECT_EQ(printed(" x {# gone #}\ny\n  {# gone #}\nz"), " x y\nz");
  EXPECT_EQ(printed("{% raw %}\n{{ x }}{% endraw %}\n."), "\n{{ x }}.");
  EXPECT_EQ(printed("a\r\nb\rc\r\n"), "a\nb\nc");
  EXPECT_EQ(printed("a\u00a0{%- if true %}b{% endif -%}\u2003c"), "abc");
}

TEST(ChatTemplates, VariablesFollowJinjasScopes) {
  // A loop's assignments are its own; a namespace outlives it.
  EXPECT_EQ(
      printed(
          "{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = 5 %}{{ x }}{% endfor %}{{ x }}"),
      "15151");
  // What is assigned in a branch begins as what the caller passed; in straight text it does not.
  EXPECT_EQ(printed("{% if not bos_token %}{% set bos_token = 'x' %}{% endif %}{{ bos_token }}"),
            "<s>");
  EXPECT_EQ(printed("{% for i in [1] %}{{ bos_token }}{% endfor %}{% set bos_token = 'x' %}"), "");
  // A macro reads variables when it is called.
  EXPECT_EQ(printed("{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% set x = 1 %}{{ m() }}"), "1");
  EXPECT_EQ(
      printed("{% macro m(n) %}{{ n }}{% if n %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(3) }}"),
      "3210");
  // "else" belongs to a loop whose body never came to its end.
  EXPECT_EQ(printed("{% for i in [1] %}{% continue %}{% else %}none{% endfor %}"), "none");
}

TEST(ChatTemplates, ValuesArePythons) {
  EXPECT_EQ(printed("{{ [1, 2] < [1, 3] }} {{ (1,) > (1, 0) }} {{ [1.0, true] == [true, 1] }}"),
            "True False True");
  EXPECT_EQ(
      printed("{{ [none, 1e16, 1e-5, 0.1, -7 // 2, -7 % 3, 7 / 2, 'it\\'s', \"\\u00e9\\x07\"] }}"),
      "[None, 1e+16, 1e-05, 0.1, -4, 2, 3.5, \"it's\", '\u00e9\\x07']");
  EXPECT_EQ(printed("{{ '\u00e9\U0001f600x'[::-1] }} {{ '\u00e9\U0001f600x' | length }} {{ "
                    "'stra\u00dfe'.upper() }}"),
            "x\U0001f600\u00e9 3 STRASSE");
  EXPECT_EQ(printed("{{ range(10)[::3] }} {{ range(10)[::3] | list }} {{ {'a': 1}.items() }}"),
            "range(0, 10, 3) [0, 3, 6, 9] dict_items([('a', 1)])");
  EXPECT_EQ(printed("{{ {'items': 1}.items is defined }}{{ {'items': 1}['items'] }} {{ {1: 'a', "
                    "true: 'b'} }}"),
            "True1 {1: 'b'}");
}

TEST(ChatTemplates, DatesAreThoseGiven) {
  EXPECT_EQ(printed("{{ strftime_now('%d %b %Y, %A %-d %H:%M:%S %%') }}"),
            "07 Mar 2025, Friday 7 14:05:09 %");
  EXPECT_EQ(template_refusal("{{ strftime_now('%E') }}"),
            "t: line 1, column 16: the format of a date has a % that is not supported");
}

TEST(ChatTemplates, LimitsEndWhatWouldNot) {
  const ChatLimits few{
      .template_bytes = 300, .nesting = 20, .calls = 100, .steps = 10'000, .bytes = 1000};
  EXPECT_EQ(template_refusal(std::string(301, 'x'), few),
            "t: the chat template has 301 bytes, more than 300");
  EXPECT_EQ(template_refusal(
                "{% for a in range(200) %}{% for b in range(200) %}{% endfor %}{% endfor %}", few),
            "t: line 1, column 33: rendering takes more than 10000 steps");
  EXPECT_EQ(template_refusal("{{ 'x' * 1001 }}", few),
            "t: line 1, column 8: a value has 1001 elements or bytes, more than 1000");
  EXPECT_EQ(
      template_refusal("{{ 'x' * 9223372036854775807 }}", few),
      "t: line 1, column 8: a value has 9223372036854775807 elements or bytes, more than 1000");
  EXPECT_EQ(template_refusal("{% for a in range(600) %}ab{% endfor %}", few),
            "t: line 1, column 26: the text has more than 1000 bytes");
  EXPECT_EQ(
      template_refusal("{{ " + std::string(30, '(') + "1" + std::string(30, ')') + " }}", few),
      "t: line 1, column 14: an expression is nested deeper than 20 levels");
  EXPECT_EQ(template_refusal("{{ 1" + std::string(60, '+') + " }}", few),
            "t: line 1, column 25: an expression is nested deeper than 20 levels");
  std::string sum = "{{ 1";
  for (int i = 0; i < 30; ++i) sum += " + 1";
  EXPECT_TRUE(contains(template_refusal(sum + " }}", few), "nested deeper than 20 levels"));
  std::string blocks;
  for (int i = 0; i < 21; ++i) blocks += "{%if 1%}";
  EXPECT_TRUE(contains(template_refusal(blocks, few), "blocks are nested deeper than 20 levels"));
  EXPECT_TRUE(contains(template_refusal("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", few),
                       "evaluation is nested deeper than 100 levels"));
  EXPECT_TRUE(contains(
      template_refusal("{% set n = namespace(x=[]) %}{% for i in range(500) %}{% set n.x = "
                       "[n.x] %}{% endfor %}"),
      "a value is nested deeper than 100 levels"));
  // A list that holds itself twice at every level has 2^60 elements when it is written.
  EXPECT_TRUE(
      contains(template_refusal("{% set n = namespace(x=[]) %}{% for i in range(60) %}{% set n.x = "
                                "[n.x, n.x] %}{% endfor %}{{ n.x }}"),
               "more than"));
  EXPECT_TRUE(
      contains(template_refusal("{% set n = namespace() %}{% set n.n = n %}"), "not supported"));
  EXPECT_TRUE(contains(template_refusal("{{ range(100001) }}"),
                       "a range has 100001 numbers, more than 100000"));
  EXPECT_TRUE(
      contains(template_refusal("{{ 9223372036854775807 + 1 }}"), "does not fit into 64 bits"));
  EXPECT_TRUE(contains(template_refusal("{{ 9223372036854775808 }}"), "does not fit into 64 bits"));
}

TEST(ChatTemplates, ALoopThatIsKeptHasEnded) {
  EXPECT_EQ(printed("{% set n = namespace() %}{% for i in [1, 2, 3] if i %}{% set n.l = loop %}{% "
                    "if loop.index == 2 %}"
                    "{% break %}{% endif %}{% endfor %}{{ n.l.index }} {{ n.l.last }}"),
            "2 True");
}

constexpr const char* kChatml =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

std::vector<std::string> parts(const ChatText& text) {
  std::vector<std::string> out;
  for (const auto& [begin, end] : text.answers) out.push_back(text.text.substr(begin, end - begin));
  return out;
}

using Parts = std::vector<std::string>;

TEST(Answers, AreWhatFollowsTheGenerationPrompt) {
  const ChatTemplate chatml(kChatml, "chatml");
  const Messages messages = {
      {"user", "a"}, {"assistant", "b "}, {"user", "c"}, {"assistant", "\u00e4"}};
  const ChatText text = chatml.with_answers(messages);
  EXPECT_EQ(text.text, chatml.render(messages));
  EXPECT_EQ(parts(text), (Parts{"b <|im_end|>", "\u00e4<|im_end|>"}));
  EXPECT_EQ(parts(chatml.with_answers(messages, {}, true)), (Parts{"\u00e4<|im_end|>"}));
  EXPECT_EQ(chatml.turn_end(), "<|im_end|>");
  EXPECT_FALSE(chatml.marks_answers());
}

TEST(Answers, WithoutAnEndMarkerKeepTheirSpace) {
  const ChatTemplate plain("{% for m in messages %}{{ m.content }}{% endfor %}", "plain");
  EXPECT_EQ(parts(plain.with_answers(Messages{{"user", "a"}, {"assistant", " b \n"}})),
            (Parts{" b \n"}));
  EXPECT_EQ(plain.turn_end(), "");
}

TEST(Answers, AreTheTemplatesGenerationBlocks) {
  const ChatTemplate marked(
      "{% for m in messages %}{% if m.role == 'assistant' %}A:{% generation %}{{ m.content }}$"
      "{% endgeneration %}{% else %}U:{{ m.content }}{% endif %}\n{% endfor %}",
      "marked");
  const Messages messages = {{"user", "\u00fc"}, {"assistant", "b"}, {"assistant", "c"}};
  EXPECT_EQ(parts(marked.with_answers(messages)), (Parts{"b$", "c$"}));
  EXPECT_EQ(parts(marked.with_answers(messages, {}, true)), (Parts{"c$"}));
  EXPECT_TRUE(marked.marks_answers());
  EXPECT_EQ(marked.turn_end(), "$");
}

TEST(Answers, ThatCannotBeToldAreRefused) {
  const ChatTemplate chatml(kChatml, "chatml");
  EXPECT_EQ(error_of(ErrorKind::data,
                     [&] {
                       chatml.with_answers(Messages{{"user", "a"}});
                     }),
            "chatml: the conversation has no answer to learn: no message is the assistant's");
  EXPECT_EQ(
      error_of(ErrorKind::data,
               [&] {
                 chatml.with_answers(Messages{{"assistant", "b"}, {"user", "a"}}, {}, true);
               }),
      "chatml: the conversation has no answer to learn: its last message is not the assistant's");
  EXPECT_TRUE(contains(error_of(ErrorKind::data, [&] { chatml.with_answers(Json::array()); }),
                       "with one at least"));
  // Only the last answer keeps its first letter.
  const ChatTemplate changing(
      "{% for m in messages %}{{ m.content if loop.last else m.content[1:] }}|{% endfor %}",
      "changing");
  const Messages two = {{"user", "ab"}, {"assistant", "cd"}, {"user", "ef"}, {"assistant", "gh"}};
  EXPECT_TRUE(contains(error_of(ErrorKind::data, [&] { changing.with_answers(two); }),
                       "changing: message 2 is an answer whose place in the text cannot be told"));
}

TEST(ChatTemplateFiles, AreFoundInAModelsFolder) {
  const auto folder = scratch_folder("chat-template-files");
  write_text(folder / "tokenizer.json", byte_level_json().dump());
  EXPECT_EQ(load_tokenizer(folder.string())->chat_template(), nullptr);

  write_text(folder / "chat_template.json", R"({"chat_template": "json"})");
  const auto made = [&] {
    return load_tokenizer(folder.string())->chat_template()->render(Messages{{"user", "a"}});
  };
  EXPECT_EQ(made(), "json");
  write_text(folder / "tokenizer_config.json",
             R"({"eos_token": "<|end|>", "chat_template": [{"name": "tool_use", "template": "no"},
                 {"name": "default", "template": "{{ eos_token }}{{ bos_token is defined }}"}]})");
  EXPECT_EQ(made(), "<|end|>False");
  write_text(folder / "chat_template.jinja", "jinja");
  EXPECT_EQ(made(), "jinja");

  // A template that is not supported does not keep the tokenizer from being used.
  write_text(folder / "chat_template.jinja", "{% include 'x' %}");
  const auto tokenizer = load_tokenizer(folder.string());
  EXPECT_GT(tokenizer->size(), 0);
  EXPECT_EQ(error_of(ErrorKind::format, [&] { tokenizer->chat_template(); }),
            (folder / "chat_template.jinja").string() +
                ": line 1, column 4: block \"include\" is not supported");
  fs::remove(folder / "chat_template.jinja");
  write_text(folder / "tokenizer_config.json",
             R"({"chat_template": [{"name": "rag", "template": ""}]})");
  EXPECT_EQ(error_of(ErrorKind::format, [&] { load_tokenizer(folder.string()); }),
            (folder / "tokenizer_config.json").string() +
                ": chat_template: none of the templates is named \"default\"");
}

ChatTemplate named(const std::string& name) {
  return {chat::named_template(name)->text, name, tokens()};
}

const Messages kTalk = {{"user", "a "}, {"assistant", " b"}, {"user", "c"}};

TEST(NamedTemplates, WriteTheTurnsOfTheirFamilies) {
  const ChatOptions asked{.generation_prompt = true};
  EXPECT_EQ(named("chatml").render(kTalk, asked),
            "<|im_start|>user\na <|im_end|>\n<|im_start|>assistant\n b<|im_end|>\n"
            "<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(named("llama3").render(kTalk, asked),
            "<s><|start_header_id|>user<|end_header_id|>\n\na<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nb<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nc<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n");
  EXPECT_EQ(named("gemma").render(kTalk, asked),
            "<s><start_of_turn>user\na<end_of_turn>\n<start_of_turn>model\nb<end_of_turn>\n"
            "<start_of_turn>user\nc<end_of_turn>\n<start_of_turn>model\n");
  const Messages plain = {{"user", "a"}, {"assistant", "b"}, {"user", "c"}};
  EXPECT_EQ(named("mistral").render(plain, asked), "<s>[INST] a [/INST] b</s>[INST] c [/INST]");
}

TEST(NamedTemplates, GiveASystemMessageItsPlace) {
  const Messages told = {{"system", "s"}, {"user", "a"}, {"assistant", "b"}, {"user", "c"}};
  EXPECT_TRUE(named("chatml").render(told).starts_with("<|im_start|>system\ns<|im_end|>\n<"));
  EXPECT_TRUE(named("llama3").render(told).starts_with(
      "<s><|start_header_id|>system<|end_header_id|>\n\ns<|eot_id|><"));
  EXPECT_EQ(named("gemma").render(told),
            "<s><start_of_turn>user\ns\n\na<end_of_turn>\n<start_of_turn>model\nb<end_of_turn>\n"
            "<start_of_turn>user\nc<end_of_turn>\n");
  EXPECT_EQ(named("mistral").render(told), "<s>[INST] s\n\na [/INST] b</s>[INST] c [/INST]");
}

TEST(NamedTemplates, EqualThePublishedOne) {
  const fs::path file = fixture_folder(Fixtures::small) / "chat" / "templates" / "smollm2.jinja";
  const ChatTemplate published(read_text(file), "published", tokens());
  for (const Messages& messages : {kTalk, Messages{{"system", "s"}, {"user", "a"}}})
    for (const bool prompt : {false, true})
      EXPECT_EQ(named("smollm2").render(messages, {.generation_prompt = prompt}),
                published.render(messages, {.generation_prompt = prompt}));
}

TEST(NamedTemplates, MarkTheirAnswers) {
  const Messages messages = {{"user", "a"}, {"assistant", "b"}};
  const std::pair<const char*, const char*> ends[] = {{"chatml", "b<|im_end|>"},
                                                      {"smollm2", "b<|im_end|>"},
                                                      {"llama3", "b<|eot_id|>"},
                                                      {"gemma", "b<end_of_turn>"},
                                                      {"mistral", " b</s>"}};
  EXPECT_EQ(chat::named_templates().size(), std::size(ends));
  for (const auto& [name, answer] : ends)
    EXPECT_EQ(parts(named(name).with_answers(messages)), (Parts{answer})) << name;
  EXPECT_EQ(chat::named_template("vicuna"), nullptr);
}

}  // namespace
}  // namespace patina
