// The methods of LAMDA-PILOT and its keys, as patina calls them.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace patina::cli {

// A method of PILOT's: the learner, and which of its keys are options under other names.
struct PilotMethod {
  const char* name;
  const char* learner;
  const char* adaptation;  // learner.adaptation; "": none to set
  std::vector<std::pair<const char*, const char*>>
      options;  // PILOT's key, patina's key within [learner]
};

const std::vector<PilotMethod>& pilot_methods();

/// Keys that change no result, each with the reason.
const std::map<std::string, std::string>& pilot_unneeded();

// In PILOT's code a key of training has one of several names; where a method has two, they are
// those of the first task and of the later ones, in reverse order here.
struct PilotTrainingKey {
  const char* ours;
  std::vector<const char*> theirs;
};

const std::vector<PilotTrainingKey>& pilot_training_keys();

}  // namespace patina::cli
