// The row operations of attention. Each instruction set's source includes this after vectors.h, in
// the same place.
#pragma once

namespace {

constexpr float kLog2E = 1.44269504f;

// Scores s, after scaling, become cap tanh(s / cap). Whole vectors: the last may end behind n.
void cap_scores(float* scores, int64_t n, float scale, float cap) {
  for (int64_t j = 0; j < n; j += kLanes)
    store(cap * fast_tanh(load<Floats>(scores + j) * (scale / cap)), scores + j);
}

// The derivative of the cap at capped scores.
[[gnu::always_inline]] inline Floats slope(const Floats& capped, float cap) {
  const Floats t = capped * (1.0f / cap);
  return 1.0f - t * t;
}

// Whether a row's scores are scaled already when they are exponentiated.
inline bool placed(const SoftmaxRow& row) {
  return row.bias || row.cap > 0;
}

void add_bias(const SoftmaxRow& row) {
  const float scale = row.cap > 0 ? 1.0f : row.scale;
  for (int64_t j = 0; j < row.keys; ++j) {
    const float x = row.scores[j] * scale + row.bias[j * row.bias_step];
    row.scores[j] = x < kHidden ? kHidden : x;
  }
}

// Fills the rest of the row's last vector with scores that do not count.
inline void hide_rest(float* scores, int64_t keys) {
  const int64_t last = keys / kLanes * kLanes;
  if (last == keys) return;
  const Ints inside = kLane < int32_t(keys - last);
  store(chosen_if(inside, load<Floats>(scores + last), same(kHidden)), scores + last);
}

// Finds the largest score; with it subtracted, all exponents are 0 or less.
inline void find_largest(SoftmaxRow& row) {
  if (row.cap > 0) cap_scores(row.scores, row.keys, row.scale, row.cap);
  if (row.bias) add_bias(row);
  hide_rest(row.scores, row.keys);
  Floats highest = same(kHidden);
  for (int64_t j = 0; j < row.keys; j += kLanes)
    highest = larger(highest, load<Floats>(row.scores + j));
  row.largest = largest_of(highest) * (placed(row) ? 1.0f : row.scale);
}

template <class T>
inline void weigh(SoftmaxRow& row) {
  const bool nothing = row.largest <= 0.1f * kHidden;
  if (nothing) row.largest = 0;
  const float step = (placed(row) ? 1.0f : row.scale) * kLog2E, base = row.largest * kLog2E;
  const float* scores = row.scores;
  T* weights = row.weights<T>();  // of the same size or half of it: they never overwrite scores
                                  // still to be read
  Floats sums = {};
  int64_t j = 0;
  for (; j < row.keys; j += kLanes) {
    const Floats weight = exp2_of<T>(load<Floats>(scores + j) * step - base);
    sums += weight;
    put(weight, weights + j);
  }
  for (; j < row.width; j += kLanes) put(Floats{}, weights + j);
  row.sum = total(sums);
}

// In two loops, because each ends in a reduction that the processor would wait for.
template <class T>
void softmax(SoftmaxRow* rows, int64_t n) {
  for (int64_t i = 0; i < n; ++i) find_largest(rows[i]);
  for (int64_t i = 0; i < n; ++i) weigh<T>(rows[i]);
}

// Scales the block's scores, caps them, adds the bias and hides keys that a query does not see.
void place_scores(const SoftmaxGradients<bf16>& block) {
  for (int64_t i = 0; i < block.keys; ++i) {
    float* scores = block.scores + i * kBlock;
    const int64_t key = block.first_key + i;
    if (block.cap > 0) {
      cap_scores(scores, kBlock, block.scale, block.cap);
      for (int64_t j = 0; j < kBlock; j += kLanes)
        store(slope(load<Floats>(scores + j), block.cap), block.slopes + i * kBlock + j);
    } else {
      for (int64_t j = 0; j < kBlock; ++j) scores[j] *= block.scale;
    }
    if (block.bias)
      for (int64_t j = 0; j < kBlock; ++j)
        scores[j] += block.bias[block.bias_at[j] + key * block.bias_step];
    if (block.seen)
      for (int64_t j = 0; j < kBlock; ++j) scores[j] = key < block.seen[j] ? scores[j] : kHidden;
  }
}

template <bool capped>
inline void gradients_of_block(const SoftmaxGradients<bf16>& block) {
  const bool placed = capped || block.bias || block.seen;
  if (placed) place_scores(block);
  const float step = (placed ? 1.0f : block.scale) * kLog2E;
  for (int64_t half = 0; half < kBlock; half += kLanes) {
    const Floats log_sum = load<Floats>(block.log_sums + half) * kLog2E;
    const Floats delta = load<Floats>(block.delta + half);
    bf16* tile = half ? block.right : block.left;
    for (int64_t pair = 0; pair < kBlock; pair += 2) {
      Words both[2] = {};
#pragma GCC unroll 2
      for (int64_t odd = 0; odd < 2; ++odd) {
        const int64_t at = (pair + odd) * kBlock + half, to = (pair + odd) * block.stride + half;
        Words p = {};
        if (pair + odd < block.keys) {
          const Floats weight = exp2_of<bf16>(load<Floats>(block.scores + at) * step - log_sum);
          p = rounded_words(weight);
          Floats ds = weight * (load<Floats>(block.dp + at) - delta);
          if constexpr (capped) ds = ds * load<Floats>(block.slopes + at);
          both[odd] = rounded_words(ds);
        }
        store(p, block.p + to);
        store(both[odd], block.ds + to);
      }
      store(interleaved(both[0], both[1]), tile + pair * kTileN);
    }
  }
}

inline void gradients(const SoftmaxGradients<bf16>& block) {
  if (block.cap > 0) return gradients_of_block<true>(block);
  gradients_of_block<false>(block);
}

inline void gradients(const SoftmaxGradients<float>& row) {
  const bool capped = row.cap > 0;
  float delta = row.delta;
  if (capped) {  // the softmax's gradient meets the cap's slope here: delta is subtracted already
    cap_scores(row.scores, row.keys, row.scale, row.cap);
    for (int64_t j = 0; j < row.keys; j += kLanes)
      store((load<Floats>(row.dp + j) - delta) * slope(load<Floats>(row.scores + j), row.cap),
            row.dp + j);
    delta = 0;
  }
  const float scale = capped ? 1.0f : row.scale;
  if (row.bias)
    for (int64_t j = 0; j < row.keys; ++j)
      row.scores[j] = row.scores[j] * scale + row.bias[j * row.bias_step];
  const float step = (row.bias ? 1.0f : scale) * kLog2E, base = row.log_sum * kLog2E;
  int64_t j = 0;
  const auto take = [&](const Floats& p) {
    store(p, row.scores + j);
    store(p * (load<Floats>(row.dp + j) - delta) * row.scale, row.dp + j);
  };
  const auto weights = [&] { return exp2_of<float>(load<Floats>(row.scores + j) * step - base); };
  for (; j + kLanes <= row.keys; j += kLanes) take(weights());
  if (j < row.keys) {
    const Ints inside = kLane < int32_t(row.keys - j);
    const Floats gradients = load<Floats>(row.dp + j);
    store(chosen_if(inside, gradients, Floats{}), row.dp + j);
    take(chosen_if(inside, weights(), Floats{}));
    j += kLanes;
  }
  for (; j < row.width; j += kLanes) {
    store(Floats{}, row.scores + j);
    store(Floats{}, row.dp + j);
  }
}

template <class T>
void dots(const T* x, const T* rows, int64_t stride, int64_t n, int64_t d, float* to) {
  const int64_t whole = d / kLanes * kLanes;
  for (int64_t i = 0; i < n; ++i, rows += stride) {
    Floats sums = {};
    for (int64_t j = 0; j < whole; j += kLanes) sums += floats_at(x + j) * floats_at(rows + j);
    to[i] = total(sums);
    for (int64_t j = whole; j < d; ++j) to[i] += to_float(x[j]) * to_float(rows[j]);
  }
}

// Computes `vectors` vectors of the sum at once, so that they stay in registers.
template <int vectors, class T>
inline void mix_columns(const T* weights, const T* rows, int64_t stride, int64_t n, float* to) {
  Floats sums[vectors] = {};
  for (int64_t i = 0; i < n; ++i, rows += stride)
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v)
      sums[v] += to_float(weights[i]) * floats_at(rows + v * kLanes);
  for (int v = 0; v < vectors; ++v) store(sums[v], to + v * kLanes);
}

template <class T>
void mix(const T* weights, const T* rows, int64_t stride, int64_t n, int64_t d, float* to) {
  int64_t j = 0;
  for (; j + 4 * kLanes <= d; j += 4 * kLanes) mix_columns<4>(weights, rows + j, stride, n, to + j);
  for (; j + kLanes <= d; j += kLanes) mix_columns<1>(weights, rows + j, stride, n, to + j);
  for (; j < d; ++j) {
    to[j] = 0;
    for (int64_t i = 0; i < n; ++i) to[j] += to_float(weights[i]) * to_float(rows[i * stride + j]);
  }
}

template <class T>
void scale(const float* from, float by, int64_t n, T* to) {
  const int64_t whole = n / kLanes * kLanes;
  for (int64_t j = 0; j < whole; j += kLanes) put(load<Floats>(from + j) * by, to + j);
  for (int64_t j = whole; j < n; ++j) to[j] = rounded<T>(from[j] * by);
}

// Transposes 16 x 16 quarters; the two off-diagonal ones also change places.
inline void transpose_block(float* block) {
  for (int64_t i = 0; i < kBlock; i += kLanes)
    for (int64_t j = i; j < kBlock; j += kLanes) {
      Ints upper[16], lower[16];
      float *above = block + i * kBlock + j, *below = block + j * kBlock + i;
      for (int r = 0; r < 16; ++r) upper[r] = load<Ints>(above + r * kBlock);
      for (int r = 0; r < 16; ++r) lower[r] = load<Ints>(below + r * kBlock);
      transpose(upper);
      transpose(lower);
      for (int r = 0; r < 16; ++r) store(upper[r], below + r * kBlock);
      for (int r = 0; r < 16; ++r) store(lower[r], above + r * kBlock);
    }
}

template <class T>
constexpr AttentionSteps<T> kAttention = {softmax<T>, gradients, dots<T>, mix<T>, scale<T>};

}  // namespace
