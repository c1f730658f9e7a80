// What the server reads of strangers: heads, chunks, forms, and requests of every protocol. The
// first byte chooses.
#include <cstdint>
#include <string>

#include "patina/base/error.h"
#include "patina/serve/image_size.h"
#include "patina/serve/multipart.h"
#include "patina/serve/oip.h"
#include "patina/serve/openai.h"

namespace {

using namespace patina::serve;

constexpr SampleLimits kLimits{.samples = 16, .image_pixels = 4096};

// A request as it arrives: a head and a body.
Request request_of(const std::string& text) {
  const size_t end = text.find("\r\n\r\n");
  Request request = parse_head(text.substr(0, end));
  framing_of(request);
  keeps_alive(request);
  if (end != text.npos) request.body = text.substr(end + 4);
  return request;
}

void read(uint8_t what, const std::string& text) {
  const Taken taken[] = {Taken::images, Taken::texts, Taken::answers};
  const Taken kind = taken[what / 16 % 3];
  switch (what % 8) {
    case 0:
      request_of(text);
      break;
    case 1: {
      Chunks chunks(1000);
      std::string body;
      size_t at = 0;
      while (at < text.size() && !chunks.done())
        at += chunks.take(std::string_view(text).substr(at, 3), body);
      break;
    }
    case 2:
      parse_form(text, "multipart/form-data; boundary=b");
      break;
    case 3:
      image_size(text);
      break;
    case 4:
      parse_predict(request_of(text), kind, kLimits);
      break;
    case 5: {
      const LearnRequest learn = parse_learn(request_of(text), kind, kLimits);
      std::vector<std::string> blobs;
      const std::string stored = journal_text(learn, blobs);
      // What was accepted must come back out of the journal.
      if (from_journal(stored, blobs).samples.size() != learn.samples.size()) __builtin_trap();
      break;
    }
    case 6:
      parse_infer(request_of(text), kind, kLimits);
      break;
    case 7:
      parse_completion(request_of(text), what & 8);
      break;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  try {
    read(data[0], std::string(reinterpret_cast<const char*>(data) + 1, size - 1));
  } catch (const HttpError&) {
    // refused, as it should be
  } catch (const patina::Error&) {
  }
  return 0;
}
