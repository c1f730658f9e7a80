#include "patina/text/chat_template.h"

#include "patina/base/json.h"
#include "patina/text/chat/parse/parser.h"
#include "patina/text/chat/python_text.h"
#include "patina/text/chat/renderer.h"

namespace patina {

namespace {

Json to_messages(std::span<const ChatMessage> messages) {
  Json list = Json::array();
  for (const auto& message : messages)
    list.push_back({{"role", message.role}, {"content", message.content}});
  return list;
}

Json first_of(const Json& messages, size_t count) {
  Json list = Json::array();
  for (size_t i = 0; i < count; ++i) list.push_back(messages[i]);
  return list;
}

bool is_answer(const Json& message) {
  const auto role = message.find("role");
  return role != message.end() && *role == "assistant";
}

void check_messages(const Json& messages) {
  if (!messages.is_array() || messages.empty())
    fail(ErrorKind::data, "a conversation is a list of messages, with one at least");
  for (const auto& message : messages)
    if (!message.is_object())
      fail(ErrorKind::data, "a message is an object with \"role\" and \"content\"");
}

// As transformers passes messages on: without members that are null, and with the reasoning of an
// answer under both names that templates read.
Json normalized(const Json& messages) {
  Json list = Json::array();
  for (const auto& message : messages) {
    Json kept = Json::object();
    for (const auto& [key, value] : message.items())
      if (!value.is_null()) kept[key] = value;
    for (const char* name : {"reasoning_content", "thinking", "reasoning"})
      if (const auto found = kept.find(name); found != kept.end()) {
        const Json reasoning = *found;
        Json first = {{"thinking", reasoning}};
        first.update(kept);
        first["reasoning_content"] = reasoning;
        kept = std::move(first);
        break;
      }
    list.push_back(std::move(kept));
  }
  return list;
}

std::tm local_time() {
  const std::time_t seconds = std::time(nullptr);
  std::tm local{};
  localtime_r(&seconds, &local);
  return local;
}

// Where an answer ends in [begin, end): white space after the marker of its turn's end is not the
// answer's. Without a marker, what ends the text is the answer's own content.
size_t end_of_answer(std::string_view text, size_t begin, const Json& message) {
  using chat::Side;
  const std::string answer = chat::stripped(text.substr(begin), Side::right);
  const auto content = message.find("content");
  if (content != message.end() && content->is_string()) {
    const std::string own = chat::stripped(content->get<std::string>(), Side::right);
    if (answer.ends_with(own)) return text.size();
  }
  return begin + answer.size();
}

}  // namespace

ChatTemplate::ChatTemplate(std::string_view text, std::string origin,
                           std::map<std::string, std::string> tokens, const ChatLimits& limits)
    : tree_(std::make_unique<const chat::Tree>(chat::parse(text, std::move(origin), limits))),
      tokens_(std::move(tokens)),
      limits_(limits) {}

ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

bool ChatTemplate::marks_answers() const {
  return tree_->generation;
}

const std::string& ChatTemplate::origin() const {
  return tree_->source.origin;
}

ChatText ChatTemplate::rendered(const Json& messages, const ChatOptions& options) const {
  check_messages(messages);
  std::map<std::string, chat::Value> variables;
  for (const auto& [name, token] : tokens_) variables[name] = chat::Value::text(token);
  if (options.variables) {
    if (!options.variables->is_object())
      fail(ErrorKind::data, "the variables of a chat template are an object");
    for (const auto& [name, value] : options.variables->items())
      variables[name] = chat::from_json(value);
  }
  const auto given = [](const Json* json) {
    return json ? chat::from_json(*json) : chat::Value::none();
  };
  variables["messages"] = chat::from_json(normalized(messages));
  variables["tools"] = given(options.tools);
  variables["documents"] = given(options.documents);
  variables["add_generation_prompt"] = chat::Value(options.generation_prompt);
  chat::Rendered made = chat::render(*tree_, std::move(variables),
                                     options.now ? *options.now : local_time(), limits_);
  ChatText out{.text = std::move(made.text), .answers = {}};
  for (const auto& [begin, end] : made.generated) out.answers.push_back({begin, end});
  return out;
}

std::string ChatTemplate::render(const Json& messages, const ChatOptions& options) const {
  return rendered(messages, options).text;
}

std::string ChatTemplate::render(std::span<const ChatMessage> messages,
                                 const ChatOptions& options) const {
  return render(to_messages(messages), options);
}

TextSpan ChatTemplate::answer_at(const Json& messages, size_t at, const std::string& whole,
                                 const ChatOptions& options) const {
  ChatOptions prompt = options, closed = options;
  prompt.generation_prompt = true;
  closed.generation_prompt = false;
  const std::string before =
      at == 0 ? std::string() : rendered(first_of(messages, at), prompt).text;
  const bool last = at + 1 == messages.size();
  const std::string up_to = last ? whole : rendered(first_of(messages, at + 1), closed).text;
  if (!whole.starts_with(before) || !whole.starts_with(up_to) || before.size() >= up_to.size())
    fail(ErrorKind::data,
         "{}: message {} is an answer whose place in the text cannot be told: the template writes "
         "what is around it in another way without it{}; mark answers in the template by {{% "
         "generation %}} blocks",
         origin(), at + 1,
         last ? "" : ", or once other messages follow; learn the last answer only");
  return {before.size(), end_of_answer(up_to, before.size(), messages[at])};
}

ChatText ChatTemplate::with_answers(const Json& messages, const ChatOptions& options,
                                    bool last_only) const {
  ChatText out = rendered(messages, options);
  if (!marks_answers()) {
    const size_t first = last_only ? messages.size() - 1 : 0;
    for (size_t i = first; i < messages.size(); ++i)
      if (is_answer(messages[i])) out.answers.push_back(answer_at(messages, i, out.text, options));
  } else if (last_only && out.answers.size() > 1) {
    out.answers.erase(out.answers.begin(), out.answers.end() - 1);
  }
  if (out.answers.empty() || (last_only && !is_answer(messages.back())))
    fail(ErrorKind::data, "{}: the conversation has no answer to learn: {}", origin(),
         last_only ? "its last message is not the assistant's" : "no message is the assistant's");
  return out;
}

ChatText ChatTemplate::with_answers(std::span<const ChatMessage> messages,
                                    const ChatOptions& options, bool last_only) const {
  return with_answers(to_messages(messages), options, last_only);
}

std::string ChatTemplate::turn_end() const {
  try {
    constexpr std::string_view kAnswer = "Yes.";
    const std::vector<ChatMessage> exchange = {{"user", "Is it?"},
                                               {"assistant", std::string(kAnswer)}};
    const ChatText text = with_answers(exchange);
    const size_t at = text.text.rfind(kAnswer), after = at + kAnswer.size();
    if (at == std::string::npos || after > text.answers.back().end) return "";
    return text.text.substr(after, text.answers.back().end - after);
  } catch (const Error&) {
    return "";  // a template that refuses this conversation, or one whose answers cannot be told
  }
}

}  // namespace patina
