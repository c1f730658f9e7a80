#include "patina/learn/own_heads.h"

#include <limits>

#include "patina/learn/network_learner.h"
#include "patina/ops.h"

namespace patina {

Tensor own_scores(const Question& asked, const nn::TaskHeads& heads,
                  const std::function<Tensor(size_t task, const Input& input)>& features) {
  const auto sizes = heads.sizes();
  return by_task(asked, [&](int64_t task, const Input& input) {
    const Tensor own = heads.of_task(size_t(task), features(size_t(task), input));
    std::vector<Tensor> parts;
    for (size_t t = 0; t < sizes.size(); ++t)
      parts.push_back(int64_t(t) == task
                          ? own
                          : at::full({own.size(0), sizes[t]},
                                     -std::numeric_limits<float>::infinity(), own.options()));
    return at::cat(parts, 1);
  });
}

}  // namespace patina
