// Attention forward: 32 queries at a time see all their keys, while the products of the next 32
// already run.
#include <algorithm>

#include "patina/kernels/attention_rows.h"

namespace patina::kernels {

namespace {

// So few queries are cheaper key by key: packing the keys would cost more than it saves.
constexpr int64_t kFewQueries = 4;

class Forward {
 public:
  Forward(const AttentionShape& shape, const AttentionInputs& inputs, const Strided<bf16>& out,
          float* log_sums, const Instructions& set)
      : shape_(shape), inputs_(inputs), out_(out), log_sums_(log_sums), set_(set) {
    q_room_ = aligned<bf16>(kBlock * width_);
    std::fill_n(q_room_.get(), kBlock * width_, bf16{0});
    weights_ = aligned<bf16>(kBlock * weights_stride_);
    sums_ = aligned<float>(kBlock * width_);
    for (auto& scores : scores_) scores = aligned<float>(kBlock * scores_stride_);
    if (few()) return;
    key_tiles_ = aligned<bf16>(tiles_size(shape.keys, shape.size));
    value_tiles_ = aligned<bf16>(tiles_size(shape.size, shape.keys));
  }

  void run(int64_t unit) {
    sample_ = unit / shape_.key_heads;
    key_head_ = unit % shape_.key_heads;
    if (few()) return one_by_one();
    const bf16 *k = inputs_.k.at(sample_, key_head_, 0), *v = inputs_.v.at(sample_, key_head_, 0);
    set_.pack(k, inputs_.k.row, 1, shape_.keys, shape_.size, key_tiles_.get());
    set_.pack(v, 1, inputs_.v.row, shape_.size, shape_.keys, value_tiles_.get());
    in_blocks();
  }

 private:
  // Queries [first, first + rows) and how many keys the one that sees most of them sees.
  struct Queries {
    int64_t first = 0, rows = 0, keys = 0;
    PaddedRows q;
    float* scores = nullptr;
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
    Queries block{first, std::min(kBlock, q.count() - first), 0, q.block(first, q_room_.get()),
                  scores_[first / kBlock % 2].get()};
    for (int64_t i = 0; i < block.rows; ++i) block.keys = std::max(block.keys, seen(first + i));
    return block;
  }

  void in_blocks() {
    Queries before;
    const int64_t count = group_ * shape_.queries;
    for (int64_t first = 0; first < count + kBlock; first += kBlock) {
      const Queries block = first < count ? queries(first) : Queries{};
      // The products of this block and the softmax of the one before keep different parts of the
      // processor busy.
      const int64_t steps = std::max<int64_t>(1, round_up(block.keys, kBlock) / kBlock);
      for (int64_t step = 0; step < steps; ++step) {
        if (step * kBlock < block.keys) score(block, step * kBlock);
        softmax(before, before.rows * step / steps, before.rows * (step + 1) / steps);
      }
      mix(before);
      before = block;
    }
  }

  void score(const Queries& block, int64_t key) {
    const bf16* tiles = key_tiles_.get() + key * width_;
    set_.block(block.q.data, block.q.stride, tiles, tiles + kTileN * width_, width_ / kTileK,
               block.scores + key, scores_stride_);
  }

  void softmax(const Queries& block, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      softmax(block.first + i, block.scores + i * scores_stride_,
              weights_.get() + i * weights_stride_, round_up(block.keys, kBlock), inverse_[i]);
  }

  void softmax(int64_t query, float* scores, bf16* weights, int64_t width, float& inverse) {
    const int64_t head = key_head_ * group_ + query / shape_.queries, t = query % shape_.queries;
    const Bias& bias = inputs_.bias;
    SoftmaxRow row{scores, seen(query), shape_.scale, nullptr, bias.key, weights, width};
    if (bias.data)
      row.bias = bias.data + sample_ * bias.sample + head * bias.head + t * bias.query;
    const SoftmaxSum sum = set_.rows.softmax(row);
    if (log_sums_) log_sums_[(sample_ * shape_.heads + head) * shape_.queries + t] = sum.log;
    inverse = sum.inverse;
  }

  void mix(const Queries& block) {
    if (block.rows == 0) return;
    const int64_t all_tiles = round_up(shape_.keys, kTileK) / kTileK;
    for (int64_t column = 0; column < width_; column += kBlock) {
      const bf16* tiles = value_tiles_.get() + column * all_tiles * kTileK;
      set_.block(weights_.get(), weights_stride_, tiles, tiles + all_tiles * kTile,
                 round_up(block.keys, kTileK) / kTileK, sums_.get() + column, width_);
    }
    const auto out = rows_of(out_);
    for (int64_t i = 0; i < block.rows; ++i)
      set_.rows.scale(sums_.get() + i * width_, inverse_[i], shape_.size, out.at(block.first + i));
  }

  void one_by_one() {
    const auto q = rows_of(inputs_.q);
    const auto out = rows_of(out_);
    const bf16 *k = inputs_.k.at(sample_, key_head_, 0), *v = inputs_.v.at(sample_, key_head_, 0);
    for (int64_t i = 0; i < q.count(); ++i) {
      const int64_t keys = seen(i);
      set_.rows.dots(q.at(i), k, inputs_.k.row, keys, shape_.size, scores_[0].get());
      softmax(i, scores_[0].get(), weights_.get(), round_up(keys, kTileN), inverse_[0]);
      set_.rows.mix(weights_.get(), v, inputs_.v.row, keys, shape_.size, sums_.get());
      set_.rows.scale(sums_.get(), inverse_[0], shape_.size, out.at(i));
    }
  }

  const AttentionShape& shape_;
  const AttentionInputs& inputs_;
  const Strided<bf16>& out_;
  float* log_sums_;
  const Instructions& set_;
  const int64_t group_ = shape_.heads / shape_.key_heads;
  const int64_t width_ = round_up(shape_.size, kTileK);
  // A little more than the keys: rows a power of two apart would share few places in the cache.
  const int64_t scores_stride_ = round_up(shape_.keys, kBlock) + kTileN;
  const int64_t weights_stride_ = round_up(shape_.keys, kBlock) + kTileK;
  int64_t sample_ = 0, key_head_ = 0;
  Aligned<bf16> q_room_, key_tiles_, value_tiles_, weights_;
  Aligned<float> scores_[2], sums_;
  float inverse_[kBlock];
};

}  // namespace

void attention_forward(const AttentionShape& shape, const AttentionInputs& inputs,
                       const Strided<bf16>& out, float* log_sums, int64_t first, int64_t last,
                       const Instructions& set) {
  set.begin();
  Forward forward(shape, inputs, out, log_sums, set);
  for (int64_t unit = first; unit < last; ++unit) forward.run(unit);
}

}  // namespace patina::kernels
