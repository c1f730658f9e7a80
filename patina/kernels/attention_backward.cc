// Attention backward in bf16: blocks of 32 keys meet all queries. Rows are keys and columns are
// queries, so that probabilities and gradients already have the layout that the products for the
// gradients of keys and values read.
#include <algorithm>

#include "patina/kernels/head_rows.h"

namespace patina::kernels {

namespace {

// Number of keys whose score gradients are kept before they are summed into the queries' gradients.
constexpr int64_t kChunk = 1024;

// Row stride for at least n elements: an odd number of cache lines, so that rows spread over all
// cache sets.
int64_t odd_lines(int64_t n) {
  return (n / kTileK | 1) * kTileK;
}

class Backward {
 public:
  Backward(const AttentionShape& shape, const AttentionInputs<bf16>& inputs,
           const AttentionGradients<bf16>& gradients, const Instructions& set)
      : shape_(shape), inputs_(inputs), gradients_(gradients), set_(set) {
    for (auto* rows : {&q_rows_, &dout_rows_}) *rows = zeros(queries_padded_ * width_);
    for (auto* tiles : {&q_tiles_, &q_columns_, &dout_tiles_, &dout_columns_})
      *tiles = aligned<bf16>(queries_padded_ * width_);
    for (auto* room : {&k_room_, &v_room_}) *room = zeros(kBlock * width_);
    for (auto* matrix : {&p_, &ds_}) *matrix = aligned<bf16>(kBlock * stride_);
    for (auto* lanes : {&log_sums_, &delta_}) *lanes = aligned<float>(queries_padded_);
    k_tiles_ = aligned<bf16>(tiles_size<bf16>(chunk_, shape.size));
    k_columns_ = aligned<bf16>(width_ * chunk_stride_);
    chunk_ds_ = aligned<bf16>(queries_padded_ * chunk_);
    dq_ = aligned<float>(queries_padded_ * width_);
    if (shape.causal) seen_ = std::make_unique<int32_t[]>(size_t(queries_padded_));
    if (inputs.bias.data) bias_at_ = std::make_unique<int64_t[]>(size_t(queries_padded_));
  }

  void run(int64_t unit) {
    sample_ = unit / shape_.key_heads;
    key_head_ = unit % shape_.key_heads;
    read_queries();
    for (int64_t first = 0; first < shape_.keys; first += chunk_)
      chunk(first, std::min(chunk_, shape_.keys - first));
    write_dq();
  }

 private:
  static Aligned<bf16> zeros(int64_t count) {
    auto memory = aligned<bf16>(count);
    std::fill_n(memory.get(), count, bf16{0});
    return memory;
  }

  template <class T>
  HeadRows<T> query_rows(const Strided<T>& view) const {
    return {view, sample_, key_head_ * group_, group_, shape_.queries, shape_.size};
  }

  template <class T>
  HeadRows<T> key_rows(const Strided<T>& view) const {
    return {view, sample_, key_head_, 1, shape_.keys, shape_.size};
  }

  // Packs the rows twice: as W [queries, size] and as W [size, queries].
  void pack_queries(const Strided<const bf16>& view, bf16* room, bf16* tiles, bf16* columns) {
    const auto rows = query_rows(view);
    PaddedRows from{rows.at(0), view.row};
    if (group_ > 1) {
      rows.copy(0, queries_, room, width_);
      from = {room, width_};
    }
    set_.rounded.pack(from.data, from.stride, 1, queries_, shape_.size, tiles);
    set_.rounded.pack(from.data, 1, from.stride, shape_.size, queries_, columns);
  }

  void read_queries() {
    pack_queries(inputs_.q, q_rows_.get(), q_tiles_.get(), q_columns_.get());
    pack_queries(gradients_.dout, dout_rows_.get(), dout_tiles_.get(), dout_columns_.get());
    const auto out = query_rows(gradients_.out), dout = query_rows(gradients_.dout);
    const int64_t head = sample_ * shape_.heads + key_head_ * group_;
    std::copy_n(gradients_.log_sums + head * shape_.queries, queries_, log_sums_.get());
    for (int64_t i = 0; i < queries_; ++i)
      set_.rounded.attention.dots(out.at(i), dout.at(i), 0, 1, shape_.size, &delta_[i]);
    std::fill(&log_sums_[queries_], &log_sums_[queries_padded_], 0.0f);
    std::fill(&delta_[queries_], &delta_[queries_padded_], 0.0f);
    if (shape_.causal) count_seen();
    if (inputs_.bias.data) locate_bias();
  }

  void count_seen() {
    for (int64_t i = 0; i < queries_padded_; ++i) {
      const int64_t last = i % shape_.queries + shape_.keys - shape_.queries;
      seen_[i] = i < queries_ ? int32_t(std::clamp<int64_t>(last + 1, 0, shape_.keys)) : 0;
    }
  }

  void locate_bias() {
    const Bias& bias = inputs_.bias;
    for (int64_t i = 0; i < queries_padded_; ++i) {
      const int64_t query = std::min(i, queries_ - 1),
                    head = key_head_ * group_ + query / shape_.queries;
      bias_at_[i] = sample_ * bias.sample + head * bias.head + query % shape_.queries * bias.query;
    }
  }

  void chunk(int64_t first, int64_t keys) {
    const int64_t key_tiles = round_up(keys, kTileK) / kTileK;
    set_.rounded.pack(inputs_.k.at(sample_, key_head_, first), inputs_.k.row, 1, keys, shape_.size,
                      k_tiles_.get());
    set_.rounded.unpack_transposed(k_tiles_.get(), keys, shape_.size, k_columns_.get(),
                                   chunk_stride_);
    for (int64_t key = 0; key < keys; key += kBlock)
      key_block(first + key, std::min(kBlock, keys - key), chunk_ds_.get() + key * kTileN,
                key_tiles);
    add_dq(first == 0, key_tiles);
  }

  // Processes keys [first, first + keys) and writes their score gradients as tiles into `tiles`,
  // whose rows hold `key_tiles` tiles.
  void key_block(int64_t first, int64_t keys, bf16* tiles, int64_t key_tiles) {
    const PaddedRows k = key_rows(inputs_.k).block(first, k_room_.get());
    const PaddedRows v = key_rows(inputs_.v).block(first, v_room_.get());
    for (int64_t query = 0; query < queries_padded_; query += kBlock) {
      const SoftmaxGradients<bf16> block =
          score_block(query, first, keys, tiles + query * key_tiles * kTileK, key_tiles);
      if (nobody_sees(query, first)) {
        clear(block);
        continue;
      }
      const int64_t at = query * width_, right = at + kTileN * width_, steps = width_ / kTileK;
      set_.block(k.data, k.stride, &q_tiles_[at], &q_tiles_[right], steps, scores_, kBlock);
      set_.block(v.data, v.stride, &dout_tiles_[at], &dout_tiles_[right], steps, dp_, kBlock);
      set_.rounded.attention.gradients(block);
    }
    write(p_.get(), dout_columns_.get(), 1.0f, key_rows(gradients_.v), first, keys);
    write(ds_.get(), q_columns_.get(), shape_.scale, key_rows(gradients_.k), first, keys);
  }

  SoftmaxGradients<bf16> score_block(int64_t query, int64_t first, int64_t keys, bf16* tiles,
                                     int64_t key_tiles) {
    SoftmaxGradients<bf16> block;
    block.scores = scores_;
    block.dp = dp_;
    block.log_sums = &log_sums_[query];
    block.delta = &delta_[query];
    block.scale = shape_.scale;
    block.cap = shape_.cap;
    block.slopes = slopes_;
    block.seen = shape_.causal ? &seen_[size_t(query)] : nullptr;
    block.bias = inputs_.bias.data;
    block.bias_at = inputs_.bias.data ? &bias_at_[size_t(query)] : nullptr;
    block.bias_step = inputs_.bias.key;
    block.first_key = first;
    block.keys = keys;
    block.p = p_.get() + query;
    block.ds = ds_.get() + query;
    block.stride = stride_;
    block.left = tiles;
    block.right = tiles + key_tiles * kTile;
    return block;
  }

  bool nobody_sees(int64_t query, int64_t key) const {
    if (!shape_.causal) return false;
    return std::all_of(&seen_[size_t(query)], &seen_[size_t(query)] + kBlock,
                       [&](int32_t seen) { return seen <= key; });
  }

  static void clear(const SoftmaxGradients<bf16>& block) {
    for (int64_t i = 0; i < kBlock; ++i) {
      std::fill_n(block.p + i * block.stride, kBlock, bf16{0});
      std::fill_n(block.ds + i * block.stride, kBlock, bf16{0});
    }
    std::fill_n(block.left, kTile, bf16{0});
    std::fill_n(block.right, kTile, bf16{0});
  }

  // Writes rows [first, first + keys) of `to` = factor * rows W, a sum over all queries.
  void write(const bf16* rows, const bf16* tiles, float factor, const HeadRows<bf16>& to,
             int64_t first, int64_t keys) {
    for (int64_t column = 0; column < shape_.size; column += kBlock) {
      const bf16* left = tiles + column * queries_padded_;
      set_.block(rows, stride_, left, left + kTileN * queries_padded_, queries_padded_ / kTileK,
                 sums_, kBlock);
      for (int64_t i = 0; i < keys; ++i)
        set_.rounded.attention.scale(sums_ + i * kBlock, factor,
                                     std::min(kBlock, shape_.size - column),
                                     to.at(first + i) + column);
    }
  }

  // Adds to the queries' gradients, stored as consecutive blocks [32 of size, 32 queries].
  void add_dq(bool first, int64_t key_tiles) {
    float* block = dq_.get();
    for (int64_t query = 0; query < queries_padded_; query += kBlock)
      for (int64_t column = 0; column < width_; column += kBlock, block += kBlock * kBlock) {
        const bf16* tiles = chunk_ds_.get() + query * key_tiles * kTileK;
        float* sums = first ? block : sums_;
        set_.block(&k_columns_[column * chunk_stride_], chunk_stride_, tiles,
                   tiles + key_tiles * kTile, key_tiles, sums, kBlock);
        if (!first)
          for (int64_t i = 0; i < kBlock * kBlock; ++i) block[i] += sums[i];
      }
  }

  void write_dq() {
    const auto to = query_rows(gradients_.q);
    float* block = dq_.get();
    for (int64_t query = 0; query < queries_; query += kBlock)
      for (int64_t column = 0; column < width_; column += kBlock, block += kBlock * kBlock) {
        set_.rounded.transpose(block);
        for (int64_t i = 0; i < std::min(kBlock, queries_ - query); ++i)
          set_.rounded.attention.scale(block + i * kBlock, shape_.scale,
                                       std::min(kBlock, shape_.size - column),
                                       to.at(query + i) + column);
      }
  }

  const AttentionShape& shape_;
  const AttentionInputs<bf16>& inputs_;
  const AttentionGradients<bf16>& gradients_;
  const Instructions& set_;
  const int64_t group_ = shape_.heads / shape_.key_heads;
  const int64_t width_ = round_up(shape_.size, kTileK);
  const int64_t queries_ = group_ * shape_.queries;
  const int64_t queries_padded_ = round_up(queries_, kBlock);
  const int64_t stride_ = odd_lines(queries_padded_);
  const int64_t chunk_ = std::min(kChunk, round_up(shape_.keys, kBlock));
  const int64_t chunk_stride_ = odd_lines(chunk_);
  int64_t sample_ = 0, key_head_ = 0;
  Aligned<bf16> q_rows_, dout_rows_;        // [queries, width], one group of heads
  Aligned<bf16> q_tiles_, dout_tiles_;      // W [queries, size]
  Aligned<bf16> q_columns_, dout_columns_;  // W [size, queries]
  Aligned<bf16> k_tiles_, k_columns_;       // W [chunk, size]; [width, chunk]
  Aligned<bf16> k_room_, v_room_;           // [32, width]
  Aligned<bf16> p_, ds_;                    // [32 keys, queries]
  Aligned<bf16> chunk_ds_;                  // W [queries, chunk]
  Aligned<float> log_sums_, delta_;         // [queries]
  Aligned<float> dq_;                       // blocks [32 of size, 32 queries]
  std::unique_ptr<int32_t[]> seen_;         // [queries] number of keys that each sees
  std::unique_ptr<int64_t[]> bias_at_;      // [queries] where the bias for its key 0 is
  alignas(64) float scores_[kBlock * kBlock], dp_[kBlock * kBlock], sums_[kBlock * kBlock];
  alignas(64) float slopes_[kBlock * kBlock];
};

}  // namespace

void attention_backward(const AttentionShape& shape, const AttentionInputs<bf16>& inputs,
                        const AttentionGradients<bf16>& gradients, int64_t first, int64_t last,
                        const Instructions& set) {
  set.begin();
  Backward backward(shape, inputs, gradients, set);
  for (int64_t unit = first; unit < last; ++unit) backward.run(unit);
}

}  // namespace patina::kernels
