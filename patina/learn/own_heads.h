// Scores of methods that give every task a head of its own, when the task of a sample is known.
#pragma once

#include <functional>

#include "patina/data/dataset.h"
#include "patina/nn/heads.h"

namespace patina {

/// The scores of each sample's own task, of features that `features(task, input)` computes, and
/// -inf for the classes of all others: [B,K]. `asked` tells the tasks.
Tensor own_scores(const Question& asked, const nn::TaskHeads& heads,
                  const std::function<Tensor(size_t task, const Input& input)>& features);

}  // namespace patina
