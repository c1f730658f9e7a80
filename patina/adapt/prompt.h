// Prompts: learned tokens besides the image's own. VPT (Jia et al., "Visual Prompt Tuning", ECCV
// 2022).
#pragma once

#include <fmt/format.h>

#include "patina/base/random.h"
#include "patina/config/fields.h"
#include "patina/nn/adaptation.h"

namespace patina::adapt {

/// Defaults: the paper's released configuration.
struct PromptOptions {
  int64_t tokens = 5;
  bool deep = true;
  bool zero = false;  // tokens begin at zero

  void bind(Fields& f);
};

/// Inserts P tokens after the first token of the first block's input, without a position embedding.
/// Shallow: their outputs go through all blocks. Deep: before each later block they are replaced by
/// that block's own prompts. Their rows are dropped after the final norm, so the backbone's output
/// keeps its shape.
/// | In an encoder-decoder they act in the encoder; `depth` is its number of blocks.
/// | Deep prompts find their rows by position: a list of adaptations may contain only one of them,
/// and after it nothing that inserts tokens.
class Prompt : public nn::Adaptation {
 public:
  /// For a network of `depth` blocks of width D and patches of `patch_size` pixels. Tokens are
  /// initialised from U(-v, v), v = sqrt(6 / (3 p p + D)), as in the paper, unless they begin at
  /// zero.
  Prompt(const PromptOptions& options, int64_t width, int64_t depth, int64_t patch_size,
         Random& random);

  Tensor tokens(int layer, Tensor x) override;
  Tensor leave(Tensor x) override;
  bool acts(nn::Site) const override { return false; }
  void walk(nn::Walk& w) override;
  std::optional<std::string> text() const override {
    return fmt::format("prompt depth={}", depth_);
  }

 private:
  int64_t depth_;
  Tensor tokens_;  // [1,P,D] shallow, [L,P,D] deep
};

}  // namespace patina::adapt
