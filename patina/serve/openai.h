// OpenAI's requests to language models, as its clients and evaluation harnesses send them. What is
// asked for and cannot be given is refused by name: an answer to another question is worse.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "patina/data/source.h"
#include "patina/serve/http.h"

namespace patina::serve {

struct CompletionRequest {
  bool chat = false;
  std::string model;                      // "": not said
  std::vector<std::string> prompts;       // to be continued
  std::vector<std::vector<int64_t>> ids;  // or these, as token ids
  std::vector<Message> turns;             // of a chat
  int64_t max_tokens = 16;                // 0: only the prompt is scored, with echo
  double temperature = 1, top_p = 1;
  int64_t top_k = 0;
  double repetition_penalty = 1;
  int64_t seed = 1993, n = 1;
  std::vector<std::string> stop;
  bool echo = false, logprobs = false, stream = false, stream_usage = false;
  int64_t top_logprobs = 0;
};

/// Throws HttpError.
CompletionRequest parse_completion(const Request& request, bool chat);

}  // namespace patina::serve
