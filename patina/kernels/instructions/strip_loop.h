// Products in fp32: the sums of some rows times some columns of a strip stay in registers. Each
// instruction set's source includes this after product_loop.h, in the same place.
#pragma once

namespace {

// Blocking for an instruction set: `lanes` floats per register; the sums of `rows` x `columns` stay
// in registers; `depth` steps along k of those columns stay in the first-level cache while a panel
// of rows is multiplied.
template <int lanes_, int rows_, int columns_, int64_t depth_, int64_t panel_>
struct StripShape {
  static constexpr int lanes = lanes_, rows = rows_, columns = columns_;
  static constexpr int64_t depth = depth_, panel = panel_;
  static constexpr bool interleaved = rows > 6;  // more streams than a processor prefetches

  // Columns that `count` rows take at a time: fewer rows take more columns, to have enough
  // independent sums.
  static constexpr int across(int count) { return count == rows ? columns : kBlock; }
};

// A register of floats.
template <int lanes>
struct Register {
  typedef float Type __attribute__((vector_size(lanes * sizeof(float))));  // `using` drops the
                                                                           // attribute
};

// Rows of A as strip_sums reads them: in place, or `kLanes` of them interleaved as [k][16], which
// is one stream instead of many.
template <bool interleaved>
struct StripRows {
  const float* a = nullptr;
  int64_t stride = 0, step = 1;

  [[gnu::always_inline]] inline float at(int64_t i, int64_t j) const {
    return interleaved ? a[j * kLanes + i] : a[i * stride + j * step];
  }
};

// Ends a product that needs only a bias and an addend: results go from registers straight to C.
struct StripEnd {
  const float *bias = nullptr, *add = nullptr;
  int64_t add_stride = 0, c_stride = 0;
  float* c = nullptr;  // null: the sums are stored in memory
};

// Adds `k` steps to sums [count,32] of `count` rows and the columns of a strip, or starts the sums.
// Each sum is computed in the order of k, however many steps one call takes.
template <class Shape, int count, bool interleaved>
[[gnu::noinline]] inline void strip_sums(StripRows<interleaved> a, const float* strip, int64_t k,
                                         bool begin, float* sums, const StripEnd& end) {
  using Vector = typename Register<Shape::lanes>::Type;
  constexpr int kAcross = Shape::across(count) / Shape::lanes;
  constexpr int64_t kAhead = 4 * kBlock;
  Vector grown[count][kAcross];
#pragma GCC unroll 16
  for (int i = 0; i < count; ++i)
#pragma GCC unroll 16
    for (int v = 0; v < kAcross; ++v)
      grown[i][v] = begin ? Vector{} : load<Vector>(sums + i * kBlock + v * Shape::lanes);
  for (int64_t j = 0; j < k; ++j, strip += kBlock) {
    __builtin_prefetch(strip + kAhead);
    if (kAcross * Shape::lanes > kLanes) __builtin_prefetch(strip + kAhead + kLanes);
    Vector w[kAcross];
#pragma GCC unroll 16
    for (int v = 0; v < kAcross; ++v) w[v] = load<Vector>(strip + v * Shape::lanes);
#pragma GCC unroll 16
    for (int i = 0; i < count; ++i) {
      const Vector x = a.at(i, j) - Vector{};
#pragma GCC unroll 16
      for (int v = 0; v < kAcross; ++v) grown[i][v] += x * w[v];
    }
  }
  const auto each = [&](auto&& take) __attribute__((always_inline)) {
#pragma GCC unroll 16
    for (int i = 0; i < count; ++i)
#pragma GCC unroll 16
      for (int v = 0; v < kAcross; ++v) take(i, v * Shape::lanes, grown[i][v]);
  };
  const auto biased = [&](int at, const Vector& sum) __attribute__((always_inline)) {
    return sum + load<Vector>(end.bias + at);
  };
  if (!end.c)
    each([&](int i, int at, const Vector& sum) { store(sum, sums + i * kBlock + at); });
  else if (end.add)
    each([&](int i, int at, const Vector& sum) {
      store(biased(at, sum) + load<Vector>(end.add + i * end.add_stride + at),
            end.c + i * end.c_stride + at);
    });
  else
    each([&](int i, int at, const Vector& sum) {
      store(biased(at, sum), end.c + i * end.c_stride + at);
    });
}

// `count` rows of the product from `row` on, interleaved.
template <int count>
inline void interleave_rows(const Product<float>& p, int64_t row, float* to) {
  const float* from = p.a + row * p.a_stride;
  if (p.a_step == 1) return interleave(from, p.a_stride, count, p.k, to, kLanes);
  for (int64_t j = 0; j < p.k; ++j, from += p.a_step, to += kLanes)
    if (p.a_stride == 1)
      std::memcpy(to, from, count * sizeof(float));
    else
      for (int i = 0; i < count; ++i) to[i] = from[i * p.a_stride];
}

// One panel of rows, which stays in the second-level cache, times all columns.
template <class Shape>
struct Panel {
  const Product<float>& p;
  int64_t first, end;
  float *interleaved, *sums;  // of all rows

  // Calls take<count, interleaved>(row) for `rows` rows at a time, then for the remaining ones.
  template <class Take>
  [[gnu::always_inline]] inline void each_rows(Take&& take) const {
    int64_t row = first;
    const auto some = [&]<int count, bool is_interleaved>() {
      for (; row + count <= end; row += count) take.template operator()<count, is_interleaved>(row);
    };
    some.template operator()<Shape::rows, Shape::interleaved>();
    if constexpr (Shape::rows > 8) some.template operator()<8, false>();
    if constexpr (Shape::rows > 8) some.template operator()<4, false>();
    if constexpr (Shape::rows > 3 && Shape::rows <= 8) some.template operator()<3, false>();
    if constexpr (Shape::rows > 2) some.template operator()<2, false>();
    some.template operator()<1, false>();
  }

  float* interleaved_at(int64_t row) const {
    return interleaved + (row - first) / Shape::rows * p.k * kLanes;
  }

  void interleave() const {
    for (int64_t row = first; Shape::interleaved && row + Shape::rows <= end; row += Shape::rows)
      interleave_rows<Shape::rows>(p, row, interleaved_at(row));
  }

  StripEnd end_at(int64_t row, int64_t column) const {
    return {.bias = p.bias ? p.bias + column : kNoBias,
            .add = p.add ? p.add + row * p.add_stride + column : nullptr,
            .add_stride = p.add_stride,
            .c_stride = p.c_stride,
            .c = static_cast<float*>(p.c) + row * p.c_stride + column};
  }

  // Adds steps [from, from + k) for all rows and the strip that starts at `column`. `ends`: these
  // are the last steps, so the results go to C.
  void add(const float* strip, int64_t column, int64_t from, int64_t k, bool ends) const {
    for (int64_t side = 0; side < kBlock; side += Shape::columns)
      each_rows([&]<int count, bool is_interleaved>(int64_t row) {
        if (side > 0 && Shape::across(count) == kBlock) return;  // done by the first side already
        const float* a = is_interleaved ? interleaved_at(row) + from * kLanes
                                        : p.a + row * p.a_stride + from * p.a_step;
        strip_sums<Shape, count>(StripRows<is_interleaved>{a, p.a_stride, p.a_step},
                                 strip + from * kBlock + side, k, from == 0,
                                 sums + (row - first) * kBlock + side,
                                 ends ? end_at(row, column + side) : StripEnd{});
      });
  }

  void multiply() const {
    const auto finish = finish_rows(p);
    const bool plain = p.activation == Activation::none && !p.before;
    interleave();
    for (int64_t column = 0; column < p.n; column += kBlock) {
      const float* strip = tiles_of(p, column);
      const bool straight = plain && column + kBlock <= p.n;
      int64_t from = 0;
      do {
        const int64_t k = std::min(Shape::depth, p.k - from);
        add(strip, column, from, k, straight && from + k == p.k);
        from += k;
      } while (from < p.k);
      if (!straight) finish(p, first, end, column, sums);
    }
  }
};

template <class Shape>
inline void product_of_floats(const Product<float>& p) {
  constexpr int64_t kMostRows = 256;
  const int64_t fit = std::min(kMostRows, Shape::panel / std::max<int64_t>(p.k, 1));
  const int64_t some = std::max<int64_t>(1, fit / Shape::rows);
  const int64_t height = std::min(some, p.m / Shape::rows + 1) * Shape::rows;
  const auto interleaved =
      aligned<float>(Shape::interleaved ? height / Shape::rows * p.k * kLanes : 0);
  const auto sums = aligned<float>(height * kBlock);
  for (int64_t panel = 0; panel < p.m; panel += height)
    Panel<Shape>{p, panel, std::min(panel + height, p.m), interleaved.get(), sums.get()}.multiply();
}

}  // namespace
