#include "patina/serve/completions.h"

#include <algorithm>
#include <chrono>

#include "patina/base/error.h"
#include "patina/ops.h"
#include "patina/serve/base64.h"
#include "patina/serve/json_body.h"
#include "patina/session/sources.h"

namespace patina::serve {

void Pieces::push(const std::string& piece) {
  {
    const std::lock_guard lock(mutex_);
    pieces_.push_back(piece);
  }
  changed_.notify_one();
}

void Pieces::finish() {
  {
    const std::lock_guard lock(mutex_);
    finished_ = true;
  }
  changed_.notify_one();
}

std::optional<std::string> Pieces::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return finished_ || !pieces_.empty(); });
  if (pieces_.empty()) return std::nullopt;
  std::string piece = std::move(pieces_.front());
  pieces_.pop_front();
  return piece;
}

void Pieces::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

bool Pieces::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

void throw_full() {
  throw HttpError(429, "too many requests are waiting: try again later");
}

namespace {

std::string dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

int64_t now() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

AnswerOptions options_of(const CompletionRequest& asked) {
  AnswerOptions options;
  options.decoding = {.max_tokens = std::max<int64_t>(asked.max_tokens, 1),
                      .temperature = asked.temperature,
                      .top_k = asked.top_k,
                      .top_p = asked.top_p,
                      .repetition_penalty = asked.repetition_penalty,
                      .seed = asked.seed};
  options.output = {.stop = asked.stop,
                    .logprobs = asked.logprobs,
                    .top_logprobs = asked.top_logprobs,
                    .echo = asked.echo && asked.logprobs};
  options.form = asked.chat ? PromptForm::chat : PromptForm::continued;
  return options;
}

// Prompts that may be answered in one batch have the same options.
std::string kind_of(const AnswerOptions& options) {
  const auto& d = options.decoding;
  const auto& o = options.output;
  return Json{d.max_tokens, d.temperature, d.top_k,        d.top_p, d.repetition_penalty, d.seed,
              o.stop,       o.logprobs,    o.top_logprobs, o.echo,  int(options.form)}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

const char* finish_of(const Answer& answer) {
  return answer.ended ? "stop" : "length";
}

Json usage_of(const std::vector<Answer>& answers, int64_t choices, bool without_answer) {
  int64_t prompts = 0, tokens = 0;
  for (size_t i = 0; i < answers.size(); ++i) {
    if (int64_t(i) % choices == 0) prompts += answers[i].prompt_tokens;  // of each prompt once
    if (!without_answer) tokens += answers[i].tokens;
  }
  return {{"prompt_tokens", prompts},
          {"completion_tokens", tokens},
          {"total_tokens", prompts + tokens}};
}

// The log-probabilities of a completion. The first token of an echoed prompt has none.
Json completion_logprobs(const CompletionRequest& asked, const std::string& prompt,
                         const Answer& answer) {
  Json tokens = Json::array(), values = Json::array(), tops = Json::array(),
       offsets = Json::array();
  int64_t offset = 0;
  const auto add = [&](const std::string& text, const TokenLogprob* token) {
    tokens.push_back(text);
    offsets.push_back(offset);
    offset += int64_t(text.size());
    values.push_back(token ? Json(token->logprob) : Json());
    Json top = Json::object();
    if (token)
      for (const auto& other : token->top) top[other.text] = other.logprob;
    tops.push_back(token ? std::move(top) : Json());
  };
  if (asked.echo) {
    std::string rest;
    for (const auto& token : answer.prompt_logprobs) rest += token.text;
    add(prompt.ends_with(rest) ? prompt.substr(0, prompt.size() - rest.size()) : "", nullptr);
    for (const auto& token : answer.prompt_logprobs) add(token.text, &token);
  }
  if (asked.max_tokens > 0)
    for (const auto& token : answer.logprobs) add(token.text, &token);
  return {{"tokens", tokens},
          {"token_logprobs", values},
          {"top_logprobs", asked.top_logprobs > 0 ? tops : Json()},
          {"text_offset", offsets}};
}

Json chat_logprobs(const Answer& answer) {
  const auto one = [](const std::string& text, double logprob) {
    return Json{{"token", text}, {"logprob", logprob}, {"bytes", Bytes(text.begin(), text.end())}};
  };
  Json content = Json::array();
  for (const auto& token : answer.logprobs) {
    Json given = one(token.text, token.logprob);
    given["top_logprobs"] = Json::array();
    for (const auto& other : token.top)
      given["top_logprobs"].push_back(one(other.text, other.logprob));
    content.push_back(std::move(given));
  }
  return {{"content", content}};
}

Json head_of(const std::string& id, const char* object, const std::string& model) {
  return {{"id", id}, {"object", object}, {"created", now()}, {"model", model}};
}

}  // namespace

Completions::Completions(const Session& session, std::string name, const BatchOptions& options,
                         Metrics& metrics)
    : session_(session),
      name_(std::move(name)),
      metrics_(metrics),
      queue_(options, [this](std::vector<Prompt>& prompts) { return compute(prompts); }) {}

std::vector<Answer> Completions::compute(std::vector<Prompt>& batch) {
  metrics_.batch(int64_t(batch.size()));
  const Finally finish([&] {
    for (const auto& prompt : batch)
      if (prompt.pieces) prompt.pieces->finish();
  });
  std::vector<Exchange> exchanges;
  std::vector<std::vector<int64_t>> ids;
  for (const auto& prompt : batch) {
    if (prompt.ids.empty())
      exchanges.push_back(prompt.exchange);
    else
      ids.push_back(prompt.ids);
  }
  AnswerOptions options = batch.front().options;
  if (batch.front().pieces)
    options.said = [&](int64_t i, const std::string& piece) {
      batch[size_t(i)].pieces->push(piece);
      if (std::ranges::all_of(batch, [](const Prompt& one) { return one.pieces->closed(); }))
        fail(ErrorKind::stopped, "the client has gone");
    };
  auto answers = ids.empty() ? session_.answer(*prompts(std::move(exchanges)), options)
                             : session_.answer_tokens(ids, options);
  int64_t tokens = 0;
  for (const auto& answer : answers) tokens += answer.tokens;
  metrics_.add("patina_generated_tokens_total", tokens);
  return answers;
}

BatchQueue<Completions::Prompt, Answer>::Answer Completions::push(std::vector<Prompt> batch) {
  std::string kind = kind_of(batch.front().options);
  if (!batch.front().ids.empty()) kind += "ids";
  // A streamed answer is not computed again when another one of its batch fails.
  if (batch.front().pieces) kind += fmt::format("#{}", ++count_);
  auto answer = queue_.push(std::move(batch), std::move(kind));
  if (!answer) throw_full();
  return std::move(*answer);
}

Response Completions::answer(CompletionRequest asked) {
  if (!asked.model.empty() && asked.model != name_)
    throw HttpError(
        404, fmt::format("no model is called \"{}\": this server has \"{}\"", asked.model, name_));
  std::vector<Prompt> batch;
  const AnswerOptions options = options_of(asked);
  const auto add = [&](const Exchange& exchange, const std::vector<int64_t>& ids = {}) {
    for (int64_t i = 0; i < asked.n; ++i) {
      Prompt& prompt = batch.emplace_back(Prompt{exchange, ids, options, nullptr});
      // Greedy answers to one prompt are the same; drawn ones have a seed each.
      if (asked.temperature > 0) prompt.options.decoding.seed += i;
      if (asked.stream) prompt.pieces = std::make_shared<Pieces>();
    }
  };
  if (asked.chat) add({.turns = asked.turns, .input = "", .answers = {}});
  for (const auto& prompt : asked.prompts)
    add({.turns = {{"user", prompt}}, .input = "", .answers = {}});
  for (const auto& ids : asked.ids) {
    asked.prompts.push_back(session_.text_of(ids));
    add({}, ids);
  }
  return asked.stream ? streamed(asked, std::move(batch)) : whole(asked, std::move(batch));
}

Response Completions::whole(const CompletionRequest& asked, std::vector<Prompt> batch) {
  // Choices of one number have one seed: a pass answers them together.
  std::vector<BatchQueue<Prompt, Answer>::Answer> coming;
  for (int64_t choice = 0; choice < asked.n; ++choice) {
    std::vector<Prompt> part;
    for (size_t i = size_t(choice); i < batch.size(); i += size_t(asked.n))
      part.push_back(batch[i]);
    coming.push_back(push(std::move(part)));
  }
  std::vector<Answer> answers(batch.size());
  for (size_t choice = 0; choice < coming.size(); ++choice) {
    auto part = coming[choice].get();
    for (size_t i = 0; i < part.size(); ++i)
      answers[i * size_t(asked.n) + choice] = std::move(part[i]);
  }
  const bool without = asked.max_tokens == 0;
  Json json = head_of(fmt::format("{}-{}", asked.chat ? "chatcmpl" : "cmpl", ++count_),
                      asked.chat ? "chat.completion" : "text_completion", name_);
  json["choices"] = Json::array();
  for (size_t i = 0; i < answers.size(); ++i) {
    const Answer& one = answers[i];
    Json choice = {{"index", i}};
    if (asked.chat) {
      choice["message"] = {{"role", "assistant"}, {"content", one.text}};
      choice["logprobs"] = asked.logprobs ? chat_logprobs(one) : Json();
    } else {
      const std::string& prompt = asked.prompts[i / size_t(asked.n)];
      choice["text"] = (asked.echo ? prompt : "") + (without ? "" : one.text);
      choice["logprobs"] = asked.logprobs ? completion_logprobs(asked, prompt, one) : Json();
    }
    choice["finish_reason"] = without ? "length" : finish_of(one);
    json["choices"].push_back(std::move(choice));
  }
  json["usage"] = usage_of(answers, asked.n, without);
  return {.body = dumped(json)};
}

Response Completions::streamed(const CompletionRequest& asked, std::vector<Prompt> batch) {
  struct Part {
    std::shared_ptr<Pieces> pieces;
    BatchQueue<Prompt, Answer>::Answer answer;
  };
  auto parts = std::make_shared<std::vector<Part>>();
  for (auto& prompt : batch) {
    auto pieces = prompt.pieces;
    parts->push_back({std::move(pieces), push({std::move(prompt)})});
  }
  const std::string id = fmt::format("{}-{}", asked.chat ? "chatcmpl" : "cmpl", ++count_);
  const auto stream = [this, asked, parts, id](const Send& send) {
    bool heard = true;
    const auto event = [&](const std::string& text) {
      heard = heard && send("data: " + text + "\n\n");
    };
    const auto chunk = [&](size_t index, const Json& delta, const Json& finish) {
      Json json = head_of(id, asked.chat ? "chat.completion.chunk" : "text_completion", name_);
      Json choice = {{"index", index}};
      if (asked.chat)
        choice["delta"] = delta;
      else
        choice["text"] = delta.value("content", "");
      choice["logprobs"] = Json();
      choice["finish_reason"] = finish;
      json["choices"] = Json::array({choice});
      event(dumped(json));
    };
    std::vector<Answer> answers;
    try {
      for (size_t i = 0; i < parts->size(); ++i) {
        auto& part = (*parts)[i];
        if (asked.chat) chunk(i, {{"role", "assistant"}, {"content", ""}}, Json());
        if (asked.echo) chunk(i, {{"content", asked.prompts[i / size_t(asked.n)]}}, Json());
        while (const auto piece = part.pieces->next()) {
          if (asked.max_tokens > 0) chunk(i, {{"content", *piece}}, Json());
          if (!heard)
            for (auto& one : *parts) one.pieces->close();
        }
        answers.push_back(std::move(part.answer.get().front()));
        chunk(i, Json::object(), finish_of(answers.back()));
      }
      if (asked.stream_usage) {
        Json json = head_of(id, asked.chat ? "chat.completion.chunk" : "text_completion", name_);
        json["choices"] = Json::array();
        json["usage"] = usage_of(answers, asked.n, asked.max_tokens == 0);
        event(dumped(json));
      }
      event("[DONE]");
    } catch (const std::exception& error) {
      // The status was sent long ago: the stream itself says what happened.
      event(dumped({{"error", {{"message", error.what()}, {"type", "server_error"}}}}));
    }
  };
  return {
      .type = "text/event-stream", .headers = {{"Cache-Control", "no-cache"}}, .stream = stream};
}

Response embeddings(const Session& session, const std::string& name, const Request& request,
                    int64_t most) {
  const Json json = json_of(request);
  const JsonObject body(json);
  if (const auto model = body.text("model", ""); !model.empty() && model != name)
    throw HttpError(404,
                    fmt::format("no model is called \"{}\": this server has \"{}\"", model, name));
  const Json& input = body.at("input");
  if (input.is_array() && !input.empty() && !input.front().is_string())
    body.refuse("input", "holds token ids: send texts");
  const auto texts = body.texts("input");
  if (texts.empty() || int64_t(texts.size()) > most)
    body.refuse("input", fmt::format("must be a text or a list of 1 to {} texts", most));
  const std::string format = body.text("encoding_format", "float");
  if (format != "float" && format != "base64")
    body.refuse("encoding_format", "must be float or base64");
  std::vector<Text> given;
  for (const auto& text : texts) given.push_back({text, ""});
  const Features found = session.features(
      *labelled_texts(std::move(given), std::vector<int64_t>(texts.size(), 0), {"text"}));
  const Tensor values = found.values.contiguous();
  if (body.find("dimensions") && body.integer("dimensions", 0, 1) != values.size(1))
    body.refuse("dimensions", fmt::format("must be {}, the model's width", values.size(1)));
  Json data = Json::array();
  for (int64_t i = 0; i < values.size(0); ++i) {
    const Tensor one_row = values[i];
    const std::span<const float> row = host_values(one_row);
    Json one = {{"object", "embedding"}, {"index", i}};
    if (format == "float")
      one["embedding"] = std::vector<float>(row.begin(), row.end());
    else
      one["embedding"] = base64({reinterpret_cast<const uint8_t*>(row.data()), row.size_bytes()});
    data.push_back(std::move(one));
  }
  return {.body = dumped(
              {{"object", "list"},
               {"data", data},
               {"model", name},
               {"usage", {{"prompt_tokens", found.tokens}, {"total_tokens", found.tokens}}}})};
}

}  // namespace patina::serve
