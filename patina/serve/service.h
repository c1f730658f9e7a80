// `patina serve`: a session over HTTP. It answers while it learns.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "patina/serve/batch_queue.h"
#include "patina/serve/lessons.h"
#include "patina/serve/samples.h"
#include "patina/serve/server.h"
#include "patina/session/session.h"

namespace patina::serve {

struct ServiceOptions {
  std::string name;   // of the model in requests
  std::string token;  // "": none is asked for
  std::string host = "127.0.0.1";
  int port = 8080;
  bool learns = true;  // otherwise /v1/learn and /v1/forget are refused, and there is no journal
  Limits limits;
  SampleLimits samples;
  BatchOptions batches;
  LessonOptions lessons;
  /// Hears what an operator should know. From any thread.
  std::function<void(std::string_view text)> log;
};

/// Serves a session until it is stopped. The artefact is saved where the session was opened from;
/// its journal lies beside it, with ".journal" behind its name.
class Service {
 public:
  /// Learns what the journal has pending, and listens. Throws Error(usage) for an address that is
  /// not the machine's own without a token.
  Service(Session session, std::filesystem::path artefact, ServiceOptions options);
  /// Stops.
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  int port() const;
  int64_t replayed() const;  // requests that were learned from the journal at the start

  /// Answers what it accepted, learns what is waiting, saves.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace patina::serve
