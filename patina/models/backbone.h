// A backbone: a pre-trained network, whatever its family, seen as a source of features.
#pragma once

#include <memory>
#include <string>

#include "patina/nn/adaptation.h"
#include "patina/nn/block.h"
#include "patina/nn/input.h"
#include "patina/text/tokenizer.h"

namespace patina {

/// The network a learner builds on. Weights are frozen (take no gradient) until a learner unfreezes
/// them. Forward passes are const: many users may share one copy.
class Backbone {
 public:
  virtual ~Backbone() = default;

  /// What a head reads of each sample: [B,D]. For a ViT the class token after the final norm.
  virtual Tensor features(const Input& input, const nn::Adaptations& adaptations = {}) const = 0;
  /// Every token after the final norm: [B,T,D].
  virtual Tensor tokens(const Input& input, const nn::Adaptations& adaptations = {}) const = 0;
  /// The checkpoint's own head over features [B,D] -> [B,classes]; undefined without one.
  virtual Tensor logits(const Tensor& features) const = 0;

  virtual int64_t width() const = 0;         // D
  virtual int64_t layers() const = 0;        // L
  virtual nn::BlockShape block() const = 0;  // of every block: what an adaptation is made for
  /// What turns texts into input, lent; null where images are taken.
  virtual const Tokenizer* tokenizer() const { return nullptr; }
  virtual int64_t max_tokens() const { return 0; }  // of a text; 0: no limit
  virtual int64_t image_size() const = 0;           // 0 where texts are taken
  virtual int64_t patch_size() const = 0;
  virtual const std::string& normalize() const = 0;  // the pixel normalisation it was trained with
  virtual std::string about() const = 0;             // "ViT 12x192, 3 heads, patch 16 at 224 px"

  /// Every weight under its checkpoint's name.
  virtual void walk(nn::Walk& w) = 0;
  /// A copy with its own weights, as frozen or not as this one.
  virtual std::unique_ptr<Backbone> clone() const = 0;
};

}  // namespace patina
