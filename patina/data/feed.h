// Feeds: how the samples of a source become a network's input, whatever they are.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "patina/config/fields.h"
#include "patina/data/source.h"
#include "patina/image/image_cache.h"
#include "patina/image/transform.h"
#include "patina/nn/input.h"
#include "patina/text/tokenizer.h"

namespace patina {

/// One batch in the making. Its rows may be prepared by several threads; then one thread joins
/// them. Each row of images stands for itself: those that are not prepared hold anything.
class Making {
 public:
  virtual ~Making() = default;
  /// Makes row `row` of sample `sample`; `random` drives augmentations. Throws what decoding
  /// throws.
  virtual void prepare(int64_t row, int64_t sample, Random random) = 0;
  /// The input, once every row that is read is prepared. May be called again when more are.
  virtual Input join() = 0;
};

/// How samples become input. Immutable, safe to share between threads.
class Feed {
 public:
  virtual ~Feed() = default;
  /// `source` is lent until the batch is joined.
  virtual std::unique_ptr<Making> begin(const Source& source, int64_t rows) const = 0;
  /// What a sample costs the network, roughly: samples of like cost share a batch best. All images
  /// cost the same, texts by their bytes.
  virtual int64_t cost(const Source&, int64_t /*sample*/) const { return 0; }
  /// One line that identifies what is done: the same line and sample, the same input.
  virtual std::string text() const = 0;
  /// Whether a sample always becomes the same input.
  virtual bool deterministic() const = 0;
  /// What a sample is called where they are counted: "images".
  virtual std::string unit() const = 0;
  /// So many samples were asked for, but nobody read their input: all was known of them.
  virtual void never_needed(int64_t /*samples*/) const {}
};

/// Images: a transform's pixels, [B,3,H,W].
class ImageFeed : public Feed {
 public:
  /// What the transform does without chance is kept in `cache`; by default nothing is kept.
  explicit ImageFeed(TransformOptions options,
                     std::shared_ptr<ImageCache> cache = std::make_shared<ImageCache>(0));

  std::unique_ptr<Making> begin(const Source& source, int64_t rows) const override;
  std::string text() const override { return transform_.text(); }
  bool deterministic() const override { return !transform_.random(); }
  std::string unit() const override { return "images"; }
  void never_needed(int64_t samples) const override { cache_->never_needed(samples); }
  const Transform& transform() const { return transform_; }

 private:
  Transform transform_;
  std::shared_ptr<ImageCache> cache_;
  ContentHash fixed_by_;  // what a sample's key in the cache begins with
};

/// How a text becomes network input: `[text]` in a recipe.
struct TextOptions {
  int64_t max_length = 0;  // tokens, with those the model wants around a text; 0: the model's limit

  void bind(Fields& f);
};

/// Texts of different lengths as one input: padded on the right with the tokenizer's padding (0
/// where it has none), the mask, and the types where a second text has its own.
Input padded(std::span<const Encoding> texts, const Tokenizer& tokenizer);

/// Texts: a tokenizer's ids, framed, cut to `max_length`, padded to the longest of the batch.
class TextFeed : public Feed {
 public:
  /// `tokenizer` is lent. Throws Error(recipe) when max_length (0: no limit) leaves no room for a
  /// text.
  TextFeed(const Tokenizer& tokenizer, const TextOptions& options);

  std::unique_ptr<Making> begin(const Source& source, int64_t rows) const override;
  int64_t cost(const Source& source, int64_t sample) const override;
  std::string text() const override { return text_; }
  bool deterministic() const override { return true; }
  std::string unit() const override { return "texts"; }

 private:
  const Tokenizer& tokenizer_;
  int64_t max_length_;
  std::string text_;
};

}  // namespace patina
