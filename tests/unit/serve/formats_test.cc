// The requests of the protocols: what is read of them, and what is refused.
#include <gtest/gtest.h>

#include "patina/serve/base64.h"
#include "patina/serve/oip.h"
#include "patina/serve/openai.h"
#include "patina/serve/samples.h"
#include "tests/support/errors.h"
#include "tests/unit/serve/statuses.h"

namespace patina::serve {
namespace {

Request sent(std::string body, const std::string& type = "application/json", Headers more = {}) {
  Request request{.method = "POST", .headers = std::move(more), .body = std::move(body)};
  request.headers.emplace_back("content-type", type);
  return request;
}

std::string picture(int height = 2, int width = 3) {
  Image image(height, width);
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = uint8_t(7 * i);
  const Bytes file = encode_png(image);
  return {file.begin(), file.end()};
}

std::string coded(const std::string& bytes) {
  return base64({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

constexpr SampleLimits kLimits{.samples = 4, .image_pixels = 100};

PredictRequest predicted(const Request& request, Taken taken) {
  return parse_predict(request, taken, kLimits);
}

TEST(Samples, OfEveryForm) {
  const std::string file = picture();
  const auto json =
      predicted(sent(R"({"images": [")" + coded(file) + R"("], "top": 5})"), Taken::images);
  ASSERT_EQ(json.samples.size(), 1u);
  EXPECT_EQ(json.samples[0].encoded, file);
  EXPECT_EQ(json.top, 5);
  EXPECT_EQ(json.task, -1);
  const auto url = predicted(
      sent(R"({"images": ["data:image/png;base64,)" + coded(file) + R"("]})"), Taken::images);
  EXPECT_EQ(url.samples[0].encoded, file);
  Request raw = sent(file, "image/png");
  raw.query = {{"top", "2"}, {"task", "1"}};
  EXPECT_EQ(predicted(raw, Taken::images).samples[0].encoded, file);
  EXPECT_EQ(predicted(raw, Taken::images).top, 2);
  EXPECT_EQ(predicted(raw, Taken::images).task, 1);
  const auto form = predicted(sent("--b\r\nContent-Disposition: form-data; "
                                   "name=\"top\"\r\n\r\n3\r\n--b\r\nContent-Disposition: "
                                   "form-data; name=\"f\"; filename=\"a.png\"\r\n\r\n" +
                                       file + "\r\n--b--",
                                   "multipart/form-data; boundary=b"),
                              Taken::images);
  EXPECT_EQ(form.top, 3);
  EXPECT_EQ(form.samples[0].name, "a.png");
  EXPECT_EQ(form.samples[0].encoded, file);
  EXPECT_EQ(predicted(sent(R"({"texts": ["a", "b"]})"), Taken::texts).samples[1].text.first, "b");
  EXPECT_EQ(predicted(sent("hello", "text/plain"), Taken::texts).samples[0].text.first, "hello");

  const SentSamples source(form.samples, Taken::images);
  EXPECT_EQ(source.image(0).pixels[5], 35);
  EXPECT_EQ(source.origin(0), "image 0 (a.png)");
  const Bytes kept = source.encoded_image(0);
  EXPECT_EQ(std::string(kept.begin(), kept.end()), file) << "byte for byte";
}

TEST(Samples, Refused) {
  const std::string file = picture();
  const auto status = [](const Request& request, Taken taken) {
    return status_of_error([&] { predicted(request, taken); });
  };
  EXPECT_EQ(status(sent(R"({"texts": ["a"]})"), Taken::images), 400);
  EXPECT_EQ(status(sent(file, "image/png"), Taken::texts), 400);
  EXPECT_EQ(status(sent("{}"), Taken::images), 400);
  EXPECT_EQ(status(sent(R"({"images": []})"), Taken::images), 400);
  EXPECT_EQ(status(sent(R"({"images": ["!"]})"), Taken::images), 400);
  EXPECT_EQ(status(sent(R"({"images": ["AAAA"]})"), Taken::images), 400) << "no image";
  EXPECT_EQ(status(sent(R"({"texts": ["a", "b", "c", "d", "e"]})"), Taken::texts), 413);
  EXPECT_EQ(status(sent(picture(10, 11), "image/png"), Taken::images), 413);
  EXPECT_EQ(status(sent(picture(10, 10), "image/png"), Taken::images), 0);
  EXPECT_EQ(status(sent("{\"texts\": [\"a\"]"), Taken::texts), 400);
  EXPECT_EQ(status(sent("{\"texts\": [\"\xff\"]}"), Taken::texts), 400);
  EXPECT_EQ(status(sent("\xff", "text/plain"), Taken::texts), 400);
  EXPECT_EQ(status(sent("a=b", "application/x-www-form-urlencoded"), Taken::texts), 415);
  EXPECT_EQ(refusal_of([&] { predicted(sent(R"({"texts": ["a"], "tops": 1})"), Taken::texts); }),
            "\"tops\" is not known here, did you mean \"top\"?");
}

TEST(Samples, ToLearnGoThroughTheJournal) {
  const std::string file = picture();
  const auto request = parse_learn(
      sent(R"({"class": "cat", "samples": [{"image": ")" + coded(file) + R"("}, {"image": ")" +
           coded(file) + R"(", "class": "dog"}], "id": "k", "wait": false})"),
      Taken::images, kLimits);
  EXPECT_EQ(request.key, "k");
  EXPECT_FALSE(request.wait);
  std::vector<std::string> blobs;
  const std::string text = journal_text(request, blobs);
  EXPECT_FALSE(contains(text, coded(file))) << "bytes are stored as bytes";
  const SentSamples source(from_journal(text, blobs).samples, Taken::images);
  EXPECT_EQ(source.classes(), (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(source.label(1), 1);
  EXPECT_EQ(source.image(1).pixels[5], 35);

  const auto answers = parse_learn(
      sent(
          R"({"task": "t", "samples": [{"instruction": "Greet", "input": "Ada", "output": "Hi"}]})"),
      Taken::answers, kLimits);
  blobs.clear();
  const LearnRequest again = from_journal(journal_text(answers, blobs), blobs);
  EXPECT_EQ(again.task, "t");
  const SentSamples letters(again.samples, Taken::answers);
  EXPECT_EQ(letters.answer_kind(), AnswerKind::text);
  EXPECT_EQ(letters.exchange(0).turns.back().content, "Greet");
  EXPECT_EQ(letters.exchange(0).input, "Ada");
  EXPECT_EQ(letters.exchange(0).answers, std::vector<std::string>{"Hi"});
  const auto plain = parse_learn(sent(R"({"texts": ["once"]})"), Taken::answers, kLimits);
  EXPECT_EQ(SentSamples(plain.samples, Taken::answers).answer_kind(), AnswerKind::nothing);

  EXPECT_EQ(refusal_of([&] { parse_learn(sent(R"({"texts": ["a"]})"), Taken::texts, kLimits); }),
            "\"class\" is missing");
  EXPECT_EQ(refusal_of([&] {
              parse_learn(sent(R"({"samples": [{"text": "a"}]})"), Taken::texts, kLimits);
            }),
            "say which class the samples are of: \"class\"");
  EXPECT_EQ(parse_learn(sent(R"({"texts": ["a"], "class": "x"})", "application/json",
                             {{"idempotency-key", "from the header"}}),
                        Taken::texts, kLimits)
                .key,
            "from the header");
}

TEST(Oip, TensorsInJson) {
  const InferRequest texts = parse_infer(
      sent(R"({"id": "7", "parameters": {"top": 2}, "inputs": [{"name": "text", "datatype": "BYTES",
               "shape": [2, 1], "data": [["a"], ["b"]]}], "outputs": [{"name": "score"}]})"),
      Taken::texts, kLimits);
  EXPECT_EQ(texts.id, "7");
  EXPECT_EQ(texts.asked.top, 2);
  ASSERT_EQ(texts.asked.samples.size(), 2u);
  EXPECT_EQ(texts.asked.samples[1].text.first, "b");
  ASSERT_EQ(texts.outputs.size(), 1u);
  const Response response =
      infer_response(texts, "m", {{{"x", 0.5}, {"y", 0.25}}, {{"y", 1}, {"x", 0}}});
  EXPECT_EQ(
      response.body,
      R"({"model_name":"m","model_version":"1","id":"7","outputs":[{"name":"score","datatype":)"
      R"("FP32","shape":[2,2],"data":[0.5,0.25,1.0,0.0]}]})");

  // Pixels are [N,3,H,W]; images are stored row by row.
  const InferRequest pixels =
      parse_infer(sent(R"({"inputs": [{"name": "i", "datatype": "FP32", "shape": [1, 3, 1, 2],
               "data": [0, 1, 0.2, 0.4, 1.0, 0.6]}]})"),
                  Taken::images, kLimits);
  EXPECT_EQ(pixels.asked.samples[0].pixels.pixels,
            (std::vector<uint8_t>{0, 51, 255, 255, 102, 153}));
}

TEST(Oip, TensorsBehindTheJson) {
  const std::string file = picture();
  std::string binary;
  const auto length = uint32_t(file.size());
  binary.append(reinterpret_cast<const char*>(&length), 4);
  binary += file;
  const std::string json =
      R"({"parameters": {"binary_data_output": true}, "inputs": [{"name": "image",
      "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": )" +
      std::to_string(binary.size()) + "}}]}";
  const auto infer = [&](const std::string& more) {
    return parse_infer(sent(json + more, "application/octet-stream",
                            {{"inference-header-content-length", std::to_string(json.size())}}),
                       Taken::images, kLimits);
  };
  const InferRequest request = infer(binary);
  EXPECT_EQ(request.asked.samples[0].encoded, file);
  const Response response = infer_response(request, "m", {{{"cat", 0.5}}});
  const std::string* size = find_header(response.headers, "Inference-Header-Content-Length");
  ASSERT_TRUE(size);
  EXPECT_EQ(response.body.substr(std::stoul(*size)),
            std::string("\x03\0\0\0cat", 7) + std::string("\0\0\0\x3f", 4));
  EXPECT_TRUE(contains(response.body, R"("parameters":{"binary_data_size":7})"));
  for (size_t cut = 0; cut < binary.size(); ++cut)
    EXPECT_EQ(status_of_error([&] { infer(binary.substr(0, cut)); }), 400) << cut;
  EXPECT_EQ(status_of_error([&] { infer(binary + "x"); }), 400);
}

TEST(Oip, Refused) {
  const auto refused = [](const std::string& input, const std::string& more = "") {
    return refusal_of([&] {
      parse_infer(sent(R"({"inputs": [{"name": "i", )" + input + "}]" + more + "}"), Taken::images,
                  kLimits);
    });
  };
  EXPECT_EQ(refused(R"("datatype": "BYTES", "shape": [2], "data": ["QQ=="])"),
            "the input \"i\" has 1 elements, and its shape has 2");
  EXPECT_EQ(refused(R"("datatype": "FP32", "shape": [1, 3, 2, 2], "data": [0])"),
            "the input \"i\" has 1 values, and its shape has 12");
  EXPECT_EQ(refused(R"("datatype": "FP32", "shape": [1, 1, 1, 1], "data": [0])"),
            "the input \"i\" must have the shape [N,3,H,W]");
  EXPECT_TRUE(contains(refused(R"("datatype": "FP32", "shape": [1, 3, 1, 1], "data": [2, 0, 0])"),
                       "has values outside [0, 1]"));
  EXPECT_TRUE(
      contains(refused(R"("datatype": "INT64", "shape": [1], "data": [0])"), "must be BYTES"));
  EXPECT_TRUE(
      contains(refused(R"("datatype": "UINT8", "shape": [9999999999, 9999999999], "data": [])"),
               "has too many elements"));
  EXPECT_TRUE(contains(refused(R"("datatype": "UINT8", "shape": [1, 3, -1, 1], "data": [])"),
                       "must be a list of whole numbers"));
  EXPECT_TRUE(contains(refused(R"("datatype": "BYTES", "shape": [1], "data": [""])",
                               R"(, "outputs": [{"name": "features"}])"),
                       "the outputs are \"class\" and \"score\""));
  EXPECT_EQ(refusal_of([&] { parse_infer(sent(R"({"inputs": []})"), Taken::images, kLimits); }),
            "the request has 0 inputs, and the model has one");
}

TEST(OpenAi, Completions) {
  const auto asked = parse_completion(
      sent(R"({"model": "m", "prompt": ["a", "b"], "max_tokens": 0, "echo": true, "logprobs": 1,
               "temperature": 0, "stop": ["x"], "n": 2, "seed": 5, "user": "u", "logit_bias": {}})"),
      /*chat=*/false);
  EXPECT_EQ(asked.prompts, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(asked.max_tokens, 0);
  EXPECT_TRUE(asked.echo && asked.logprobs);
  EXPECT_EQ(asked.top_logprobs, 1);
  EXPECT_EQ(asked.temperature, 0);
  EXPECT_EQ(asked.stop, std::vector<std::string>{"x"});
  EXPECT_EQ(asked.n, 2);
  EXPECT_EQ(asked.seed, 5);
  EXPECT_EQ(parse_completion(sent(R"({"prompt": "a"})"), false).temperature, 1);

  const auto chat = parse_completion(
      sent(
          R"({"messages": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content":
               [{"type": "text", "text": "Hi "}, {"type": "text", "text": "there"}]}],
               "max_completion_tokens": 7, "stream": true, "stream_options": {"include_usage": true}})"),
      true);
  ASSERT_EQ(chat.turns.size(), 2u);
  EXPECT_EQ(chat.turns[0].role, "system");
  EXPECT_EQ(chat.turns[1].content, "Hi there");
  EXPECT_EQ(chat.max_tokens, 7);
  EXPECT_TRUE(chat.stream && chat.stream_usage);
}

TEST(OpenAi, PromptsAreTextsOrTokenIds) {
  const auto read = [](const std::string& prompt) {
    return parse_completion(sent(fmt::format(R"({{"prompt": {}}})", prompt)), false);
  };
  EXPECT_EQ(read("\"a\"").prompts, std::vector<std::string>{"a"});
  EXPECT_EQ(read("[\"a\", \"b\"]").prompts.size(), 2u);
  EXPECT_EQ(read("[1, 2]").ids, (std::vector<std::vector<int64_t>>{{1, 2}}));
  EXPECT_EQ(read("[[1, 2], [3]]").ids, (std::vector<std::vector<int64_t>>{{1, 2}, {3}}));
}

TEST(OpenAi, WhatIsNotComputedIsRefused) {
  const auto refused = [](const std::string& body, bool chat = false) {
    return refusal_of([&] { parse_completion(sent(body), chat); });
  };
  for (const char* ids : {"[1, -2]", "[1.5]", "[1, \"a\"]", "[[1], 2]", "[[1], [true]]", "[null]"})
    EXPECT_TRUE(contains(refused(fmt::format(R"({{"prompt": {}}})", ids)), "token ids")) << ids;
  EXPECT_TRUE(contains(refused(R"({"prompt": []})"), "1 to 1024"));
  EXPECT_TRUE(contains(refused(R"({"prompt": "a", "frequency_penalty": 0.5})"), "not supported"));
  EXPECT_TRUE(contains(refused(R"({"prompt": "a", "tools": [{}]})"), "not supported"));
  EXPECT_TRUE(contains(refused(R"({"prompt": "a", "max_tokens": 0})"), "nothing is left"));
  EXPECT_TRUE(contains(refused(R"({"prompt": "a", "stream": true, "logprobs": 1})"), "\"stream\""));
  EXPECT_TRUE(contains(refused(R"({"prompt": "a", "stop": ["a", ""]})"), "without characters"));
  EXPECT_TRUE(contains(refused(R"({"messages": []})", true), "end with a message of the user"));
  EXPECT_TRUE(contains(
      refused(R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})", true),
      "must be \"text\""));
  EXPECT_EQ(refused(R"({"prompt": "a", "frequency_penalty": 0, "tools": [], "response_format":
                        {"type": "text"}, "best_of": 1})"),
            "");
}

}  // namespace
}  // namespace patina::serve
