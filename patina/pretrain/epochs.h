// The epochs of a pre-training, whatever is trained: steps, and a state to continue from.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "patina/data/dataset.h"
#include "patina/nn/module.h"
#include "patina/optim/optimizer.h"
#include "patina/place.h"

namespace patina {

/// The place of a step in a training.
struct StepAt {
  int64_t epoch = 0, step = 0;
};

struct EpochPlan {
  int64_t epochs = 1;
  OptimizerOptions optimizer;
  std::vector<std::string> not_decayed = {};  // names of weights, beside all biases and norms
  std::function<void(nn::Walk&)> weights;     // what is trained
  std::function<std::unique_ptr<Loader>(int64_t epoch)> loader;
  std::function<Tensor(const Batch& batch, const StepAt& at)> loss;
  std::function<std::string(int64_t epoch)> end;  // tests and saves; "test accuracy 3.1 %"
};

/// Trains, and writes `folder`/state.safetensors after every epoch. With `resume` it continues
/// after the last finished one.
void train_epochs(const EpochPlan& plan, const fs::path& folder, const Place& place, bool resume);

/// Makes the folder of a pre-training with its recipe. Throws Error(state) if there is one that is
/// not to be continued.
void begin_folder(const fs::path& folder, const std::string& recipe, bool resume);

}  // namespace patina
