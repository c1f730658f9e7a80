// Attention in fp32: a block of queries of one head meets all keys. Each step is a product of whole
// matrices, since the fp32 product kernels are fastest on those.
#include <algorithm>
#include <cmath>

#include "patina/kernels/attention.h"

namespace patina::kernels {

namespace {

constexpr int64_t kQueries = 112;  // per block: a multiple of the 14 rows that AVX-512 multiplies
// With this few queries the products run key by key: packing the keys would cost more than it
// saves.
constexpr int64_t kFewQueries = 4;

// Queries [first, first + count) of one head.
struct Queries {
  int64_t head = 0, first = 0, count = 0;
};

// The packed keys and values of one unit, and the buffer for the scores of one block of queries.
class Unit {
 public:
  Unit(const AttentionShape& shape, const AttentionInputs<float>& inputs, const Instructions& set)
      : shape_(shape), inputs_(inputs), set_(set) {}

  void choose(int64_t unit) {
    sample_ = unit / shape_.key_heads;
    key_head_ = unit % shape_.key_heads;
  }

 protected:
  template <class Visit>
  void each_queries(Visit&& visit) const {
    for (int64_t head = key_head_ * group_; head < (key_head_ + 1) * group_; ++head)
      for (int64_t first = 0; first < shape_.queries; first += kQueries)
        visit(Queries{head, first, std::min(kQueries, shape_.queries - first)});
  }

  const float* keys() const { return inputs_.k.at(sample_, key_head_, 0); }
  const float* values() const { return inputs_.v.at(sample_, key_head_, 0); }

  int64_t seen(int64_t query) const {
    if (!shape_.causal) return shape_.keys;
    return std::clamp<int64_t>(query + shape_.keys - shape_.queries + 1, 0, shape_.keys);
  }

  const float* bias(int64_t head, int64_t query) const {
    const Bias& all = inputs_.bias;
    if (!all.data) return nullptr;
    return all.data + sample_ * all.sample + head * all.head + query * all.query;
  }

  // Index of a query in [B,H,T].
  int64_t place(int64_t head, int64_t query) const {
    return (sample_ * shape_.heads + head) * shape_.queries + query;
  }

  // scores [count, keys] = rows of `view` times Wᵀ, W [keys, size].
  void score(const Queries& some, const Strided<const float>& view, const float* tiles,
             float* scores) const {
    set_.floats.product({.a = view.at(sample_, some.head, some.first),
                         .a_stride = view.row,
                         .m = some.count,
                         .tiles = tiles,
                         .n = shape_.keys,
                         .k = shape_.size,
                         .c = scores,
                         .c_stride = stride_});
  }

  // rows of `view` = weights [count, keys] times Wᵀ, W [size, keys].
  void mix(const Queries& some, const float* weights, const float* tiles,
           const Strided<float>& view) const {
    set_.floats.product({.a = weights,
                         .a_stride = stride_,
                         .m = some.count,
                         .tiles = tiles,
                         .n = shape_.size,
                         .k = shape_.keys,
                         .c = view.at(sample_, some.head, some.first),
                         .c_stride = view.row});
  }

  const AttentionShape& shape_;
  const AttentionInputs<float>& inputs_;
  const Instructions& set_;
  const int64_t group_ = shape_.heads / shape_.key_heads;
  const int64_t stride_ = round_up(shape_.keys, kTileN);  // row stride of the scores
  const int64_t rows_ = std::min(kQueries, shape_.queries);
  const int64_t key_tiles_size_ = tiles_size<float>(shape_.keys, shape_.size);
  const int64_t column_tiles_size_ = tiles_size<float>(shape_.size, shape_.keys);
  int64_t sample_ = 0, key_head_ = 0;
};

class Forward : Unit {
 public:
  Forward(const AttentionShape& shape, const AttentionInputs<float>& inputs,
          const Strided<float>& out, float* log_sums, const Instructions& set)
      : Unit(shape, inputs, set),
        out_(out),
        log_sums_(log_sums),
        scores_(aligned<float>(rows_ * stride_)) {
    if (few()) return;
    key_tiles_ = aligned<float>(key_tiles_size_);
    value_tiles_ = aligned<float>(column_tiles_size_);
  }

  void run(int64_t unit) {
    choose(unit);
    const int64_t k_row = inputs_.k.row, v_row = inputs_.v.row;
    if (!few()) {
      set_.floats.pack(keys(), k_row, 1, shape_.keys, shape_.size, key_tiles_.get());
      set_.floats.pack(values(), 1, v_row, shape_.size, shape_.keys, value_tiles_.get());
    }
    each_queries([&](const Queries& some) {
      if (few()) return one_by_one(some);
      score(some, inputs_.q, key_tiles_.get(), scores_.get());
      softmax(some);
      mix(some, scores_.get(), value_tiles_.get(), out_);
      finish(some);
    });
  }

 private:
  bool few() const { return group_ * shape_.queries <= kFewQueries; }

  void softmax(const Queries& some) {
    for (int64_t i = 0; i < some.count; ++i) {
      const int64_t query = some.first + i;
      softmax_rows_[i] = {.scores = scores_.get() + i * stride_,
                          .keys = seen(query),
                          .scale = shape_.scale,
                          .cap = shape_.cap,
                          .bias = bias(some.head, query),
                          .bias_step = inputs_.bias.key,
                          .width = stride_};
    }
    set_.floats.attention.softmax(softmax_rows_, some.count);
  }

  void finish(const Queries& some) {
    for (int64_t i = 0; i < some.count; ++i) {
      const SoftmaxRow& row = softmax_rows_[i];
      float* out = out_.at(sample_, some.head, some.first + i);
      set_.floats.attention.scale(out, row.sum > 0 ? 1 / row.sum : 0, shape_.size, out);
      if (log_sums_)
        log_sums_[place(some.head, some.first + i)] =
            row.sum > 0 ? row.largest + std::log(row.sum) : 0;
    }
  }

  void one_by_one(const Queries& some) {
    for (int64_t i = 0; i < some.count; ++i)
      set_.floats.attention.dots(inputs_.q.at(sample_, some.head, some.first + i), keys(),
                                 inputs_.k.row, seen(some.first + i), shape_.size,
                                 scores_.get() + i * stride_);
    softmax(some);
    for (int64_t i = 0; i < some.count; ++i)
      set_.floats.attention.mix(scores_.get() + i * stride_, values(), inputs_.v.row,
                                seen(some.first + i), shape_.size,
                                out_.at(sample_, some.head, some.first + i));
    finish(some);
  }

  const Strided<float>& out_;
  float* log_sums_;
  Aligned<float> key_tiles_, value_tiles_;  // W [keys, size], W [size, keys]
  Aligned<float> scores_;                   // [rows, keys]
  SoftmaxRow softmax_rows_[kQueries];
};

class Backward : Unit {
 public:
  Backward(const AttentionShape& shape, const AttentionInputs<float>& inputs,
           const AttentionGradients<float>& gradients, const Instructions& set)
      : Unit(shape, inputs, set), gradients_(gradients) {
    for (auto* tiles : {&key_tiles_, &value_tiles_}) *tiles = aligned<float>(key_tiles_size_);
    key_columns_ = aligned<float>(column_tiles_size_);
    row_columns_ = aligned<float>(tiles_size<float>(shape.size, rows_));
    for (auto* scores : {&p_, &dp_}) *scores = aligned<float>(rows_ * stride_);
  }

  void run(int64_t unit) {
    choose(unit);
    const int64_t k_row = inputs_.k.row, v_row = inputs_.v.row;
    set_.floats.pack(keys(), k_row, 1, shape_.keys, shape_.size, key_tiles_.get());
    set_.floats.pack(keys(), 1, k_row, shape_.size, shape_.keys, key_columns_.get());
    set_.floats.pack(values(), v_row, 1, shape_.keys, shape_.size, value_tiles_.get());
    bool first = true;
    each_queries([&](const Queries& some) {
      score(some, inputs_.q, key_tiles_.get(), p_.get());
      score(some, gradients_.dout, value_tiles_.get(), dp_.get());
      for (int64_t i = 0; i < some.count; ++i) gradient(some.head, some.first + i, i * stride_);
      mix(some, dp_.get(), key_columns_.get(), gradients_.q);
      add(some, p_.get(), gradients_.dout, gradients_.v, first);
      add(some, dp_.get(), inputs_.q, gradients_.k, first);
      first = false;
    });
  }

 private:
  // In place, for one query: scores -> softmax, dL/dP -> dL/dS.
  void gradient(int64_t head, int64_t query, int64_t row) {
    float delta = 0;
    set_.floats.attention.dots(gradients_.out.at(sample_, head, query),
                               gradients_.dout.at(sample_, head, query), 0, 1, shape_.size, &delta);
    set_.floats.attention.gradients({.scores = p_.get() + row,
                                     .dp = dp_.get() + row,
                                     .keys = seen(query),
                                     .scale = shape_.scale,
                                     .cap = shape_.cap,
                                     .bias = bias(head, query),
                                     .bias_step = inputs_.bias.key,
                                     .log_sum = gradients_.log_sums[place(head, query)],
                                     .delta = delta,
                                     .width = stride_});
  }

  // rows of `to` (+)= weightsᵀ · rows of `view`. weights [count, keys].
  void add(const Queries& some, const float* weights, const Strided<const float>& view,
           const Strided<float>& to, bool first) {
    set_.floats.pack(view.at(sample_, some.head, some.first), 1, view.row, shape_.size, some.count,
                     row_columns_.get());
    float* sums = to.at(sample_, key_head_, 0);
    set_.floats.product({.a = weights,
                         .a_stride = 1,
                         .a_step = stride_,
                         .m = shape_.keys,
                         .tiles = row_columns_.get(),
                         .n = shape_.size,
                         .k = some.count,
                         .add = first ? nullptr : sums,
                         .add_stride = to.row,
                         .c = sums,
                         .c_stride = to.row});
  }

  const AttentionGradients<float>& gradients_;
  Aligned<float> key_tiles_, value_tiles_;    // W [keys, size]
  Aligned<float> key_columns_, row_columns_;  // W [size, keys], W [size, rows]
  Aligned<float> p_, dp_;                     // [rows, keys]
};

}  // namespace

void attention_forward(const AttentionShape& shape, const AttentionInputs<float>& inputs,
                       const Strided<float>& out, float* log_sums, int64_t first, int64_t last,
                       const Instructions& set) {
  Forward forward(shape, inputs, out, log_sums, set);
  for (int64_t unit = first; unit < last; ++unit) forward.run(unit);
}

void attention_backward(const AttentionShape& shape, const AttentionInputs<float>& inputs,
                        const AttentionGradients<float>& gradients, int64_t first, int64_t last,
                        const Instructions& set) {
  Backward backward(shape, inputs, gradients, set);
  for (int64_t unit = first; unit < last; ++unit) backward.run(unit);
}

}  // namespace patina::kernels
