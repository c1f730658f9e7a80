#include "patina/serve/openai.h"

#include <algorithm>

#include "patina/serve/json_body.h"

namespace patina::serve {

namespace {

constexpr int64_t kMostTokens = 1'000'000, kMostChoices = 128, kMostPrompts = 1024;
// A chat's answer may be as long as the model has room for.
constexpr int64_t kChatTokens = 4096;

// Keys that change an answer and that we do not compute; each with the value that changes nothing.
void refuse_unknown(const JsonObject& body) {
  for (const char* key : {"frequency_penalty", "presence_penalty"})
    if (body.number(key, 0, -2, 2) != 0)
      body.refuse(key, "is not supported: use \"repetition_penalty\"");
  constexpr const char* kBias = "logit_bias";  // check: word
  for (const char* key : {"tools", "functions", "response_format", kBias, "suffix"}) {
    const Json* value = body.find(key);
    const bool nothing =
        !value || value->empty() || (value->is_object() && value->value("type", "") == "text");
    if (!nothing) body.refuse(key, "is not supported");
  }
  if (body.find("best_of") && body.integer("best_of", 1, 1) > body.integer("n", 1, 1))
    body.refuse("best_of", "is not supported: ask for \"n\" answers");
}

std::string content_of(const JsonObject& message) {
  const Json& content = message.at("content");
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) message.refuse("content", "must be a text");
  std::string text;
  for (const auto& part : content) {
    const JsonObject one(part, message.place("content[]."));
    if (one.text("type") != "text")
      one.refuse("type", "must be \"text\": the model reads no other content");
    text += one.text("text");
  }
  return text;
}

void read_chat(const JsonObject& body, CompletionRequest& asked) {
  const Json& messages = body.list("messages");
  for (size_t i = 0; i < messages.size(); ++i) {
    const JsonObject message(messages[i], fmt::format("messages[{}].", i));
    std::string role = message.text("role");
    if (role == "developer") role = "system";
    if (role != "system" && role != "user" && role != "assistant")
      message.refuse("role", "must be system, user or assistant");
    asked.turns.push_back({std::move(role), content_of(message)});
  }
  if (asked.turns.empty() || asked.turns.back().role != "user")
    body.refuse("messages", "must end with a message of the user");
  asked.logprobs = body.flag("logprobs", false);
  asked.top_logprobs = body.integer("top_logprobs", 0, 0, 20);
  if (asked.top_logprobs > 0 && !asked.logprobs)
    body.refuse("top_logprobs", "needs \"logprobs\": true");
  asked.max_tokens =
      body.integer("max_completion_tokens", body.integer("max_tokens", kChatTokens, 1, kMostTokens),
                   1, kMostTokens);
}

std::vector<int64_t> ids_of(const JsonObject& body, const Json& list) {
  const auto is_id = [](const Json& one) {
    return one.is_number_integer() && one >= 0 && one <= kMostTokens;
  };
  if (!list.is_array() || !std::ranges::all_of(list, is_id))
    body.refuse("prompt", "must be a text, a list of texts, token ids, or a list of lists of them");
  return list.get<std::vector<int64_t>>();
}

// A text or token ids, or a list of one kind.
void read_prompt(const JsonObject& body, CompletionRequest& asked) {
  const Json& prompt = body.at("prompt");
  const Json* first = prompt.is_array() && !prompt.empty() ? &prompt.front() : nullptr;
  if (first && first->is_array()) {
    for (const auto& one : prompt) asked.ids.push_back(ids_of(body, one));
  } else if (first && !first->is_string()) {
    asked.ids = {ids_of(body, prompt)};
  } else {
    asked.prompts = body.texts("prompt");
  }
  const size_t count = std::max(asked.ids.size(), asked.prompts.size());
  if (count == 0 || int64_t(count) > kMostPrompts)
    body.refuse("prompt", fmt::format("must be a text or a list of 1 to {} texts", kMostPrompts));
}

void read_prompts(const JsonObject& body, CompletionRequest& asked) {
  read_prompt(body, asked);
  asked.echo = body.flag("echo", false);
  if (const Json* given = body.find("logprobs"); given && !given->is_boolean()) {
    asked.logprobs = true;
    asked.top_logprobs = body.integer("logprobs", 0, 0, 20);
  } else if (given) {
    asked.logprobs = given->get<bool>();
  }
  asked.max_tokens = body.integer("max_tokens", 16, 0, kMostTokens);
  if (asked.max_tokens == 0 && !asked.echo)
    body.refuse("max_tokens", "is 0: without \"echo\" nothing is left to answer");
}

}  // namespace

CompletionRequest parse_completion(const Request& request, bool chat) {
  const Json json = json_of(request);
  const JsonObject body(json);
  CompletionRequest asked{.chat = chat, .model = body.text("model", "")};
  refuse_unknown(body);
  chat ? read_chat(body, asked) : read_prompts(body, asked);
  asked.temperature = body.number("temperature", 1, 0, 100);
  asked.top_p = body.number("top_p", 1, 0, 1);
  if (asked.top_p == 0) body.refuse("top_p", "must be above 0");
  asked.top_k = std::max<int64_t>(body.integer("top_k", 0, -1), 0);
  asked.repetition_penalty = body.number("repetition_penalty", 1, 1e-3, 1e3);
  asked.seed = body.integer("seed", asked.seed, 0);
  asked.n = body.integer("n", 1, 1, kMostChoices);
  asked.stop = body.texts("stop");
  if (std::ranges::count(asked.stop, "") > 0) body.refuse("stop", "has a text without characters");
  asked.stream = body.flag("stream", false);
  if (const Json* given = body.find("stream_options"))
    asked.stream_usage = JsonObject(*given, "stream_options.").flag("include_usage", false);
  if (asked.stream && asked.logprobs)
    body.refuse("logprobs", "is not given with \"stream\": ask for one of them");
  return asked;
}

}  // namespace patina::serve
