#include "patina/serve/service.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <semaphore>

#include "patina/base/cores.h"
#include "patina/base/error.h"
#include "patina/data/files.h"
#include "patina/serve/completions.h"
#include "patina/serve/guard.h"
#include "patina/serve/metrics.h"
#include "patina/serve/oip.h"

extern const unsigned char patina_serve_page[];
extern const unsigned char patina_serve_page_end[];

namespace patina::serve {

namespace {

bool of_openai(const std::string& path) {
  return std::ranges::any_of(
      std::array{"/v1/models", "/v1/completions", "/v1/chat/completions", "/v1/embeddings"},
      [&](const char* own) { return path.starts_with(own); });
}

std::string error_body(bool openai, int status, const std::string& message) {
  const Json json = openai
                        ? Json{{"error",
                                {{"message", message},
                                 {"type", status < 500 ? "invalid_request_error" : "server_error"},
                                 {"param", nullptr},
                                 {"code", status}}}}
                        : Json{{"error", message}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Response json_response(const Json& json, int status = 200) {
  return {.status = status, .body = json.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

[[noreturn]] void not_found(const Request& request) {
  throw HttpError(404, fmt::format("there is nothing at {}", request.path));
}

[[noreturn]] void unknown_model(const std::string& asked, const std::string& name) {
  throw HttpError(404,
                  fmt::format("no model is called \"{}\": this server has \"{}\"", asked, name));
}

Taken taken_by(const Session& session) {
  if (session.answers()) return Taken::answers;
  return session.reads_texts() ? Taken::texts : Taken::images;
}

const char* name_of(Taken taken) {
  return taken == Taken::images ? "images" : taken == Taken::texts ? "texts" : "prompts";
}

}  // namespace

struct Service::State {
  using Found = std::vector<Prediction>;
  struct Asked {
    Sample sample;
    int64_t top, task;
  };

  Session session;
  const fs::path artefact;
  const ServiceOptions options;
  const Guard guard;
  const Taken taken;
  Metrics metrics;
  std::atomic<bool> stopping{false};
  // Images that are decoded to be checked hold memory: so many at a time.
  std::counting_semaphore<> decoding{usable_cores()};
  int64_t replayed = 0;
  std::unique_ptr<Journal> journal;
  std::unique_ptr<Lessons> lessons;
  std::unique_ptr<BatchQueue<Asked, Found>> predictions;
  std::unique_ptr<Completions> completions;
  std::unique_ptr<Server> server;  // the last: it uses all others

  State(Session given, fs::path file, ServiceOptions opts)
      : session(std::move(given)),
        artefact(std::move(file)),
        options(std::move(opts)),
        guard(options.host, options.token),
        taken(taken_by(session)) {}

  void log(std::string_view text) const {
    if (options.log) options.log(text);
  }

  void begin() {
    metrics.counter("patina_learned_samples_total", "Samples learned since the start.");
    metrics.counter("patina_lessons_refused_total", "Requests to learn that were refused.");
    metrics.counter("patina_saves_total", "How often the artefact was saved.");
    metrics.counter("patina_generated_tokens_total", "Tokens of answers.");
    if (options.learns) begin_learning();
    if (taken == Taken::answers)
      completions = std::make_unique<Completions>(session, options.name, options.batches, metrics);
    else
      predictions = std::make_unique<BatchQueue<Asked, Found>>(
          options.batches, [this](std::vector<Asked>& asked) { return predict(asked); });
    metrics.gauge("patina_queue_length", "Samples or prompts that wait for their batch.", [this] {
      return double(completions ? completions->waiting() : predictions->length());
    });
    metrics.gauge("patina_connections", "Open connections.",
                  [this] { return server ? double(server->connections()) : 0; });
    metrics.gauge("patina_lessons_waiting", "Requests to learn that wait.",
                  [this] { return lessons ? double(lessons->waiting()) : 0; });
    metrics.gauge("patina_lessons_unsaved", "Requests learned since the artefact was saved.",
                  [this] { return lessons ? double(lessons->unsaved()) : 0; });
    metrics.gauge("patina_classes", "Classes that are known.",
                  [this] { return double(session.classes().size()); });
    server = std::make_unique<Server>(
        options.host, options.port, options.limits,
        Handlers{.admit = [this](const Request& request) { return admit(request); },
                 .answer = [this](const Request& request) { return timed(request); },
                 .refused =
                     [](int status, const std::string& message) {
                       return Response{.status = status,
                                       .body = error_body(false, status, message)};
                     }});
  }

  void begin_learning() {
    fs::path beside = artefact;
    beside += ".journal";
    journal = std::make_unique<Journal>(beside, session.journal());
    if (journal->cut() > 0)
      log(fmt::format("{}: {} bytes at its end were half written and never acknowledged",
                      beside.string(), journal->cut()));
    replayed = int64_t(journal->pending().size());
    if (replayed > 0) log(fmt::format("learning {} requests of {}", replayed, beside.string()));
    lessons = std::make_unique<Lessons>(
        *journal, session.journal(), options.lessons,
        Lessons::Work{.learn = [this](const JournalEntry& entry) { return learn(entry); },
                      .save =
                          [this](const std::string& mark) {
                            session.save(artefact, {.with_backbone = session.carried_backbone(),
                                                    .journal = mark});
                            metrics.add("patina_saves_total", 1);
                          },
                      .warn = [this](const std::string& text) { log(text); }});
  }

  void stop() {
    if (stopping.exchange(true)) return;
    if (server) server->stop();
    if (predictions) predictions->stop();
    if (completions) completions->stop();
    if (lessons) lessons->stop();
  }

  // Learning.

  std::string learn(const JournalEntry& entry) {
    try {
      const Json json = parse_json(entry.request, "the journal's request");
      Json told;
      if (json.contains("forget")) {
        session.forget(json.at("forget").get<std::string>());
        told = {{"forgot", json.at("forget")}};
      } else {
        LearnRequest request = from_journal(entry.request, entry.blobs);
        const auto count = int64_t(request.samples.size());
        const auto source = std::make_shared<const SentSamples>(std::move(request.samples), taken);
        session.learn(source, request.task);
        // Only a learner that keeps samples reads them again.
        if (!session.keeps_samples()) source->release();
        metrics.add("patina_learned_samples_total", count);
        told = {{"samples", count}};
        if (taken != Taken::answers) told["classes"] = source->classes();
      }
      if (taken == Taken::answers)
        told["tasks"] = session.tasks();
      else
        told["known"] = session.classes().size();
      return told.dump(-1, ' ', false, Json::error_handler_t::replace);
    } catch (const std::exception&) {
      metrics.add("patina_lessons_refused_total", 1);
      throw;
    }
  }

  // What is wrong with a request is said before it is in the journal, as far as it can be known.
  void check_lesson(const LearnRequest& request) {
    if (taken == Taken::answers) return;
    std::vector<std::string> names;
    for (const auto& sample : request.samples) names.push_back(sample.class_name);
    check_class_names(names, "the request");
    if (taken != Taken::images) return;
    const SentSamples source(request.samples, taken);
    for (int64_t i = 0; i < source.size(); ++i) {
      decoding.acquire();
      const Finally release([this] { decoding.release(); });
      source.image(i);
    }
  }

  void must_learn() const {
    if (!lessons)
      throw HttpError(403, "this server does not learn: it was started with --no-learn");
  }

  Response lesson_response(uint64_t sequence, const Lesson& lesson, bool repeated) const {
    if (lesson.state == LessonState::refused) throw HttpError(lesson.status, lesson.why);
    Json json = {{"sequence", sequence},
                 {"state", lesson.state == LessonState::learned ? "learned" : "waiting"}};
    if (repeated) json["repeated"] = true;
    if (!lesson.result.empty()) json.update(Json::parse(lesson.result));
    return json_response(json, lesson.state == LessonState::learned ? 200 : 202);
  }

  Response hand_in(JournalEntry entry, bool wait) {
    const HandedIn handed = lessons->hand_in(std::move(entry));
    if (handed.how == HandedIn::How::full) throw_full();
    const bool repeated = handed.how == HandedIn::How::repeated;
    return lesson_response(
        handed.sequence,
        wait ? lessons->wait_for(handed.sequence) : lessons->state_of(handed.sequence), repeated);
  }

  Response answer_learn(const Request& request) {
    must_learn();
    LearnRequest asked = parse_learn(request, taken, options.samples);
    if (!lessons->find(asked.key)) check_lesson(asked);
    JournalEntry entry{.key = asked.key};
    entry.request = journal_text(asked, entry.blobs);
    return hand_in(std::move(entry), asked.wait);
  }

  Response answer_forget(const Request& request) {
    must_learn();
    const Json json = json_of(request);
    const JsonObject body(json);
    body.only({"class", "id", "wait"});
    JournalEntry entry{.key = body.text("id", "")};
    if (const std::string* key = request.header("idempotency-key")) entry.key = *key;
    entry.request = Json{{"forget", body.text("class")}}.dump();
    return hand_in(std::move(entry), body.flag("wait", true));
  }

  // Predicting.

  std::vector<Found> predict(std::vector<Asked>& asked) {
    metrics.batch(int64_t(asked.size()));
    PredictOptions how{.top = 1, .task = asked.front().task};
    std::vector<Sample>
        samples;  // copies: where the batch fails, its requests are asked one by one
    for (const auto& one : asked) {
      how.top = std::max(how.top, one.top);
      samples.push_back(one.sample);
    }
    const SentSamples source(std::move(samples), taken);
    auto found = session.predict(source, how);
    for (size_t i = 0; i < asked.size(); ++i)
      if (int64_t(found[i].size()) > asked[i].top) found[i].resize(size_t(asked[i].top));
    return found;
  }

  std::vector<Found> predicted(PredictRequest& request) {
    if (!predictions)
      throw HttpError(400,
                      "this model answers with text: ask /v1/completions or "
                      "/v1/chat/completions");
    if (session.classes().empty())
      throw HttpError(409, "nothing has been learned yet: teach a class with /v1/learn");
    std::vector<Asked> asked;
    for (auto& sample : request.samples)
      asked.push_back({std::move(sample), request.top, request.task});
    auto coming = predictions->push(std::move(asked), std::to_string(request.task));
    if (!coming) throw_full();
    return coming->get();
  }

  Response answer_predict(const Request& request) {
    PredictRequest asked = parse_predict(request, taken, options.samples);
    std::vector<std::string> names;
    for (const auto& sample : asked.samples) names.push_back(sample.name);
    const auto found = predicted(asked);
    Json list = Json::array();
    for (size_t i = 0; i < found.size(); ++i) {
      Json one = Json::object(), classes = Json::array();
      if (!names[i].empty()) one["file"] = names[i];
      for (const auto& best : found[i])
        classes.push_back({{"class", best.name}, {"score", best.score}});
      one["classes"] = std::move(classes);
      list.push_back(std::move(one));
    }
    return json_response({{"model", options.name}, {"predictions", std::move(list)}});
  }

  Response answer_infer(const Request& request) {
    InferRequest asked = parse_infer(request, taken, options.samples);
    std::vector<std::vector<Scored>> rows;
    for (const auto& row : predicted(asked.asked)) {
      auto& scored = rows.emplace_back();
      for (const auto& best : row) scored.push_back({best.name, best.score});
    }
    return infer_response(asked, options.name, rows);
  }

  // Routes.

  Response about() const {
    Json json = {{"model", options.name},        {"takes", name_of(taken)},
                 {"learner", session.learner()}, {"backbone", session.about()},
                 {"learns", lessons != nullptr}, {"tasks", session.tasks()}};
    if (taken != Taken::answers) json["classes"] = session.classes();
    return json_response(json);
  }

  Response models() const {
    return json_response({{"object", "list"},
                          {"data", Json::array({Json{{"id", options.name},
                                                     {"object", "model"},
                                                     {"created", 0},
                                                     {"owned_by", "patina"}}})}});
  }

  // The Open Inference Protocol below /v2.
  Response open_inference(const Request& request, std::string& route) {
    const auto& parts = request.parts;
    if (parts.size() == 1) return route = "/v2", json_response(server_metadata());
    if (parts[1] == "health" && parts.size() == 3) {
      route = "/v2/health";
      // The specification calls both of them live.
      if (parts[2] == "live") return json_response({{"live", true}});
      if (parts[2] == "ready")
        return json_response({{"live", true}, {"ready", !stopping.load()}}, stopping ? 503 : 200);
    }
    if (parts[1] != "models" || parts.size() < 3) not_found(request);
    if (parts[2] != options.name) unknown_model(parts[2], options.name);
    size_t next = 3;
    if (parts.size() >= 5 && parts[3] == "versions") {
      if (parts[4] != "1")
        throw HttpError(404,
                        fmt::format("the model has no version \"{}\": it has \"1\"", parts[4]));
      next = 5;
    }
    if (parts.size() == next) {
      route = "/v2/models/NAME";
      return json_response(model_metadata(options.name, taken));
    }
    if (parts.size() == next + 1 && parts[next] == "ready") {
      route = "/v2/models/NAME/ready";
      return json_response({{"name", options.name}, {"ready", !stopping.load()}});
    }
    if (parts.size() == next + 1 && parts[next] == "infer") {
      route = "/v2/models/NAME/infer";
      must_be(request, "POST");
      return answer_infer(request);
    }
    not_found(request);
  }

  static void must_be(const Request& request, const char* method) {
    if (request.method != method)
      throw HttpError(405, fmt::format("{} is asked with {}", request.path, method));
  }

  void must_answer() const {
    if (!completions)
      throw HttpError(400,
                      "this model chooses among classes and writes no text: ask /v1/predict or "
                      "/v2/models/NAME/infer");
  }

  // `route` is the request's pattern, for the metrics.
  Response answer(const Request& request, std::string& route) {
    const auto& parts = request.parts;
    const bool reads = request.method == "GET" || request.method == "HEAD";
    const auto is = [&](const char* path) {
      if (request.path != path) return false;
      route = path;
      return true;
    };
    if (!reads && request.method != "POST")
      throw HttpError(405, fmt::format("{} is not known here: GET and POST are", request.method));
    if (is("/v1/predict")) return must_be(request, "POST"), answer_predict(request);
    if (is("/v1/learn")) return must_be(request, "POST"), answer_learn(request);
    if (is("/v1/forget")) return must_be(request, "POST"), answer_forget(request);
    if (is("/v1/completions") || is("/v1/chat/completions")) {
      must_be(request, "POST");
      must_answer();
      return completions->answer(parse_completion(request, parts.size() == 3));
    }
    if (is("/v1/embeddings")) {
      must_be(request, "POST");
      if (taken == Taken::images) throw HttpError(400, "this model takes images, and no texts");
      return embeddings(session, options.name, request, options.samples.samples);
    }
    if (!parts.empty() && parts[0] == "v2") return open_inference(request, route);
    must_be(request, reads ? request.method.c_str() : "GET");
    if (is("/")) return page();
    if (is("/healthz")) return json_response({{"status", "ok"}});
    if (is("/metrics"))
      return {.body = metrics.text(), .type = "text/plain; version=0.0.4; charset=utf-8"};
    if (is("/v1/session")) return about();
    if (is("/v1/models")) return models();
    if (parts.size() == 3 && parts[0] == "v1" && parts[1] == "models") {
      route = "/v1/models/NAME";
      if (parts[2] != options.name) unknown_model(parts[2], options.name);
      return models();
    }
    if (parts.size() == 3 && parts[0] == "v1" && parts[1] == "learn") {
      route = "/v1/learn/NUMBER";
      return lesson(parts[2]);
    }
    not_found(request);
  }

  Response lesson(const std::string& number) {
    must_learn();
    constexpr size_t kMostDigits = 18;
    const bool valid = !number.empty() && number.size() <= kMostDigits &&
                       number.find_first_not_of("0123456789") == number.npos;
    const uint64_t sequence = valid ? std::stoull(number) : 0;
    if (sequence < 1 || sequence > journal->last())
      throw HttpError(404, "no request to learn has this number");
    return lesson_response(sequence, lessons->state_of(sequence), false);
  }

  static Response page() {
    return {.body = std::string(reinterpret_cast<const char*>(patina_serve_page),
                                size_t(patina_serve_page_end - patina_serve_page)),
            .type = "text/html; charset=utf-8",
            // It loads nothing from elsewhere, and no other page may show it in a frame.
            .headers = {{"Content-Security-Policy",
                         "default-src 'none'; script-src 'unsafe-inline'; style-src "
                         "'unsafe-inline'; img-src blob: data:; connect-src 'self'; "
                         "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"},
                        {"X-Content-Type-Options", "nosniff"}}};
  }

  std::optional<Response> admit(const Request& request) {
    const auto refusal = guard.refusal(request);
    if (!refusal) return std::nullopt;
    metrics.answered("refused", refusal->status, 0);
    Response response{.status = refusal->status,
                      .body = error_body(of_openai(request.path), refusal->status, refusal->why)};
    if (refusal->status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
    return response;
  }

  Response timed(const Request& request) {
    const auto begin = std::chrono::steady_clock::now();
    std::string route = "other";
    Response response;
    try {
      response = answer(request, route);
    } catch (const std::exception& error) {
      const auto [status, message] = status_of_caught();
      if (status == 500) log(fmt::format("{} {}: {}", request.method, request.path, error.what()));
      response = {.status = status, .body = error_body(of_openai(request.path), status, message)};
      if (status == 429 || status == 503) response.headers.emplace_back("Retry-After", "1");
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    metrics.answered(route, response.status, took.count());
    return response;
  }
};

Service::Service(Session session, fs::path artefact, ServiceOptions options)
    : state_(std::make_unique<State>(std::move(session), std::move(artefact), std::move(options))) {
  state_->begin();
}

Service::~Service() {
  state_->stop();
}

int Service::port() const {
  return state_->server->port();
}

int64_t Service::replayed() const {
  return state_->replayed;
}

void Service::stop() {
  state_->stop();
}

}  // namespace patina::serve
