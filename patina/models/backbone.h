// A backbone: a pre-trained network, whatever its family, seen as a source of features.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "patina/models/continuation.h"
#include "patina/models/feature_cache.h"
#include "patina/nn/adaptation.h"
#include "patina/nn/block.h"
#include "patina/nn/input.h"

namespace patina {

class Tokenizer;

/// The images a network takes.
struct ImageInput {
  int64_t size = 0;       // side in pixels
  int64_t patch = 0;      // side of a patch
  std::string normalize;  // the pixel normalisation it was trained with
};

/// The texts a network takes.
struct TextInput {
  int64_t vocabulary = 0;  // ids are in [0, vocabulary)
  int64_t longest = 0;     // tokens; 0: no limit
};

/// One of a network's stacks of blocks: what an adaptation is made for.
struct TowerShape {
  nn::Tower tower = nn::Tower::image;
  nn::BlockShape block;       // of every block
  int64_t layers = 0;         // L: all blocks an adaptation meets
  int64_t prompt_layers = 0;  // those that prompts travel through, the first
  int64_t patch = 16;         // side of a patch; of a tower without patches ViT's usual
};

/// The network a learner builds on. Weights are frozen (take no gradient) until a learner unfreezes
/// them. Forward passes are const: many users may share one copy.
class Backbone {
 public:
  virtual ~Backbone() = default;

  /// What a head reads of each sample: [B,D]. For a ViT or BERT the first token after the final
  /// norm, for a decoder the last, for T5 the mean of the encoder's; for CLIP its embedding.
  /// With a cache, rows with keys are looked up first where nothing on the way takes a gradient:
  /// then without a graph.
  Tensor features(const Input& input, const nn::Adaptations& adaptations = {}) const;
  /// Copies what the cache knows of `keys` [N,2] into the rows of `features` [N,D]; returns the
  /// rows it does not know, all where there is no cache.
  std::vector<int64_t> recall(const Tensor& keys, Tensor& features,
                              const nn::Adaptations& adaptations = {}) const;
  /// Every token after the final norm: [B,T,D]; of an encoder-decoder, the encoder's.
  virtual Tensor tokens(const Input& input, const nn::Adaptations& adaptations = {}) const = 0;
  /// The checkpoint's own head over features [B,D] -> [B,classes]; undefined without one.
  virtual Tensor logits(const Tensor& features) const = 0;

  virtual int64_t width() const = 0;      // D of features
  virtual std::string about() const = 0;  // "ViT 12x192, 3 heads, patch 16 at 224 px"

  /// Its stacks of blocks, the one that `features` of its usual samples go through first; none for
  /// a network of another kind.
  virtual std::vector<TowerShape> towers() const { return {}; }
  /// The first of them; one of no layers where there is none.
  TowerShape tower() const;
  int64_t layers() const { return tower().layers; }
  int64_t prompt_layers() const { return tower().prompt_layers; }
  nn::BlockShape block() const { return tower().block; }

  // What only some networks can do. Tensors are undefined, and flags false, where one cannot.

  /// Whether each layer's units may be masked one by one: a multi-layer perceptron.
  virtual bool masks_units() const { return false; }
  /// Fresh weights as the family draws them; false, and nothing is changed.
  virtual bool initialize(Random& /*random*/) { return false; }
  /// Takes images of another size from now on; false, and nothing is changed.
  virtual bool resize_input(int64_t /*image_size*/) { return false; }
  /// Whether images and texts have features in one space, which `similarity` compares.
  virtual bool compares() const { return false; }
  /// Scores of every image against every text: features [B,D], [N,D] -> [B,N].
  virtual Tensor similarity(const Tensor& /*images*/, const Tensor& /*texts*/) const { return {}; }
  /// Scores of every word at every token: [B,T,D] -> [B,T,V].
  virtual Tensor word_scores(const Tensor& /*tokens*/) const { return {}; }
  /// What a pre-trained pooler makes of features: [B,D] -> [B,D].
  virtual Tensor pooled(const Tensor& /*features*/) const { return {}; }
  /// Whether words are scored at tokens of an answer, which a decoder makes of the input.
  virtual bool has_decoder() const { return false; }
  /// An encoder-decoder's tokens of an answer [B,T] to an input: [B,T,D].
  virtual Tensor decoded(const Input& /*answer*/, const Input& /*input*/,
                         const nn::Adaptations& /*adaptations*/) const {
    return {};
  }

  /// What `features` takes: one of the two, or both.
  virtual std::optional<ImageInput> image_input() const { return std::nullopt; }
  virtual std::optional<TextInput> text_input() const { return std::nullopt; }
  /// Text to ids; null where the checkpoint brought no tokenizer.
  const Tokenizer* tokenizer() const { return tokenizer_.get(); }
  void set_tokenizer(std::shared_ptr<const Tokenizer> tokenizer) {
    tokenizer_ = std::move(tokenizer);
  }

  /// The model options it was loaded with, as TOML; "": it was made otherwise.
  const std::string& origin() const { return origin_; }
  void set_origin(std::string options) { origin_ = std::move(options); }

  /// How the blocks compute from now on; copies of the network share it.
  virtual void set_engine(std::shared_ptr<const nn::Engine> engine) { engine_ = std::move(engine); }
  const nn::Engine& engine() const { return *engine_; }

  /// Features are kept there from now on, copies' too. Not for a network in mixed precision. Null:
  /// nowhere.
  void set_cache(std::shared_ptr<FeatureCache> cache) { cache_ = std::move(cache); }
  const FeatureCache* cache() const { return cache_.get(); }

  /// Begins to continue `prompt`; nothing where the network does not generate text. An
  /// encoder-decoder reads the prompt and begins an answer.
  virtual std::optional<Continuation> begin(const Input& prompt,
                                            const nn::Adaptations& adaptations = {},
                                            bool cached = true) const;

  /// Every weight, under patina's names; checkpoints' own are in the family's name table.
  virtual void walk(nn::Walk& w) = 0;
  /// A copy with its own weights, as frozen or not as this one.
  virtual std::unique_ptr<Backbone> clone() const = 0;

 private:
  /// The features of an input, computed.
  virtual Tensor encode(const Input& input, const nn::Adaptations& adaptations) const = 0;
  /// The same; where no gradient can come of it, without a graph and by parts that fit the
  /// processor's caches, shared among threads.
  Tensor compute(const Input& input, const nn::Adaptations& adaptations) const;
  int64_t tokens_of(const Input& input) const;
  /// What the cache calls all that stands between input and features; nothing where features are
  /// not to be kept.
  std::optional<std::string> space(const nn::Adaptations& adaptations) const;
  std::string behaviour() const;

  std::string origin_;
  std::shared_ptr<const nn::Engine> engine_ = nn::plain_engine();
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<FeatureCache> cache_;
  mutable nn::TensorsHash weights_hash_;
};

}  // namespace patina
