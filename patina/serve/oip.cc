#include "patina/serve/oip.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>

#include "patina/serve/base64.h"
#include "patina/text/unicode/unicode.h"
#include "patina/version.h"

namespace patina::serve {

namespace {

static_assert(std::endian::native == std::endian::little, "binary tensors are little-endian");

[[noreturn]] void refuse(const std::string& why) {
  throw HttpError(400, why);
}

// The one input of a request, as JSON or as bytes behind the JSON.
struct Input {
  std::string name, type;
  std::vector<int64_t> shape;
  int64_t elements = 1;
  const Json* data = nullptr;
  std::string_view binary;
  bool is_binary = false;

  [[noreturn]] void fault(const std::string& why) const {
    refuse(fmt::format("the input \"{}\" {}", name, why));
  }
};

// Calls take(value) for every number or text of nested lists, in row-major order.
template <class Take>
void flattened(const Json& data, const Take& take, int depth = 0) {
  constexpr int kDeepest = 8;
  if (depth > kDeepest) refuse("\"data\" is nested too deeply");
  if (!data.is_array()) return take(data);
  for (const auto& part : data) flattened(part, take, depth + 1);
}

Input read_input(const Json& json, std::string_view& binary) {
  const JsonObject given(json, "inputs[0].");
  given.only({"name", "shape", "datatype", "parameters", "data"});
  Input input{.name = given.text("name"), .type = given.text("datatype")};
  constexpr int64_t kMostElements = int64_t{1} << 31;
  for (const auto& extent : given.list("shape")) {
    if (!extent.is_number_integer() || extent.get<int64_t>() < 0)
      given.refuse("shape", "must be a list of whole numbers");
    input.shape.push_back(extent.get<int64_t>());
    if (input.shape.back() > 0 && input.elements > kMostElements / input.shape.back())
      given.refuse("shape", "has too many elements");
    input.elements *= input.shape.back();
  }
  if (const Json* parameters = given.find("parameters")) {
    const JsonObject more(*parameters, "inputs[0].parameters.");
    if (more.find("binary_data_size")) {
      const int64_t size = more.integer("binary_data_size", 0, 0);
      if (uint64_t(size) > binary.size())
        refuse("the binary data is shorter than its binary_data_size");
      input.is_binary = true;
      input.binary = binary.substr(0, size_t(size));
      binary.remove_prefix(size_t(size));
    }
  }
  if (!input.is_binary) input.data = &given.at("data");
  return input;
}

// The elements of a BYTES tensor: each has its length before it in binary form.
std::vector<std::string> byte_elements(const Input& input) {
  std::vector<std::string> elements;
  if (!input.is_binary) {
    flattened(*input.data, [&](const Json& one) {
      if (!one.is_string()) input.fault("must hold texts");
      elements.push_back(one.get<std::string>());
    });
    return elements;
  }
  std::string_view rest = input.binary;
  while (!rest.empty()) {
    uint32_t length = 0;
    if (rest.size() < sizeof length) input.fault("ends within an element");
    std::memcpy(&length, rest.data(), sizeof length);
    rest.remove_prefix(sizeof length);
    if (length > rest.size()) input.fault("ends within an element");
    elements.emplace_back(rest.substr(0, length));
    rest.remove_prefix(length);
  }
  return elements;
}

uint8_t pixel(double value) {
  return uint8_t(std::clamp(value, 0.0, 1.0) * 255 + 0.5);
}

// Pixels as 0 to 255, in the order of the tensor.
std::vector<uint8_t> pixel_values(const Input& input) {
  const bool is_float = input.type == "FP32";
  std::vector<uint8_t> values;
  // Values a little outside come from resampling; far outside are those that were normalised.
  constexpr double kSlack = 0.01;
  const auto add = [&](double value) {
    if (is_float && !(value >= -kSlack && value <= 1 + kSlack))
      input.fault(
          "has values outside [0, 1]: FP32 pixels are not normalised; UINT8 ones are 0 to "
          "255");
    if (!is_float && !(value >= 0 && value <= 255)) input.fault("has values outside 0 to 255");
    values.push_back(is_float ? pixel(value) : uint8_t(value));
  };
  if (!input.is_binary) {
    flattened(*input.data, [&](const Json& one) {
      if (is_float ? !one.is_number() : !one.is_number_integer()) input.fault("must hold numbers");
      add(one.get<double>());
    });
  } else if (is_float) {
    if (input.binary.size() % sizeof(float) != 0) input.fault("ends within a number");
    for (size_t at = 0; at < input.binary.size(); at += sizeof(float)) {
      float value = 0;
      std::memcpy(&value, input.binary.data() + at, sizeof value);
      add(value);
    }
  } else {
    values.assign(input.binary.begin(), input.binary.end());
  }
  return values;
}

std::vector<Sample> images_of(const Input& input, const SampleLimits& limits) {
  const auto& shape = input.shape;
  if (shape.size() != 4 || shape[1] != 3 || shape[0] < 1 || shape[2] < 1 || shape[3] < 1)
    input.fault("must have the shape [N,3,H,W]");
  if (shape[0] > limits.samples || shape[2] > kLargestSide || shape[3] > kLargestSide ||
      shape[2] > limits.image_pixels / shape[3])
    throw HttpError(413, fmt::format("the input \"{}\" has more than {} images, or images of more "
                                     "than {} pixels",
                                     input.name, limits.samples, limits.image_pixels));
  const auto values = pixel_values(input);
  if (int64_t(values.size()) != input.elements)
    input.fault(fmt::format("has {} values, and its shape has {}", values.size(), input.elements));
  std::vector<Sample> samples;
  const size_t plane = size_t(shape[2] * shape[3]);
  for (int64_t n = 0; n < shape[0]; ++n) {
    Image& image = samples.emplace_back().pixels = Image(int(shape[2]), int(shape[3]));
    for (size_t channel = 0; channel < 3; ++channel)
      for (size_t i = 0; i < plane; ++i)
        image.pixels[3 * i + channel] = values[(size_t(n) * 3 + channel) * plane + i];
  }
  return samples;
}

std::vector<Sample> samples_of(const Input& input, Taken taken, const SampleLimits& limits) {
  if (taken == Taken::images && (input.type == "FP32" || input.type == "UINT8"))
    return images_of(input, limits);
  if (input.type != "BYTES")
    input.fault(taken == Taken::images
                    ? "must be BYTES (image files), or pixels [N,3,H,W], FP32 or UINT8"
                    : "must be BYTES (texts)");
  std::vector<Sample> samples;
  auto elements = byte_elements(input);
  if (int64_t(elements.size()) != input.elements)
    input.fault(
        fmt::format("has {} elements, and its shape has {}", elements.size(), input.elements));
  for (auto& element : elements) {
    Sample& sample = samples.emplace_back();
    if (taken != Taken::images) {
      if (!is_utf8(element)) input.fault("has a text that is not UTF-8");
      sample.text.first = std::move(element);
    } else if (input.is_binary) {
      sample.encoded = std::move(element);
    } else {
      auto bytes = base64_decoded(element);
      if (!bytes) input.fault("has an element that is not base64 of an image file");
      sample.encoded = std::move(*bytes);
    }
  }
  return samples;
}

}  // namespace

InferRequest parse_infer(const Request& request, Taken taken, const SampleLimits& limits) {
  Request text{.headers = request.headers};
  std::string_view binary;
  if (const std::string* length = request.header("inference-header-content-length")) {
    constexpr size_t kMostDigits = 18;
    if (length->empty() || length->size() > kMostDigits ||
        length->find_first_not_of("0123456789") != length->npos ||
        std::stoull(*length) > request.body.size())
      refuse(
          "Inference-Header-Content-Length is not the length of the JSON before the binary data");
    const size_t size = std::stoull(*length);
    text.body = request.body.substr(0, size);
    binary = std::string_view(request.body).substr(size);
    std::erase_if(text.headers, [](const auto& header) { return header.first == "content-type"; });
  } else {
    text.body = request.body;
  }
  const Json json = json_of(text);
  const JsonObject body(json);
  body.only({"id", "parameters", "inputs", "outputs"});
  InferRequest infer{.id = body.text("id", "")};
  bool all_binary = false;
  if (const Json* given = body.find("parameters")) {
    const JsonObject parameters(*given, "parameters.");
    infer.asked.top = parameters.integer("top", infer.asked.top, 1, kMostClasses);
    infer.asked.task = parameters.integer("task", infer.asked.task, 0, kMostClasses);
    all_binary = parameters.flag("binary_data_output", false);
  }
  if (const Json* outputs = body.find("outputs")) {
    if (!outputs->is_array()) body.refuse("outputs", "must be a list");
    for (size_t i = 0; i < outputs->size(); ++i) {
      const JsonObject output((*outputs)[i], fmt::format("outputs[{}].", i));
      output.only({"name", "parameters"});
      InferRequest::Output one{.name = output.text("name"), .binary = all_binary};
      if (one.name != "class" && one.name != "score")
        output.refuse("name", fmt::format("is \"{}\", and the outputs are \"class\" and \"score\"",
                                          one.name));
      if (const Json* given = output.find("parameters")) {
        const JsonObject parameters(*given, fmt::format("outputs[{}].parameters.", i));
        one.binary = parameters.flag("binary_data", one.binary);
      }
      infer.outputs.push_back(std::move(one));
    }
  }
  if (infer.outputs.empty()) infer.outputs = {{"class", all_binary}, {"score", all_binary}};
  const Json& inputs = body.list("inputs");
  if (inputs.size() != 1)
    refuse(fmt::format("the request has {} inputs, and the model has one", inputs.size()));
  const Input input = read_input(inputs[0], binary);
  if (!binary.empty()) refuse("there is binary data that no input names");
  infer.asked.samples = samples_of(input, taken, limits);
  check_samples(infer.asked.samples, taken, limits);
  return infer;
}

Response infer_response(const InferRequest& request, const std::string& model,
                        const std::vector<std::vector<Scored>>& found) {
  Json json = {{"model_name", model}, {"model_version", "1"}};
  if (!request.id.empty()) json["id"] = request.id;
  const size_t top = found.empty() ? 0 : found.front().size();
  std::string binary;
  bool any_binary = false;
  json["outputs"] = Json::array();
  for (const auto& output : request.outputs) {
    const bool names = output.name == "class";
    Json one = {{"name", output.name},
                {"datatype", names ? "BYTES" : "FP32"},
                {"shape", Json::array({found.size(), top})}};
    const size_t before = binary.size();
    Json data = Json::array();
    for (const auto& row : found)
      for (const auto& scored : row) {
        if (!output.binary) {
          data.push_back(names ? Json(scored.name) : Json(scored.score));
        } else if (names) {
          const auto length = uint32_t(scored.name.size());
          binary.append(reinterpret_cast<const char*>(&length), sizeof length);
          binary += scored.name;
        } else {
          const auto score = float(scored.score);
          binary.append(reinterpret_cast<const char*>(&score), sizeof score);
        }
      }
    if (output.binary)
      one["parameters"] = {{"binary_data_size", binary.size() - before}};
    else
      one["data"] = std::move(data);
    any_binary |= output.binary;
    json["outputs"].push_back(std::move(one));
  }
  Response response{.body = json.dump()};
  if (!any_binary) return response;
  response.headers.emplace_back("Inference-Header-Content-Length",
                                std::to_string(response.body.size()));
  response.type = "application/octet-stream";
  response.body += binary;
  return response;
}

Json server_metadata() {
  return {{"name", "patina"},
          {"version", kVersion},
          {"extensions", Json::array({"binary_tensor_data"})}};
}

Json model_metadata(const std::string& model, Taken taken) {
  const auto tensor = [](const char* name, const char* type, int dimensions) {
    return Json{
        {"name", name}, {"datatype", type}, {"shape", std::vector<int>(size_t(dimensions), -1)}};
  };
  return {{"name", model},
          {"versions", Json::array({"1"})},
          {"platform", "patina"},
          {"inputs", Json::array({tensor(taken == Taken::images ? "image" : "text", "BYTES", 1)})},
          {"outputs", Json::array({tensor("class", "BYTES", 2), tensor("score", "FP32", 2)})}};
}

}  // namespace patina::serve
