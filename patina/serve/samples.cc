#include "patina/serve/samples.h"

#include <algorithm>

#include "patina/data/formats/instructions.h"
#include "patina/serve/base64.h"
#include "patina/serve/image_size.h"
#include "patina/serve/multipart.h"
#include "patina/text/unicode/unicode.h"

namespace patina::serve {

namespace {

std::span<const uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

[[noreturn]] void wrong_kind(Taken taken) {
  throw HttpError(400, taken == Taken::images ? "this model takes images, and these are texts"
                                              : "this model takes texts, and these are images");
}

std::string checked_text(std::string text, const std::string& what) {
  if (!is_utf8(text)) throw HttpError(400, what + " is not UTF-8");
  return text;
}

// An image in JSON: base64, or a data URL, as a browser makes it.
std::string image_in(std::string_view text, const std::string& place) {
  if (text.starts_with("data:")) {
    const size_t comma = text.find(";base64,");
    text = comma == text.npos ? std::string_view("?") : text.substr(comma + 8);
  }
  auto bytes = base64_decoded(text);
  if (!bytes) throw HttpError(400, fmt::format("\"{}\" is not base64 of an image file", place));
  return std::move(*bytes);
}

// The samples under "images" or "texts".
std::vector<Sample> listed(const JsonObject& body, Taken taken) {
  std::vector<Sample> samples;
  const bool images = body.find("images") != nullptr, texts = body.find("texts") != nullptr;
  if (images == texts)
    throw HttpError(400, taken == Taken::images
                             ? "the body needs \"images\": a list of image files in base64"
                             : "the body needs \"texts\": a list of texts");
  if (images != (taken == Taken::images)) wrong_kind(taken);
  const char* key = images ? "images" : "texts";
  const auto values = body.texts(key);
  for (size_t i = 0; i < values.size(); ++i) {
    Sample& sample = samples.emplace_back();
    if (images)
      sample.encoded = image_in(values[i], fmt::format("{}[{}]", key, i));
    else
      sample.text.first = values[i];
  }
  return samples;
}

// A file or a text of a form.
Sample form_sample(const FormPart& part, Taken taken) {
  Sample sample{.name = part.file};
  if (!is_utf8(sample.name)) sample.name.clear();
  if (taken == Taken::images)
    sample.encoded = part.data;
  else
    sample.text.first = checked_text(std::string(part.data), "a text of the form");
  return sample;
}

// Whether a part is a sample: a file, or of texts a field with one of these names.
bool holds_sample(const FormPart& part, Taken taken) {
  return part.is_file || (taken != Taken::images && (part.name == "text" || part.name == "texts"));
}

int64_t number_in(std::string_view text, const std::string& name, int64_t low, int64_t high) {
  constexpr size_t kMostDigits = 9;
  if (text.empty() || text.size() > kMostDigits ||
      text.find_first_not_of("0123456789") != text.npos)
    throw HttpError(400, fmt::format("\"{}\" must be a whole number", name));
  const int64_t value = std::stoll(std::string(text));
  if (value < low || value > high)
    throw HttpError(400, fmt::format("\"{}\" must be from {} to {}", name, low, high));
  return value;
}

// "top" and "task" of a form or a query.
void take_number(PredictRequest& asked, const std::string& name, std::string_view value) {
  if (name == "top") asked.top = number_in(value, name, 1, kMostClasses);
  if (name == "task") asked.task = number_in(value, name, 0, kMostClasses);
}

// A record with an answer, as in a file of instructions.
Exchange exchange_of(const Json& record, const std::string& place) {
  try {
    auto table = parse_instructions_jsonl(record.dump(), InstructionFields{}, place);
    if (table.records.size() == 1) return std::move(table.records.front());
  } catch (const Error& error) {
    throw HttpError(400, error.what());
  }
  throw HttpError(400, place + " is no record with an instruction and an output");
}

LearnRequest learn_form(const Request& request, Taken taken) {
  LearnRequest learn;
  std::string class_name;
  if (taken == Taken::answers)
    throw HttpError(415,
                    "this model answers with text: send it samples as JSON, "
                    "{\"samples\": [{\"instruction\": ..., \"output\": ...}]}");
  for (const auto& part : parse_form(request.body, *request.header("content-type"))) {
    if (holds_sample(part, taken)) {
      learn.samples.push_back(form_sample(part, taken));
    } else if (part.name == "class") {
      class_name = checked_text(std::string(part.data), "the class");
    } else if (part.name == "id") {
      learn.key = checked_text(std::string(part.data), "the id");
    } else if (part.name == "wait") {
      learn.wait = part.data != "false" && part.data != "0";
    } else {
      throw HttpError(400, fmt::format("the form's field \"{}\" is not known: class, id and wait "
                                       "are, and files",
                                       is_utf8(part.name) ? part.name : "?"));
    }
  }
  for (auto& sample : learn.samples) sample.class_name = class_name;
  return learn;
}

LearnRequest learn_json(const Request& request, Taken taken) {
  const Json json = json_of(request);
  const JsonObject body(json);
  body.only({"class", "images", "texts", "samples", "task", "id", "wait"});
  LearnRequest learn{
      .key = body.text("id", ""), .task = body.text("task", ""), .wait = body.flag("wait", true)};
  if (!body.find("samples")) {
    learn.samples = listed(body, taken);
    if (taken != Taken::answers)
      for (auto& sample : learn.samples) sample.class_name = body.text("class");
    return learn;
  }
  const Json& list = body.list("samples");
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string place = fmt::format("samples[{}]", i);
    Sample& sample = learn.samples.emplace_back();
    if (taken == Taken::answers) {
      sample.exchange = exchange_of(list[i], place);
      sample.text = {sample.exchange->turns.back().content, sample.exchange->input};
      continue;
    }
    const JsonObject one(list[i], place + ".");
    one.only({"class", "image", "text"});
    sample.class_name = one.find("class") ? one.text("class") : body.text("class", "");
    if ((one.find("image") != nullptr) != (taken == Taken::images)) wrong_kind(taken);
    if (taken == Taken::images)
      sample.encoded = image_in(one.text("image"), one.place("image"));
    else
      sample.text.first = one.text("text");
  }
  return learn;
}

}  // namespace

SentSamples::SentSamples(std::vector<Sample> samples, Taken taken)
    : samples_(std::move(samples)), taken_(taken) {
  for (const auto& sample : samples_) {
    const auto at = std::ranges::find(classes_, sample.class_name);
    labels_.push_back(at - classes_.begin());
    if (at == classes_.end()) classes_.push_back(sample.class_name);
  }
  if (taken_ == Taken::answers) classes_ = {"answers"};
}

Image SentSamples::image(int64_t i) const {
  const Sample& one = sample(i);
  return one.encoded.empty() ? one.pixels : decode_image(bytes_of(one.encoded), origin(i));
}

Bytes SentSamples::encoded_image(int64_t i) const {
  const std::string& file = sample(i).encoded;
  return file.empty() ? encode_png(image(i)) : Bytes(file.begin(), file.end());
}

AnswerKind SentSamples::answer_kind() const {
  if (taken_ != Taken::answers) return AnswerKind::label;
  const bool plain = !samples_.empty() && !samples_.front().exchange;
  return plain ? AnswerKind::nothing : AnswerKind::text;
}

Exchange SentSamples::exchange(int64_t i) const {
  return sample(i).exchange.value();
}

std::string SentSamples::origin(int64_t i) const {
  const std::string& name = sample(i).name;
  const char* kind = taken_ == Taken::images ? "image" : "text";
  return name.empty() ? fmt::format("{} {}", kind, i) : fmt::format("{} {} ({})", kind, i, name);
}

void check_samples(const std::vector<Sample>& samples, Taken taken, const SampleLimits& limits) {
  if (samples.empty())
    throw HttpError(400, taken == Taken::images ? "there are no images in the request"
                                                : "there are no texts in the request");
  if (int64_t(samples.size()) > limits.samples)
    throw HttpError(413, fmt::format("the request has {} samples, and at most {} are taken at once",
                                     samples.size(), limits.samples));
  for (size_t i = 0; i < samples.size(); ++i) {
    const Sample& sample = samples[i];
    const std::string place = sample.name.empty() ? fmt::format("image {}", i)
                                                  : fmt::format("image {} ({})", i, sample.name);
    if (taken != Taken::images) {
      if (sample.text.first.find_first_not_of(" \t\r\n") == std::string::npos)
        throw HttpError(400, fmt::format("text {} is empty", i));
      continue;
    }
    if (sample.encoded.empty() && !sample.pixels.pixels.empty()) continue;
    const auto size = image_size(sample.encoded);
    if (!size) throw HttpError(400, place + " is neither a JPEG nor a PNG file");
    if (size->height < 1 || size->width < 1 || size->height > limits.image_pixels / size->width)
      throw HttpError(413, fmt::format("{} has {} x {} pixels, and at most {} are taken: make it "
                                       "smaller",
                                       place, size->width, size->height, limits.image_pixels));
  }
}

PredictRequest parse_predict(const Request& request, Taken taken, const SampleLimits& limits) {
  PredictRequest asked;
  for (const auto& [name, value] : request.query) take_number(asked, name, value);
  const std::string type = request.type();
  if (type == "multipart/form-data") {
    for (const auto& part : parse_form(request.body, *request.header("content-type"))) {
      if (holds_sample(part, taken))
        asked.samples.push_back(form_sample(part, taken));
      else if (part.name == "top" || part.name == "task")
        take_number(asked, part.name, part.data);
      else
        throw HttpError(400, fmt::format("the form's field \"{}\" is not known: top and task are, "
                                         "and files",
                                         is_utf8(part.name) ? part.name : "?"));
    }
  } else if (type.starts_with("image/") || type == "application/octet-stream") {
    if (taken != Taken::images) wrong_kind(taken);
    asked.samples.push_back({.encoded = request.body});
  } else if (type == "text/plain") {
    if (taken == Taken::images) wrong_kind(taken);
    asked.samples.push_back({.text = {checked_text(request.body, "the text"), ""}});
  } else {
    const Json json = json_of(request);
    const JsonObject body(json);
    body.only({"images", "texts", "top", "task"});
    asked.top = body.integer("top", asked.top, 1, kMostClasses);
    asked.task = body.integer("task", asked.task, 0, kMostClasses);
    asked.samples = listed(body, taken);
  }
  check_samples(asked.samples, taken, limits);
  return asked;
}

LearnRequest parse_learn(const Request& request, Taken taken, const SampleLimits& limits) {
  LearnRequest learn = request.type() == "multipart/form-data" ? learn_form(request, taken)
                                                               : learn_json(request, taken);
  if (const std::string* key = request.header("idempotency-key")) learn.key = *key;
  constexpr size_t kLongestKey = 200;
  if (learn.key.size() > kLongestKey || !is_utf8(learn.key))
    throw HttpError(400,
                    fmt::format("the request's id is no text of at most {} bytes", kLongestKey));
  check_samples(learn.samples, taken, limits);
  if (taken != Taken::answers &&
      std::ranges::any_of(learn.samples, [](const Sample& one) { return one.class_name.empty(); }))
    throw HttpError(400, "say which class the samples are of: \"class\"");
  return learn;
}

std::string journal_text(const LearnRequest& request, std::vector<std::string>& blobs) {
  Json samples = Json::array();
  for (const auto& sample : request.samples) {
    Json one = {{"name", sample.name}, {"class", sample.class_name}};
    if (sample.exchange) {
      Json turns = Json::array();
      for (const auto& turn : sample.exchange->turns) turns.push_back({turn.role, turn.content});
      one["turns"] = turns;
      one["input"] = sample.exchange->input;
      one["answers"] = sample.exchange->answers;
    } else if (!sample.encoded.empty()) {
      one["image"] = blobs.size();
      blobs.push_back(sample.encoded);
    } else {
      one["text"] = sample.text.first;
    }
    samples.push_back(std::move(one));
  }
  return Json{{"learn", samples}, {"task", request.task}}.dump();
}

LearnRequest from_journal(const std::string& text, const std::vector<std::string>& blobs) {
  const Json json = parse_json(text, "the journal's request");
  LearnRequest request{.task = json.value("task", "")};
  for (const auto& one : json.at("learn")) {
    Sample& sample = request.samples.emplace_back();
    sample.name = one.value("name", "");
    sample.class_name = one.value("class", "");
    if (one.contains("turns")) {
      Exchange& exchange = sample.exchange.emplace();
      for (const auto& turn : one.at("turns"))
        exchange.turns.push_back({turn.at(0).get<std::string>(), turn.at(1).get<std::string>()});
      exchange.input = one.value("input", "");
      exchange.answers = one.at("answers").get<std::vector<std::string>>();
      sample.text = {exchange.turns.at(exchange.turns.size() - 1).content, exchange.input};
    } else if (one.contains("image")) {
      sample.encoded = blobs.at(one.at("image").get<size_t>());
    } else {
      sample.text.first = one.value("text", "");
    }
  }
  return request;
}

}  // namespace patina::serve
