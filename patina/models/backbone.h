// A backbone: a pre-trained network of any family, as a source of features.
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
struct StoredForm;

/// The images a network accepts.
struct ImageInput {
  int64_t size = 0;                       // side in pixels
  int64_t patch = 0;                      // side of a patch
  std::string normalize;                  // name of the pixel normalisation it was trained with
  std::string interpolation = "bicubic";  // the filter of its resize
};

/// The texts a network accepts.
struct TextInput {
  int64_t vocabulary = 0;  // ids are in [0, vocabulary)
  int64_t longest = 0;     // tokens; 0: no limit
};

/// How an image stands in the texts of a network that reads both.
struct ImageTokens {
  ImageInput image;   // the images it accepts
  int64_t id = 0;     // the token that stands for a part of an image
  int64_t count = 0;  // how many of them stand for an image
};

/// One of a network's stacks of blocks, for which adaptations are made.
struct TowerShape {
  nn::Tower tower = nn::Tower::image;
  nn::BlockShape block;       // the shape of every block
  int64_t layers = 0;         // L: the number of blocks that adaptations see
  int64_t prompt_layers = 0;  // the first blocks, through which prompts pass
  int64_t patch = 16;         // side of a patch; ViT's default for a tower without patches
  Place place = {};           // of its weights, set by `Backbone::tower`
};

/// The network a learner builds on. Weights are frozen (require no gradient) until a learner
/// unfreezes them. Forward passes are const: several users may share one instance.
class Backbone {
 public:
  virtual ~Backbone() = default;

  /// The features of each sample, which heads read: [B,D]. For a ViT or BERT the first token after
  /// the final norm, for a decoder the last token, for T5 the mean of the encoder's tokens, for
  /// CLIP the embedding. With a cache, rows with keys are looked up first, if nothing on the path
  /// requires a gradient; then no graph is built.
  Tensor features(const Input& input, const nn::Adaptations& adaptations = {}) const;
  /// Copies the cached features of `keys` [N,2] into the rows of `features` [N,D]; returns the rows
  /// that are not cached (all, without a cache).
  std::vector<int64_t> recall(const Tensor& keys, Tensor& features,
                              const nn::Adaptations& adaptations = {}) const;
  /// All tokens after the final norm: [B,T,D]; for an encoder-decoder, the encoder's.
  virtual Tensor tokens(const Input& input, const nn::Adaptations& adaptations = {}) const = 0;
  /// The checkpoint's own head: features [B,D] -> [B,classes]; undefined if there is none.
  virtual Tensor logits(const Tensor& features) const = 0;

  virtual int64_t width() const = 0;      // D of features
  virtual std::string about() const = 0;  // "ViT 12x192, 3 heads, patch 16 at 224 px"

  /// Its stacks of blocks; the first is the one `features` uses for the network's usual samples.
  /// Empty for networks without transformer blocks.
  virtual std::vector<TowerShape> towers() const { return {}; }
  /// The first of them; one with no layers if there is none.
  TowerShape tower() const;
  int64_t layers() const { return tower().layers; }
  int64_t prompt_layers() const { return tower().prompt_layers; }
  nn::BlockShape block() const { return tower().block; }

  /// Moves the weights to a place. Optimizers and learners made before keep the old tensors, so
  /// move the network first. Inputs are expected at this place. Throws Error(recipe) for a device
  /// and weights that are not stored as floats.
  void to(const Place& place);
  /// The place of the weights; the host if there are none.
  Place place() const;

  // Optional abilities. Without them, tensors are undefined and flags false.

  /// Whether single units of each layer can be masked: a multi-layer perceptron.
  virtual bool masks_units() const { return false; }
  /// Initialises the weights as the family does; returns false, unchanged, if not supported.
  virtual bool initialize(Random& /*random*/) { return false; }
  /// Switches to images of another size; returns false, unchanged, if not supported.
  virtual bool resize_input(int64_t /*image_size*/) { return false; }
  /// Inserts behind each of these blocks a copy of it that adds nothing to the residual stream, the
  /// output projection of attention and the last layer of the MLP being zero: every output keeps
  /// its bits. Ascending; the blocks' numbers before the change. Returns false, unchanged, if not
  /// supported: post-norm blocks normalise the stream even if nothing is added.
  virtual bool insert_blocks(const std::vector<int64_t>& /*behind*/) { return false; }
  /// The numbers of the blocks that were inserted, ascending.
  virtual std::vector<int64_t> inserted_blocks() const { return {}; }
  /// Widens every block to `hidden` units of the MLP and `key_heads` heads of keys, with the query
  /// heads that share each. New units are copies of ones drawn at random, and what leaves a unit is
  /// divided among its copies, so every output stays, to rounding; but for `noise`, the deviation
  /// of what is added to the weights that enter a copy, without which copies would learn the same.
  /// Returns false, unchanged, if not supported.
  virtual bool widen_blocks(int64_t /*hidden*/, int64_t /*key_heads*/, double /*noise*/,
                            Random& /*random*/) {
    return false;
  }
  /// Whether images and texts have features in a common space, which `similarity` compares.
  virtual bool compares() const { return false; }
  /// Scores of every image against every text: features [B,D], [N,D] -> [B,N].
  virtual Tensor similarity(const Tensor& /*images*/, const Tensor& /*texts*/) const { return {}; }
  /// Scores of every word at every token: [B,T,D] -> [B,T,V].
  virtual Tensor word_scores(const Tensor& /*tokens*/) const { return {}; }
  /// The pre-trained pooler's output: [B,D] -> [B,D].
  virtual Tensor pooled(const Tensor& /*features*/) const { return {}; }
  /// Whether words are scored at the tokens of an answer, which a decoder generates from the input.
  virtual bool has_decoder() const { return false; }
  /// The decoder's tokens for an answer [B,T] to an input: [B,T,D].
  virtual Tensor decoded(const Input& /*answer*/, const Input& /*input*/,
                         const nn::Adaptations& /*adaptations*/) const {
    return {};
  }

  /// The input `features` accepts: images, texts, or both.
  virtual std::optional<ImageInput> image_input() const { return std::nullopt; }
  virtual std::optional<TextInput> text_input() const { return std::nullopt; }
  /// How images stand in its texts (`Input::images`); nothing: it reads texts alone.
  virtual std::optional<ImageTokens> image_tokens() const { return std::nullopt; }
  /// Converts text to ids; null if the checkpoint has no tokenizer.
  const Tokenizer* tokenizer() const { return tokenizer_.get(); }
  void set_tokenizer(std::shared_ptr<const Tokenizer> tokenizer) {
    tokenizer_ = std::move(tokenizer);
  }

  /// The model options it was loaded with, as TOML; "": it was created otherwise.
  const std::string& origin() const { return origin_; }
  void set_origin(std::string options) { origin_ = std::move(options); }

  /// How its family stores it; null for a network that was not read from a checkpoint.
  const StoredForm* stored() const { return stored_.get(); }
  void set_stored(std::shared_ptr<const StoredForm> stored) { stored_ = std::move(stored); }

  /// Sets how the blocks compute; copies of the network share the engine.
  virtual void set_engine(std::shared_ptr<const nn::Engine> engine) { engine_ = std::move(engine); }
  const nn::Engine& engine() const { return *engine_; }

  /// Sets the cache for features; copies share it. Not for a network in mixed precision. Null: no
  /// cache.
  void set_cache(std::shared_ptr<FeatureCache> cache) { cache_ = std::move(cache); }
  const FeatureCache* cache() const { return cache_.get(); }

  /// Whether it generates text: whether `begin` starts a continuation.
  virtual bool generates() const { return has_decoder(); }
  /// Starts a continuation of `prompt`; nothing if the network does not generate text. An
  /// encoder-decoder reads the prompt and starts an answer.
  virtual std::optional<Continuation> begin(const Input& prompt,
                                            const nn::Adaptations& adaptations = {},
                                            bool cached = true) const;

  /// Visits every weight, under patina's names; the checkpoints' names are in the family's name
  /// table.
  virtual void walk(nn::Walk& w) = 0;
  /// A deep copy; weights require gradients as the originals do.
  virtual std::unique_ptr<Backbone> clone() const = 0;

 private:
  /// Computes the features of an input.
  virtual Tensor encode(const Input& input, const nn::Adaptations& adaptations) const = 0;
  /// The same; if no gradient is needed, without a graph and in parts that fit the processor's
  /// caches, shared among threads.
  Tensor compute(const Input& input, const nn::Adaptations& adaptations) const;
  int64_t tokens_of(const Input& input) const;
  /// The cache's name for everything between input and features; nothing if features must not be
  /// cached.
  std::optional<std::string> space(const nn::Adaptations& adaptations) const;
  std::string behaviour() const;
  /// What the features of a short text do not show of a network: windows, and where the tokens of
  /// long texts are. "": nothing.
  virtual std::string long_texts() const { return {}; }

  std::string origin_;
  std::shared_ptr<const StoredForm> stored_;
  std::shared_ptr<const nn::Engine> engine_ = nn::plain_engine();
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<FeatureCache> cache_;
  mutable nn::TensorsHash weights_hash_;
};

}  // namespace patina
