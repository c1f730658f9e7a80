// What is in front of a body and around it: heads, framing, chunks, forms, base64, sizes of images.
#include "patina/serve/http.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "patina/image/image.h"
#include "patina/serve/base64.h"
#include "patina/serve/guard.h"
#include "patina/serve/image_size.h"
#include "patina/serve/json_body.h"
#include "patina/serve/multipart.h"
#include "tests/support/errors.h"
#include "tests/unit/serve/statuses.h"

namespace patina::serve {
namespace {

Request parsed(const std::string& head) {
  return parse_head(head);
}

TEST(Http, ReadsAHead) {
  const Request request = parsed(
      "POST /v2/models/a%20b/infer?top=3&x=%2B+y&flag HTTP/1.1\r\nHost: here:80\r\n"
      "Content-TYPE:  Application/JSON; charset=utf-8 \r\nX-Empty:");
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.path, "/v2/models/a%20b/infer");
  EXPECT_EQ(request.parts, (std::vector<std::string>{"v2", "models", "a b", "infer"}));
  EXPECT_EQ(*request.asked("top"), "3");
  EXPECT_EQ(*request.asked("x"), "+ y");
  EXPECT_EQ(*request.asked("flag"), "");
  EXPECT_EQ(request.asked("none"), nullptr);
  EXPECT_EQ(request.type(), "application/json");
  EXPECT_EQ(*request.header("x-empty"), "");
  EXPECT_TRUE(keeps_alive(request));
  EXPECT_FALSE(keeps_alive(parsed("GET / HTTP/1.0")));
  EXPECT_FALSE(keeps_alive(parsed("GET / HTTP/1.1\r\nHost: a\r\nConnection: Close")));
}

TEST(Http, ASlashInANameStaysInIt) {
  const Request request = parsed("GET /v2/models/..%2f..%2fetc HTTP/1.1\r\nHost: a");
  EXPECT_EQ(request.parts, (std::vector<std::string>{"v2", "models", "../../etc"}));
}

TEST(Http, RefusesWhatTwoReadersCouldReadInTwoWays) {
  for (const std::string head :
       {"", "GET /", "GET / HTTP/1.1", "GET  / HTTP/1.1\r\nHost: a", "GET a HTTP/1.1\r\nHost: a",
        "GET /%zz HTTP/1.1\r\nHost: a", "GET /%00 HTTP/1.1\r\nHost: a", "G@T / HTTP/1.1\r\nHost: a",
        "GET / HTTP/1.1\r\nHost : a", "GET / HTTP/1.1\r\nHost: a\r\n folded: b",
        "GET / HTTP/1.1\r\nHost: a\nX: b", "GET / HTTP/1.1\r\nHost: a\r\nHost: b",
        "GET / HTTP/1.1\r\nHost: a\r\nX: \x01", "GET / FTP/1.1\r\nHost: a"})
    EXPECT_EQ(status_of_error([&] { parsed(head); }), 400) << head;
  EXPECT_EQ(status_of_error([&] { parsed("GET / HTTP/2.0\r\nHost: a"); }), 505);
  std::string many = "GET / HTTP/1.1\r\nHost: a";
  for (size_t i = 0; i < kMostHeaders; ++i) many += "\r\nx: y";
  EXPECT_EQ(status_of_error([&] { parsed(many); }), 431);
}

TEST(Http, KnowsWhereABodyEnds) {
  const auto framing = [](const std::string& more) {
    return framing_of(parse_head("POST / HTTP/1.1\r\nHost: a\r\n" + more));
  };
  EXPECT_EQ(framing("Content-Length: 17").length, 17u);
  EXPECT_FALSE(framing("Content-Length: 17").chunked);
  EXPECT_TRUE(framing("Transfer-Encoding: Chunked").chunked);
  EXPECT_EQ(framing("X: y").length, 0u);
  for (const std::string more : {"Content-Length: 1\r\nContent-Length: 1", "Content-Length: +1",
                                 "Content-Length: ", "Content-Length: 0x1",
                                 "Content-Length: 5\r\nTransfer-Encoding: chunked",
                                 "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"})
    EXPECT_EQ(status_of_error([&] { framing(more); }), 400) << more;
  EXPECT_EQ(status_of_error([&] { framing("Transfer-Encoding: gzip, chunked"); }), 501);
  EXPECT_EQ(status_of_error([&] { framing("Content-Length: 9999999999999999999"); }), 413);
}

TEST(Http, ChunksAreTheSameHoweverTheirBytesArrive) {
  const std::string sent =
      "4;x=y\r\nWiki\r\n6\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\nT: t\r\n\r\nNEXT";
  for (size_t step = 1; step <= sent.size(); ++step) {
    Chunks chunks(100);
    std::string body;
    size_t at = 0;
    while (!chunks.done()) {
      const std::string_view part = std::string_view(sent).substr(at, step);
      ASSERT_FALSE(part.empty());
      at += chunks.take(part, body);
    }
    EXPECT_EQ(body, "Wikipedia in \r\n\r\nchunks.");
    EXPECT_EQ(sent.substr(at), "NEXT");
  }
}

TEST(Http, DamagedChunksAreRefused) {
  for (const auto& [damaged, status] :
       std::vector<std::pair<std::string, int>>{{"x\r\n", 400},
                                                {"\r\n", 400},
                                                {"1\r\nab", 400},
                                                {"1\na", 400},
                                                {"-1\r\n", 400},
                                                {"1\r\na\r\n64\r\n", 413},
                                                {"fffffffffffffff\r\n", 413},
                                                {"ffffffffffffffff\r\n", 400}}) {
    Chunks chunks(100);
    const std::string sent = damaged + "\r\n";
    std::string body;
    EXPECT_EQ(status_of_error([&] { chunks.take(sent, body); }), status) << damaged;
  }
}

TEST(Http, AForm) {
  const std::string type = "multipart/form-data; charset=utf-8; boundary=\"b o\"";
  const std::string body =
      "--b o\r\nContent-Disposition: form-data; name=\"class\"\r\n\r\ncat\r\n"
      "--b o\r\nContent-Type: image/png\r\ncontent-disposition: form-data; name=file; "
      "filename=\"a \\\"b\\\".png\"\r\n\r\n\r\n--b\r\n\r\n"
      "--b o\r\nContent-Disposition: form-data; name=\"empty\"; filename=\"\"\r\n\r\n\r\n--b "
      "o--\r\n";
  const auto parts = parse_form(body, type);
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[0].name, "class");
  EXPECT_EQ(parts[0].data, "cat");
  EXPECT_FALSE(parts[0].is_file);
  EXPECT_EQ(parts[1].name, "file");
  EXPECT_EQ(parts[1].file, "a \"b\".png");
  EXPECT_EQ(parts[1].data, "\r\n--b\r\n");
  EXPECT_EQ(parts[2].data, "");
  EXPECT_TRUE(parts[2].is_file);
  // Cut off anywhere, it is no form.
  for (size_t size = 0; size < body.size() - 4; ++size)
    EXPECT_EQ(status_of_error([&] { parse_form(std::string_view(body).substr(0, size), type); }),
              400)
        << size;
  EXPECT_EQ(status_of_error([&] { parse_form(body, "multipart/form-data"); }), 400);
}

// RFC 4648, section 10.
TEST(Http, Base64) {
  for (const auto& [plain, coded] : std::vector<std::pair<std::string, std::string>>{
           {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}}) {
    EXPECT_EQ(base64_decoded(coded), plain);
    EXPECT_EQ(base64({reinterpret_cast<const uint8_t*>(plain.data()), plain.size()}), coded);
  }
  for (const char* wrong :
       {"Z", "Zg", "Zg=", "Zh==", "Zm9v====", "Z===", "Zm 9", "Zg==Zg==", "Zm9="})
    EXPECT_EQ(base64_decoded(wrong), std::nullopt) << wrong;
}

TEST(Http, SizesOfImagesWithoutDecoding) {
  Image image(7, 13);
  for (const Bytes& file : {encode_png(image), encode_jpeg(image)}) {
    const std::string bytes(file.begin(), file.end());
    const auto size = image_size(bytes);
    ASSERT_TRUE(size);
    EXPECT_EQ(size->height, 7);
    EXPECT_EQ(size->width, 13);
    for (size_t cut = 0; cut < 24; ++cut) EXPECT_FALSE(image_size(bytes.substr(0, cut)));
  }
  EXPECT_FALSE(image_size("GIF89a..................."));
}

TEST(Http, JsonSaysWhichKeyIsWrong) {
  const Json json =
      parse_json(R"({"n": 3, "s": "x", "f": true, "l": ["a"], "none": null})", "json");
  const JsonObject body(json, "inputs[0].");
  EXPECT_EQ(body.integer("n", 1, 0), 3);
  EXPECT_EQ(body.integer("none", 7, 0), 7);
  EXPECT_EQ(body.texts("l"), std::vector<std::string>{"a"});
  EXPECT_EQ(body.texts("s"), std::vector<std::string>{"x"});
  EXPECT_EQ(refusal_of([&] { body.integer("n", 1, 4, 9); }),
            "\"inputs[0].n\" must be a whole number, from 4 to 9");
  EXPECT_EQ(refusal_of([&] { body.text("n"); }), "\"inputs[0].n\" must be a text");
  EXPECT_EQ(refusal_of([&] { body.text("gone"); }), "\"inputs[0].gone\" is missing");
  const Json other = parse_json(R"({"top": 1, "tasks": 2})", "json");
  EXPECT_EQ(refusal_of([&] {
              JsonObject(other).only({"top", "task"});
            }),
            "\"tasks\" is not known here, did you mean \"task\"?");
}

int guarded(const Guard& guard, const std::string& path, const std::string& headers) {
  const auto refusal =
      guard.refusal(parse_head("GET " + path + " HTTP/1.1\r\n" + headers + "X: y"));
  return refusal ? refusal->status : 0;
}

TEST(Guard, WithoutATokenThisMachineAlone) {
  const Guard guard("127.0.0.1", "");
  for (const std::string host :
       {"localhost", "localhost:8080", "127.0.0.1:80", "[::1]:80", "[::1]"})
    EXPECT_EQ(guarded(guard, "/v1/learn", "Host: " + host + "\r\n"), 0) << host;
  for (const std::string host :
       {"evil.example", "evil.example:80", "localhost.evil.example", "1.2.3.4"})
    EXPECT_EQ(guarded(guard, "/v1/learn", "Host: " + host + "\r\n"), 403) << host;
  const std::string here = "Host: localhost:8080\r\n";
  EXPECT_EQ(guarded(guard, "/", here + "Origin: http://localhost:8080\r\n"), 0);
  EXPECT_EQ(guarded(guard, "/", here + "Origin: http://localhost:9090\r\n"), 403);
  EXPECT_EQ(guarded(guard, "/", here + "Origin: null\r\n"), 403);
  EXPECT_TRUE(contains(patina::error_of([] { Guard("0.0.0.0", ""); }), "choose a --token"));
}

TEST(Guard, ATokenMustBeShown) {
  const Guard guard("0.0.0.0", "secret");
  const std::string host = "Host: any.example\r\n";
  EXPECT_EQ(guarded(guard, "/v1/learn", host + "Authorization: Bearer secret\r\n"), 0);
  for (const std::string wrong : {"", "Bearer ", "Bearer secre", "Bearer secrets",
                                  "Bearer secretsecret", "bearer secret", "secret", "Basic secret"})
    EXPECT_EQ(guarded(guard, "/v1/learn", fmt::format("{}Authorization: {}\r\n", host, wrong)), 401)
        << wrong;
  for (const char* open : {"/", "/healthz", "/v2/health/live"})
    EXPECT_EQ(guarded(guard, open, host), 0) << open;
  EXPECT_EQ(guarded(guard, "/metrics", host), 401);
}

}  // namespace
}  // namespace patina::serve
