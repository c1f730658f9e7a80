#include "bench/scenario.h"

#include <fmt/format.h>

#include "bench/fecam_scenario.h"
#include "bench/forward_scenario.h"
#include "bench/language/forms_scenario.h"
#include "bench/language/language_scenario.h"
#include "bench/ridge_scenario.h"
#include "bench/stream_scenario.h"
#include "bench/training_scenario.h"
#include "bench/workers_scenario.h"

namespace patina::bench {

namespace {

void ranpac_fit(bool quick, const Take& take) {
  const int64_t samples = quick ? 300 : 3000, dims = quick ? 600 : 6000, penalties = 17;
  const RidgeTimes times = time_ridge_fit(samples, dims, 100, penalties);
  take({fmt::format("{} samples, {} dimensions, {} penalties", samples, dims, penalties),
        {{"direct solutions", times.direct, "s"},
         {"patina", times.ours, "s"},
         {"largest difference of scores", times.difference, "of the largest score"}},
        {{"patina against direct solutions", times.direct / times.ours, 20}}});
}

void fecam_scoring(bool quick, const Take& take) {
  const int64_t samples = quick ? 100 : 1000, dims = quick ? 96 : 768, classes = quick ? 3 : 10;
  const FecamTimes times = time_fecam_scoring(samples, dims, classes);
  take({fmt::format("{} samples, {} dimensions, {} classes", samples, dims, classes),
        {{"pseudo-inverses", times.direct, "s"},
         {"patina", times.ours, "s"},
         {"patina's factors, made once", times.preparing, "s"},
         {"largest difference of distances", times.difference, "of the largest distance"}},
        {{"patina against pseudo-inverses", times.direct / times.ours}}});
}

}  // namespace

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> list = {
      {"forward", "Features of a frozen ViT with random weights.", measure_forward},
      {"train_step",
       "One training step of a ViT: forward, cross-entropy over 100 classes, backward, SGD.",
       measure_train_step},
      {"memory", "What a training step with prefix prompts adds to the memory held before it.",
       measure_memory},
      {"ranpac_fit", "RanPAC's fit of one task: the penalty from a grid, then the weights.",
       ranpac_fit},
      {"fecam_scoring", "FeCAM's distances of a batch to every class.", fecam_scoring},
      {"simplecil", "SimpleCIL over ten tasks, learning and evaluation.",
       [](bool quick, const Take& take) { measure_stream("simplecil", quick, take); }},
      {"ranpac", "RanPAC over ten tasks, learning and evaluation.",
       [](bool quick, const Take& take) { measure_stream("ranpac", quick, take); }},
      {"language", "Language models with random weights: a LoRA step, features, continued texts.",
       measure_language},
      {"forms",
       "A decoder with random weights: the forms that hold them, and prompts that begin alike.",
       measure_forms},
      {"workers", "The gradient of a step summed over workers that speak over loopback.",
       measure_workers},
  };
  return list;
}

}  // namespace patina::bench
