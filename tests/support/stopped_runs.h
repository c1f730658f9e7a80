// Runs that are stopped again and again, and what they leave.
#pragma once

#include <gtest/gtest.h>

#include <functional>

#include "patina/base/json.h"
#include "patina/checkpoint/archive.h"
#include "patina/run/run.h"

namespace patina {

/// The learner's part of a run's final checkpoint.
inline std::string learned(const fs::path& run_folder) {
  const auto archive = Archive::read(run_folder / "checkpoint.safetensors");
  ContentHash hash;
  for (const auto& [key, tensor] : archive.tensors()) {
    if (!key.starts_with("learner.")) continue;
    hash.add(key);
    hash.add(tensor.data_ptr(), tensor.nbytes());
  }
  return hash.hex();
}

struct Pieces {
  Json record;
  int stops = 0;
};

/// Stops a run after every `steps` steps or tasks until it is through. `run` goes on with it.
inline Pieces run_in_pieces(const std::function<Json(const RunControl&)>& run, int steps) {
  Pieces pieces;
  for (; pieces.stops < 1000; ++pieces.stops) {
    int left = steps;
    try {
      pieces.record = run({.mode = RunMode::resume, .should_stop = [&] { return --left <= 0; }});
      break;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::stopped) << error.what();
      if (error.kind() != ErrorKind::stopped) break;
    }
  }
  return pieces;
}

}  // namespace patina
