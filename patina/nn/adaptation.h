// Adaptations: changes to a frozen transformer that leave its weights alone. Prompts, prefixes,
// adapters, LoRA and scale-shift all act at the same few named places of a block.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "patina/nn/tensors_hash.h"

namespace patina::nn {

/// The named places inside a transformer where an adaptation may act. Arguments of `after`:
///
///   site       in                                out
///   patches    the images                        [B,N,D] a ViT's patches, without positions
///   embed      the input                         [B,T,D] tokens entering the first block
///   norm1      the residual stream [B,T,D]       its normalisation
///   qkv        what attention reads [B,T,D]      queries, keys, values side by side
///   proj       the heads' results [B,T,H*d]      their output projection [B,T,D]
///   attention  what attention reads [B,T,D]      what attention adds to the residual stream
///   norm2      the residual stream [B,T,D]       its normalisation
///   fc1        what the MLP reads [B,T,D]        before the activation; gated: gate, then up
///   fc2        the activations                   [B,T,D]
///   mlp        the residual stream [B,T,D]       what the MLP adds to it
///   norm       the last block's output           the final normalisation (layer = depth)
///
/// A post-norm block (BERT) has the same places; there norm1 and norm2 follow the sums. In an
/// encoder-decoder the decoder's blocks are numbered after the encoder's, and `embed` and `norm`
/// come once for each (layers 0 and L of a decoder that begins at L).
enum class Site { embed, norm1, qkv, attention, norm2, fc1, fc2, mlp, norm, patches, proj };

/// Which of a network's stacks of blocks an adaptation is for.
enum class Tower { image, text };

/// One change. The default is the identity; an implementation overrides what it needs.
class Adaptation {
 public:
  virtual ~Adaptation() = default;

  /// Called at the entry of block `layer`: may add, replace or drop tokens. x [B,T,D]; row 0 must
  /// stay the class token.
  virtual Tensor tokens(int layer, Tensor x);
  /// Called after the final norm where `tokens` changed the number of tokens and all of them are
  /// read: takes off those that are no output. x [B,T,D].
  virtual Tensor leave(Tensor x);
  /// The first block to compute: earlier blocks are skipped, and `tokens` supplies this block's
  /// input.
  virtual int first_layer() const { return 0; }
  /// Extra keys and values of block `layer`: two tensors [P,D] or [B,P,D]; undefined: none.
  virtual std::pair<Tensor, Tensor> prefix(int layer);
  /// Extra keys and values of block `layer` with a softmax of their own, whose result is added to
  /// the attention over all others. Shapes as for `prefix`.
  virtual std::pair<Tensor, Tensor> aside(int layer);
  /// Called after `site` of block `layer`; returns the new `out`. Both tensors have the engine's
  /// precision (bf16 under a bf16 engine), except that `out` is fp32 where it is the output of
  /// attention or of the MLP; nn::linear accepts both. The returned tensor may be fp32.
  virtual Tensor after(Site site, int layer, const Tensor& in, Tensor out);

  /// Whether `after` changes anything at a site. Where none acts, operations are fused.
  virtual bool acts(Site) const { return true; }

  /// The adaptation's own tensors.
  virtual void walk(Walk&) {}
  /// A line that, with those tensors, determines everything the adaptation does to a sample.
  /// Nothing if more is needed, such as state kept between passes.
  virtual std::optional<std::string> text() const { return std::nullopt; }
  /// Caches a hash of the adaptation's tensors, so that callers can check for changes at every
  /// sample.
  TensorsHash& tensors_hash() { return tensors_hash_; }

  /// The tower it acts in; nothing: any. The blocks of other towers may have other widths.
  std::optional<Tower> tower() const { return tower_; }
  void set_tower(Tower tower) { tower_ = tower; }

 private:
  TensorsHash tensors_hash_;
  std::optional<Tower> tower_;
};

/// A list of adaptations that composes: each acts on the result of the one before; prefixes are
/// concatenated, and so are the keys and values with a softmax of their own.
class Adaptations {
 public:
  Adaptations() = default;
  Adaptations(std::initializer_list<Adaptation*> list) : list_(list) {}
  void add(Adaptation* adaptation) { list_.push_back(adaptation); }
  /// Adds one that lives as long as a copy of this list: what was made for a single input.
  void keep(std::shared_ptr<Adaptation> adaptation) {
    list_.push_back(adaptation.get());
    kept_.push_back(std::move(adaptation));
  }
  bool empty() const { return list_.empty(); }
  std::span<Adaptation* const> list() const { return list_; }
  /// The adaptations that act in a tower.
  Adaptations of(Tower tower) const;

  Tensor tokens(int layer, Tensor x) const;
  Tensor leave(Tensor x) const;
  int first_layer() const;                                           // the largest of all
  std::pair<Tensor, Tensor> prefix(int layer, int64_t batch) const;  // [B,P,D] or undefined
  std::pair<Tensor, Tensor> aside(int layer, int64_t batch) const;   // [B,P,D] or undefined
  Tensor after(Site site, int layer, const Tensor& in, Tensor out) const;
  bool act(Site site) const;  // whether one of them acts

 private:
  using KeysAndValues = std::pair<Tensor, Tensor> (Adaptation::*)(int layer);
  std::pair<Tensor, Tensor> joined(KeysAndValues part, int layer, int64_t batch) const;

  std::vector<Adaptation*> list_;                  // lent
  std::vector<std::shared_ptr<Adaptation>> kept_;  // those of them that live with the list
};

}  // namespace patina::nn
