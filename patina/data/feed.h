// Feeds: turn samples of a source into a network's input.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "patina/config/fields.h"
#include "patina/data/source.h"
#include "patina/image/image_cache.h"
#include "patina/image/transform.h"
#include "patina/nn/input.h"
#include "patina/place.h"
#include "patina/text/tokenizer.h"

namespace patina {

/// One batch being prepared. Rows may be prepared by several threads; then one thread joins them.
/// Rows of images are independent; rows not prepared are undefined.
class Making {
 public:
  virtual ~Making() = default;
  /// Prepares row `row` from sample `sample`; `random` is for augmentation. Throws the errors of
  /// decoding.
  virtual void prepare(int64_t row, int64_t sample, Random random) = 0;
  /// The input, once every row to be read is prepared. May be called again after more rows.
  virtual Input join() = 0;
};

/// How samples become input. Safe to share between threads once its place is set.
class Feed {
 public:
  virtual ~Feed() = default;
  /// `source` is lent until the batch is joined.
  virtual std::unique_ptr<Making> begin(const Source& source, int64_t rows) const = 0;
  /// The rough cost of a sample for the network; batches of samples with similar costs are
  /// efficient. 0 for images, the number of bytes for texts.
  virtual int64_t cost(const Source&, int64_t /*sample*/) const { return 0; }
  /// Identifies the feed: equal lines and samples give equal inputs.
  virtual std::string text() const = 0;
  /// Whether a sample always gives the same input.
  virtual bool deterministic() const = 0;
  /// The unit in which samples are counted: "images".
  virtual std::string unit() const = 0;
  /// The place of the batches, which are made on the host and then moved.
  const Place& place() const { return place_; }
  void set_place(const Place& place) { place_ = place; }
  /// Counts samples served from the cache without decoding.
  virtual void never_needed(int64_t /*samples*/) const {}

 private:
  Place place_;
};

/// Images: a transform's pixels, [B,3,H,W].
class ImageFeed : public Feed {
 public:
  /// Results of the transform's deterministic part are stored in `cache`; by default there is none.
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
  ContentHash fixed_by_;  // hash of the transform's deterministic part, the start of a sample's
                          // cache key
};

/// How a text becomes network input: `[text]` in a recipe.
struct TextOptions {
  int64_t max_length = 0;  // tokens, including the model's special tokens; 0: the model's limit
  std::string prompt = "{instruction}\n{input}\n";  // of samples whose answers are texts
  std::string chat_template;                        // the name of one, for a model without its own

  void bind(Fields& f);
};

/// Texts of different lengths as one input: padded on the right with the tokenizer's padding id (0
/// if it has none), with mask, and with types if the tokenizer distinguishes second texts.
Input padded(std::span<const Encoding> texts, const Tokenizer& tokenizer);

/// Texts: token ids with special tokens, truncated to `max_length`, padded to the longest of the
/// batch.
class TextFeed : public Feed {
 public:
  /// `tokenizer` is lent. Throws Error(recipe) if max_length (0: no limit) leaves no room for a
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
