// Completions, chats and embeddings of a language model, as OpenAI's clients read them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "patina/serve/batch_queue.h"
#include "patina/serve/metrics.h"
#include "patina/serve/openai.h"
#include "patina/session/session.h"

namespace patina::serve {

/// The pieces of an answer between the thread that writes it and the one that sends it: a client
/// that reads slowly keeps nobody but itself waiting. Thread-safe.
class Pieces {
 public:
  void push(const std::string& piece);
  void finish();
  /// The next piece; nothing after the last one.
  std::optional<std::string> next();
  void close();  // nobody reads them any more
  bool closed() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> pieces_;
  bool finished_ = false, closed_ = false;
};

class Completions {
 public:
  /// `session` answers with text; lent, as `metrics`. `name` is the model's.
  Completions(const Session& session, std::string name, const BatchOptions& options,
              Metrics& metrics);

  Response answer(CompletionRequest asked);
  int64_t waiting() const { return queue_.length(); }
  void stop() { queue_.stop(); }

 private:
  struct Prompt {
    Exchange exchange;
    std::vector<int64_t> ids;  // in its place, if there are any
    AnswerOptions options;
    std::shared_ptr<Pieces> pieces;  // null: the answer is not streamed
  };
  std::vector<Answer> compute(std::vector<Prompt>& prompts);
  BatchQueue<Prompt, Answer>::Answer push(std::vector<Prompt> prompts);
  Response whole(const CompletionRequest& asked, std::vector<Prompt> prompts);
  Response streamed(const CompletionRequest& asked, std::vector<Prompt> prompts);

  const Session& session_;
  const std::string name_;
  Metrics& metrics_;
  std::atomic<uint64_t> count_{0};  // of requests, for their ids
  BatchQueue<Prompt, Answer> queue_;
};

/// The response to /v1/embeddings. Throws HttpError.
Response embeddings(const Session& session, const std::string& name, const Request& request,
                    int64_t most);

/// The response of a full queue, which says when to come again.
[[noreturn]] void throw_full();

}  // namespace patina::serve
