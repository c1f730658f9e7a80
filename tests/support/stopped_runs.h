// Runs that are stopped repeatedly, and what they leave.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "patina/base/json.h"
#include "patina/checkpoint/archive.h"
#include "patina/run/run.h"
#include "tests/support/errors.h"

namespace patina {

/// A hash of the learner's part of a run's final checkpoint: its tensors and its other values.
inline std::string learned(const fs::path& run_folder) {
  const fs::path path = run_folder / "checkpoint.safetensors";
  const auto archive = Archive::read(path);
  ContentHash hash;
  for (const auto& [key, tensor] : archive.tensors()) {
    if (!key.starts_with("learner.")) continue;
    hash.add(key);
    hash.add(tensor.data_ptr(), tensor.nbytes());
  }
  const auto file = SafetensorsFile::open(path);
  const Json values = parse_json(file.metadata().at("patina.values"), path.string());
  for (const auto& item : values.items()) {
    if (!item.key().starts_with("learner.")) continue;
    hash.add(item.key());
    hash.add(item.value().dump());
  }
  return hash.hex();
}

/// A run from start to end, and how often it asked whether to stop, which it does after every step
/// and task.
struct WholeRun {
  Json record;
  std::string learned;
  int asks = 0;
};

inline WholeRun run_whole(const std::function<Json(const RunControl&)>& run,
                          const fs::path& run_folder, RunControl control = {}) {
  WholeRun whole;
  control.should_stop = [&whole, watch = std::move(control.should_stop)] {
    ++whole.asks;
    return watch && watch();
  };
  whole.record = run(control);
  whole.learned = learned(run_folder);
  return whole;
}

struct Pieces {
  Json record;
  int stops = 0;
};

/// Stops a run after every `steps` steps or tasks until it is complete. `run` continues it.
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

/// Stops a run, which asks `asks` times in all, near its middle and again a little later. Truncates
/// the newest checkpoint to half, as on a full disk. Then continues to the end from the previous
/// checkpoint.
inline Json run_over_damage(const std::function<Json(const RunControl&)>& run,
                            const fs::path& run_folder, int asks) {
  for (int left : {std::max(1, asks / 2 - 2), asks / 8 + 1}) {
    const std::string stopped = error_of(
        [&] { run({.mode = RunMode::resume, .should_stop = [&] { return --left <= 0; }}); });
    EXPECT_TRUE(contains(stopped, "stopped; ")) << stopped;
  }
  const fs::path newest = run_folder / "checkpoint.safetensors";
  EXPECT_TRUE(fs::exists(run_folder / "checkpoint.previous.safetensors"));
  fs::resize_file(newest, fs::file_size(newest) / 2);
  return run({.mode = RunMode::resume});
}

}  // namespace patina
