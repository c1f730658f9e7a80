// Attention forward in bf16: blocks of 32 queries meet all the keys that they see.
#include <algorithm>
#include <cmath>

#include "patina/kernels/head_rows.h"

namespace patina::kernels {

namespace {

// With this few queries the products run key by key: packing the keys would cost more than it
// saves.
constexpr int64_t kFewQueries = 4;

class Forward {
 public:
  Forward(const AttentionShape& shape, const AttentionInputs<bf16>& inputs,
          const Strided<bf16>& out, float* log_sums, const Instructions& set)
      : shape_(shape), inputs_(inputs), out_(out), log_sums_(log_sums), set_(set) {
    q_room_ = aligned<bf16>(kBlock * width_);
    std::fill_n(q_room_.get(), kBlock * width_, bf16{0});
    sums_ = aligned<float>(kBlock * width_);
    scores_ = aligned<float>(kBlock * stride_);
    if (few()) return;
    key_tiles_ = aligned<bf16>(tiles_size<bf16>(shape.keys, shape.size));
    value_tiles_ = aligned<bf16>(tiles_size<bf16>(shape.size, shape.keys));
  }

  void run(int64_t unit) {
    sample_ = unit / shape_.key_heads;
    key_head_ = unit % shape_.key_heads;
    if (few()) return one_by_one();
    const bf16 *k = inputs_.k.at(sample_, key_head_, 0), *v = inputs_.v.at(sample_, key_head_, 0);
    set_.rounded.pack(k, inputs_.k.row, 1, shape_.keys, shape_.size, key_tiles_.get());
    set_.rounded.pack(v, 1, inputs_.v.row, shape_.size, shape_.keys, value_tiles_.get());
    in_blocks();
  }

 private:
  // Queries [first, first + rows), and the largest number of keys that any of them sees.
  struct Queries {
    int64_t first = 0, rows = 0, keys = 0;
    PaddedRows q;
  };

  bool few() const { return group_ * shape_.queries <= kFewQueries; }

  template <class T>
  HeadRows<T> rows_of(const Strided<T>& view) const {
    return {view, sample_, key_head_ * group_, group_, shape_.queries, shape_.size};
  }

  int64_t seen(int64_t row) const {
    if (!shape_.causal) return shape_.keys;
    const int64_t last = row % shape_.queries + shape_.keys - shape_.queries;
    return std::clamp<int64_t>(last + 1, 0, shape_.keys);
  }

  Queries queries(int64_t first) {
    const auto q = rows_of(inputs_.q);
    Queries block{first, std::min(kBlock, q.count() - first), 0, q.block(first, q_room_.get())};
    for (int64_t i = 0; i < block.rows; ++i) block.keys = std::max(block.keys, seen(first + i));
    return block;
  }

  void in_blocks() {
    Queries before;
    for (int64_t first = 0; first < group_ * shape_.queries; first += kBlock) {
      const Queries block = queries(first);
      for (int64_t key = 0; key < block.keys; key += kBlock) score(block, key);
      finish(before);  // here, where its sums are ready and this block's scores are not
      softmax(block.first, block.rows, round_up(block.keys, kBlock));
      mix(block);
      before = block;
    }
    finish(before);
  }

  void score(const Queries& block, int64_t key) {
    const bf16* tiles = key_tiles_.get() + key * width_;
    set_.block(block.q.data, block.q.stride, tiles, tiles + kTileN * width_, width_ / kTileK,
               scores_.get() + key, stride_);
  }

  // Softmax of queries [first, first + rows), whose weights are `width` wide.
  void softmax(int64_t first, int64_t rows, int64_t width) {
    const Bias& bias = inputs_.bias;
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t head = key_head_ * group_ + (first + i) / shape_.queries;
      const int64_t query = (first + i) % shape_.queries;
      rows_[i] = {.scores = scores_.get() + i * stride_,
                  .keys = seen(query),
                  .scale = shape_.scale,
                  .cap = shape_.cap,
                  .bias_step = bias.key,
                  .width = width};
      if (bias.data)
        rows_[i].bias = bias.data + sample_ * bias.sample + head * bias.head + query * bias.query;
    }
    set_.rounded.attention.softmax(rows_, rows);
    if (!log_sums_) return;
    float* log_sums = log_sums_ + (sample_ * shape_.heads + key_head_ * group_) * shape_.queries;
    for (int64_t i = 0; i < rows; ++i) log_sums[first + i] = log_sum(rows_[i]);
  }

  static float log_sum(const SoftmaxRow& row) {
    return row.sum > 0 ? row.largest + std::log(row.sum) : 0.0f;
  }

  void mix(const Queries& block) {
    const int64_t all_tiles = round_up(shape_.keys, kTileK) / kTileK;
    for (int64_t column = 0; column < width_; column += kBlock) {
      const bf16* tiles = value_tiles_.get() + column * all_tiles * kTileK;
      set_.block(rows_[0].weights<bf16>(), 2 * stride_, tiles, tiles + all_tiles * kTile,
                 round_up(block.keys, kTileK) / kTileK, sums_.get() + column, width_);
    }
  }

  void finish(const Queries& block) {
    const auto out = rows_of(out_);
    for (int64_t i = 0; i < block.rows; ++i)
      finish(rows_[i], sums_.get() + i * width_, out.at(block.first + i));
  }

  void finish(const SoftmaxRow& row, const float* sums, bf16* to) {
    set_.rounded.attention.scale(sums, row.sum > 0 ? 1.0f / row.sum : 0.0f, shape_.size, to);
  }

  void one_by_one() {
    const auto q = rows_of(inputs_.q);
    const auto out = rows_of(out_);
    const bf16 *k = inputs_.k.at(sample_, key_head_, 0), *v = inputs_.v.at(sample_, key_head_, 0);
    for (int64_t i = 0; i < q.count(); ++i) {
      const int64_t keys = seen(i);
      set_.rounded.attention.dots(q.at(i), k, inputs_.k.row, keys, shape_.size, scores_.get());
      softmax(i, 1, round_up(keys, kTileN));
      set_.rounded.attention.mix(rows_[0].weights<bf16>(), v, inputs_.v.row, keys, shape_.size,
                                 sums_.get());
      finish(rows_[0], sums_.get(), out.at(i));
    }
  }

  const AttentionShape& shape_;
  const AttentionInputs<bf16>& inputs_;
  const Strided<bf16>& out_;
  float* log_sums_;
  const Instructions& set_;
  const int64_t group_ = shape_.heads / shape_.key_heads;
  const int64_t width_ = round_up(shape_.size, kTileK);
  // Row stride of the scores: an odd number of cache lines, so that rows spread over all cache
  // sets.
  const int64_t stride_ = round_up(shape_.keys, kBlock) + kTileN;
  int64_t sample_ = 0, key_head_ = 0;
  Aligned<bf16> q_room_, key_tiles_, value_tiles_;
  Aligned<float> scores_, sums_;  // [32, keys], [32, size]
  SoftmaxRow rows_[kBlock];
};

}  // namespace

void attention_forward(const AttentionShape& shape, const AttentionInputs<bf16>& inputs,
                       const Strided<bf16>& out, float* log_sums, int64_t first, int64_t last,
                       const Instructions& set) {
  set.begin();
  Forward forward(shape, inputs, out, log_sums, set);
  for (int64_t unit = first; unit < last; ++unit) forward.run(unit);
}

}  // namespace patina::kernels
