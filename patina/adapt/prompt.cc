#include "patina/adapt/prompt.h"

#include <cmath>

#include "patina/config/sizes.h"
#include "patina/nn/layers.h"
#include "patina/ops.h"

namespace patina::adapt {

void PromptOptions::bind(Fields& f) {
  f("tokens", tokens, "Prompt tokens a block.", sized(1));
  f("deep", deep, "Own tokens for every block; false: only before the first.");
}

Prompt::Prompt(const PromptOptions& options, int64_t width, int64_t depth, int64_t patch_size,
               Random& random)
    : depth_(depth), tokens_(at::empty({options.deep ? depth : 1, options.tokens, width})) {
  nn::init_uniform(tokens_, random, std::sqrt(6.0 / double(3 * patch_size * patch_size + width)));
  if (options.zero) tokens_.zero_();
  tokens_.requires_grad_(true);
}

Tensor Prompt::tokens(int layer, Tensor x) {
  if (layer >= tokens_.size(0)) return x;
  const int64_t skip = layer == 0 ? 0 : tokens_.size(1);  // the previous block's prompts
  const Tensor own = tokens_[layer].unsqueeze(0).expand({x.size(0), -1, -1});
  return at::cat({x.slice(1, 0, 1), own, x.slice(1, 1 + skip)}, 1);
}

Tensor Prompt::leave(Tensor x) {
  return at::cat({x.slice(1, 0, 1), x.slice(1, 1 + tokens_.size(1))}, 1);
}

void Prompt::walk(nn::Walk& w) {
  w("tokens", tokens_);
}

}  // namespace patina::adapt
