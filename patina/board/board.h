// `patina board`: a folder of runs over HTTP, live while they run. It only reads.
#pragma once

#include <memory>
#include <string>

#include "patina/base/file.h"
#include "patina/serve/server.h"

namespace patina::board {

struct BoardOptions {
  fs::path folder;
  std::string token;  // "": none is asked for
  std::string host = "127.0.0.1";
  int port = 8090;
};

class Board {
 public:
  /// Listens. Throws Error(file) if there is no such folder, Error(usage) for an address that is
  /// not the machine's own without a token.
  explicit Board(const BoardOptions& options);
  ~Board();
  Board(const Board&) = delete;
  Board& operator=(const Board&) = delete;

  int port() const;
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace patina::board
