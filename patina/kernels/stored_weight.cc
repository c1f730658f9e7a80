#include "patina/kernels/stored_weight.h"

#include "patina/base/error.h"
#include "patina/kernels/flops.h"
#include "patina/kernels/packed_weight.h"
#include "patina/kernels/weight_tiles.h"

namespace patina::kernels {

namespace {

int64_t row_bytes(BlockType type, int64_t width) {
  const BlockFormat& block = block_format(type);
  return width / block.numbers * block.bytes;
}

}  // namespace

int64_t WeightForm::rows() const {
  int64_t rows = 0;
  for (const Piece& piece : pieces) rows += piece.rows;
  return rows;
}

int64_t WeightForm::bytes_before(int64_t row) const {
  int64_t bytes = 0;
  for (const Piece& piece : pieces) {
    const int64_t count = std::min(row, piece.rows);
    bytes += count * row_bytes(piece.type, width);
    row -= count;
  }
  return bytes;
}

WeightForm WeightForm::part(int64_t from, int64_t to) const {
  WeightForm found{.pieces = {}, .width = width};
  int64_t first = 0;
  for (const Piece& piece : pieces) {
    const int64_t count = std::min(to, first + piece.rows) - std::max(from, first);
    if (count > 0) found.pieces.push_back({piece.type, count});
    first += piece.rows;
  }
  return found;
}

std::string WeightForm::text() const {
  std::string all;
  for (const Piece& piece : pieces) {
    const std::string name = block_type_name(uint32_t(piece.type));
    if (all.find(name) == std::string::npos) all += (all.empty() ? "" : ", ") + name;
  }
  return all;
}

namespace {

// Whether a weight's bytes are its tiles: [strips of 32 rows, bytes of a strip].
bool is_tiled(const StoredWeight& weight) {
  return weight.bytes.dim() == 2;
}

void widen(const bf16* from, int64_t count, float* to) {
  unpack(BlockType::bf16, reinterpret_cast<const uint8_t*>(from), count, to);
}

// Reads rows of a stored weight as floats.
class RowReader {
 public:
  explicit RowReader(const StoredWeight& weight)
      : width_(weight.form.width), rows_(weight.form.rows()) {
    const auto* bytes = data<const uint8_t>(weight.bytes);
    const int64_t wanted = is_tiled(weight)
                               ? int64_t(sizeof(bf16)) * tiles_size<bf16>(rows_, width_)
                               : weight.form.bytes_before(rows_);
    PATINA_REQUIRE(weight.bytes.numel() == wanted, "{} bytes for a weight of {} rows",
                   weight.bytes.numel(), rows_);
    if (is_tiled(weight)) {
      tiles_ = reinterpret_cast<const bf16*>(bytes);
      return;
    }
    int64_t first = 0;
    for (const auto& [type, rows] : weight.form.pieces) {
      const int64_t of_row = row_bytes(type, width_);
      pieces_.push_back({bytes, &block_format(type), first, first + rows, of_row});
      bytes += rows * of_row;
      first += rows;
    }
  }

  int64_t rows() const { return rows_; }
  int64_t width() const { return width_; }
  /// Null if the weight is not in tiles.
  const bf16* tiles() const { return tiles_; }

  /// Writes the columns [from, to) of `count` rows, whole blocks, at `numbers`, `stride` apart.
  void read(int64_t row, int64_t count, int64_t from, int64_t to, float* numbers,
            int64_t stride) const {
    if (tiles_) return read_tiles(row, count, from, to, numbers, stride);
    for (int64_t i = 0; i < count; ++i) read_row(row + i, from, to, numbers + i * stride);
  }

 private:
  struct Piece {
    const uint8_t* bytes;
    const BlockFormat* block;
    int64_t first, end, of_row;
  };

  void read_row(int64_t row, int64_t from, int64_t to, float* numbers) const {
    auto piece = pieces_.begin();
    while (row >= piece->end) ++piece;
    const BlockFormat& block = *piece->block;
    unpack(block.type,
           piece->bytes + (row - piece->first) * piece->of_row + from / block.numbers * block.bytes,
           (to - from) / block.numbers, numbers);
  }

  // A tile has the pairs of sixteen rows side by side, [16 pairs][16 rows][2]. Packed as if it were
  // sixteen rows of 32 numbers, its pairs change places with its rows once more.
  void read_tiles(int64_t row, int64_t count, int64_t from, int64_t to, float* numbers,
                  int64_t stride) const {
    alignas(64) bf16 lines[2 * kTile];  // `pack` writes two tiles
    const int64_t across = round_up(width_, kTileK) / kTileK, last = (to + kTileK - 1) / kTileK;
    for (int64_t first = row; first < row + count;) {
      const int64_t group = first / kTileN, end = std::min(row + count, (group + 1) * kTileN);
      for (int64_t tile = from / kTileK; tile < last; ++tile) {
        const int64_t in_pair = (tile - from / kTileK) % 2;
        if (in_pair == 0)
          pack(tiles_ + (group * across + tile) * kTile, kTileK, 1,
               kTileN * std::min<int64_t>(2, last - tile), kTileK, lines);
        const int64_t column = tile * kTileK, wide = std::min(kTileK, to - column);
        for (int64_t i = first; i < end; ++i) {
          widen(lines + in_pair * kTile + i % kTileN * kTileK, wide,
                numbers + (i - row) * stride + column - from);
        }
      }
      first = end;
    }
  }

  std::vector<Piece> pieces_;
  const bf16* tiles_ = nullptr;
  int64_t width_, rows_;
};

// The memory of a thread for one purpose. It is kept: new megabytes cost page faults at every
// product.
enum class Purpose { strip, panel, tiles };
template <class T, Purpose purpose>
T* scratch(int64_t count) {
  thread_local Aligned<T> memory;
  thread_local int64_t size = 0;
  if (size < count) {
    memory = aligned<T>(count);
    size = count;
  }
  return memory.get();
}

constexpr int64_t kPanel = 1 << 20;     // numbers that are floats at once, if rows are many
constexpr int64_t kLargestBlock = 256;  // panels along K are whole blocks of every type
constexpr int64_t kMostRows = 1 << 12;  // of the weight in one product of backward
constexpr int64_t kStripsAThread = 1;   // reading a strip is work enough for a thread
constexpr int64_t kReadRowsAThread = 16;

template <class T>
int64_t strip_size(int64_t k) {
  return kBlock * round_up(k, kStep<T>);
}

// The product with columns [first, first + count) of the result, whose weights are in `tiles`.
template <class T>
Product<T> columns_of(Product<T> p, int64_t first, int64_t count, const T* tiles, int64_t bytes) {
  p.tiles = tiles;
  p.n = count;
  if (p.bias) p.bias += first;
  p.c = static_cast<char*>(p.c) + first * bytes;
  if (p.add) p.add += first;
  if (p.before) p.before += first;
  return p;
}

template <class T>
void multiply_in_team(const Product<T>& product, int64_t rows, int64_t bytes) {
  const int64_t blocks = (rows + kBlock - 1) / kBlock;
  in_team(blocks, 2, [&](int64_t from, int64_t end) {
    const int64_t first = from * kBlock;
    multiply(part_of(product, {first, std::min(end * kBlock, rows) - first, 0, product.n}, bytes));
  });
}

// C = A Wᵀ, with what ends it, in `product`.
template <class T>
void multiply_stored(Product<T> product, const Tensor& a, const RowReader& w, const Tensor& c) {
  const int64_t m = rows_of(a), n = w.rows(), k = w.width(), bytes = int64_t(c.element_size()),
                strips = (n + kBlock - 1) / kBlock;
  if constexpr (std::is_same_v<T, bf16>) {
    if (w.tiles()) {  // what the product reads is there
      product.tiles = w.tiles();
      product.n = n;
      product.k = k;
      return multiply_rows(product, a, c);
    }
  }
  product.a = data<T>(a);
  product.k = k;
  product.a_stride = a.size(-1);
  product.c = c.data_ptr();
  product.c_stride = product.add_stride = product.before_stride = n;
  product.rounds = c.scalar_type() == at::kBFloat16;
  const auto read_strip = [&](int64_t strip, T* tiles) {
    if constexpr (std::is_same_v<T, float>) {
      if (w.tiles()) {  // a strip of floats is the transposed one of bf16, [k][32]
        bf16* lines = scratch<bf16, Purpose::strip>(strip_size<bf16>(k));
        instructions().rounded.unpack_transposed(w.tiles() + strip * strip_size<bf16>(k), kBlock, k,
                                                 lines, kBlock);
        return widen(lines, k * kBlock, tiles);
      }
    }
    const int64_t first = strip * kBlock, count = std::min(kBlock, n - first);
    float* floats = scratch<float, Purpose::strip>(kBlock * k);
    w.read(first, count, 0, k, floats, k);
    pack(floats, k, 1, count, k, tiles);
  };
  if (m <= kBlock) {  // every thread reads the columns that it multiplies
    in_team(strips, kStripsAThread, [&](int64_t from, int64_t end) {
      T* tiles = scratch<T, Purpose::tiles>(strip_size<T>(k));
      for (int64_t strip = from; strip < end; ++strip) {
        read_strip(strip, tiles);
        const int64_t first = strip * kBlock;
        auto part = columns_of(product, first, std::min(kBlock, n - first), tiles, bytes);
        part.m = m;
        multiply(part);
      }
    });
    return;
  }
  const int64_t at_once = std::max<int64_t>(1, kPanel / strip_size<T>(k));
  for (int64_t done = 0; done < strips; done += at_once) {
    const int64_t here = std::min(at_once, strips - done), first = done * kBlock;
    T* tiles = scratch<T, Purpose::tiles>(here * strip_size<T>(k));
    in_team(here, kStripsAThread, [&](int64_t from, int64_t end) {
      for (int64_t i = from; i < end; ++i) read_strip(done + i, tiles + i * strip_size<T>(k));
    });
    multiply_in_team(columns_of(product, first, std::min(here * kBlock, n - first), tiles, bytes),
                     m, bytes);
  }
}

// dx = G W, G [M, N rounded up] of T.
template <class T>
Tensor multiply_transposed(const Tensor& g, const RowReader& w, const std::vector<int64_t>& shape) {
  const int64_t m = rows_of(g), n = w.rows(), k = w.width();
  const int64_t rows = std::min(n, kMostRows),
                columns = std::max<int64_t>(1, kPanel / (rows * kLargestBlock)) * kLargestBlock;
  Tensor dx = at::empty(shape, n > rows ? at::kFloat : kType<T>);
  const auto bytes = int64_t(dx.element_size());
  for (int64_t column = 0; column < k; column += columns) {
    const int64_t wide = std::min(columns, k - column);
    for (int64_t row = 0; row < n; row += rows) {
      const int64_t deep = std::min(rows, n - row);
      float* floats = scratch<float, Purpose::panel>(deep * wide);
      T* tiles = scratch<T, Purpose::tiles>(tiles_size<T>(wide, deep));
      in_team(deep, kReadRowsAThread, [&](int64_t from, int64_t end) {
        w.read(row + from, end - from, column, column + wide, floats + from * wide, wide);
      });
      in_team((wide + kBlock - 1) / kBlock, kStripsAThread, [&](int64_t from, int64_t end) {
        const int64_t first = from * kBlock;
        pack(floats + first, 1, wide, std::min(end * kBlock, wide) - first, deep,
             tiles + from * strip_size<T>(deep));
      });
      Product<T> product{.a = data<T>(g) + row,
                         .a_stride = g.size(-1),
                         .tiles = tiles,
                         .n = wide,
                         .k = deep,
                         .c = static_cast<char*>(dx.data_ptr()) + column * bytes,
                         .rounds = dx.scalar_type() == at::kBFloat16,
                         .c_stride = k};
      if (row > 0) product.add = data<float>(dx) + column, product.add_stride = k;
      multiply_in_team(product, m, bytes);
    }
  }
  return dx.to(kType<T>);
}

template <class T>
struct StoredBack : public Backward {
  StoredWeight weight;
  Activation activation = Activation::none;
  Tensor before;  // [M,N] of T: input of the activation
  std::vector<int64_t> x_shape;

  Tensors gradients(const Tensor& dy) override {
    Tensors out(3);
    if (wanted(2)) out[2] = dy;
    const Tensor g = before_ends<T>(activation, before, dy);
    if (wanted(0)) out[0] = multiply_transposed<T>(g, RowReader(weight), x_shape);
    if (wanted(1)) out[1] = bias_gradient(g, weight.form.rows());
    return out;
  }
};

template <class T>
Tensor stored_linear(const Tensor& x, const StoredWeight& weight, const Tensor& bias,
                     const LinearEnd& end) {
  const bool graph = needs_graph({x, bias, end.add});
  const Tensor rows = rows_for<T>(x.detach());
  const int64_t m = rows_of(rows), n = weight.form.rows();
  Tensor padded;  // [N rounded up to 32]
  if (bias.defined()) {
    padded = at::zeros({round_up(n, kBlock)});
    std::copy_n(data<float>(bias.detach().to(at::kFloat).contiguous()), n, data<float>(padded));
  }
  LinearPass<T> pass(x, m, n, data<float>(padded), end, graph);
  multiply_stored(pass.product, rows, RowReader(weight), pass.y);
  const int64_t cost = 2 * m * weight.form.numbers();
  count_flops(cost, cost * takes_gradient(x));
  if (!graph) return pass.y;
  auto back = std::make_unique<StoredBack<T>>();
  back->weight = weight;
  back->activation = end.activation;
  back->before = pass.before;
  back->x_shape = x.sizes().vec();
  record(pass.y, {x, bias, end.add}, std::move(back));
  return pass.y;
}

}  // namespace

StoredWeight StoredWeight::part(int64_t from, int64_t to) const {
  if (!is_tiled(*this))
    return {bytes.slice(0, form.bytes_before(from), form.bytes_before(to)), form.part(from, to)};
  if (from % kBlock == 0)
    return {bytes.slice(0, from / kBlock, round_up(to, kBlock) / kBlock), form.part(from, to)};
  // Strips that begin elsewhere have other tiles.
  NoGrad no_grad;
  const RowReader w(*this);
  const Tensor rows = at::empty({to - from, w.width()});
  w.read(from, to - from, 0, w.width(), data<float>(rows), w.width());
  return {rows.to(at::kBFloat16).view(at::kByte).flatten(), form.part(from, to)};
}

StoredWeight in_tiles(const StoredWeight& weight) {
  const auto is_bf16 = [](const WeightForm::Piece& piece) { return piece.type == BlockType::bf16; };
  if (is_tiled(weight) || !std::ranges::all_of(weight.form.pieces, is_bf16)) return weight;
  const int64_t n = weight.form.rows(), k = weight.form.width, size = tiles_size<bf16>(n, k);
  if (16 * (size - n * k) > n * k) return weight;
  NoGrad no_grad;
  const int64_t strips = round_up(n, kBlock) / kBlock;
  const Tensor tiles = at::empty({strips, int64_t(sizeof(bf16)) * size / strips}, at::kByte);
  pack(reinterpret_cast<const bf16*>(data<const uint8_t>(weight.bytes)), k, 1, n, k,
       reinterpret_cast<bf16*>(data<uint8_t>(tiles)));
  return {tiles, {.pieces = {{BlockType::bf16, n}}, .width = k}};
}

Tensor StoredWeight::floats() const {
  const RowReader w(*this);
  const Tensor all = at::empty({w.rows(), w.width()});
  in_team(w.rows(), kReadRowsAThread, [&](int64_t from, int64_t end) {
    w.read(from, end - from, 0, w.width(), data<float>(all) + from * w.width(), w.width());
  });
  return all;
}

Tensor StoredWeight::rows_of(const Tensor& ids) const {
  const RowReader w(*this);
  const Tensor list = ids.contiguous();
  auto shape = ids.sizes().vec();
  shape.push_back(w.width());
  const Tensor rows = at::empty(shape);
  in_team(list.numel(), kReadRowsAThread, [&](int64_t from, int64_t end) {
    for (int64_t i = from; i < end; ++i) {
      const int64_t id = data<int64_t>(list)[i];
      PATINA_REQUIRE(0 <= id && id < w.rows(), "row {} of {}", id, w.rows());
      w.read(id, 1, 0, w.width(), data<float>(rows) + i * w.width(), w.width());
    }
  });
  return rows;
}

Tensor linear(const Tensor& x, const StoredWeight& weight, const Tensor& bias, const LinearEnd& end,
              at::ScalarType type) {
  const int64_t k = weight.form.width;
  const bool padded =
      type == at::kBFloat16 && x.scalar_type() == type && x.size(-1) == round_up(k, kTileK);
  PATINA_CHECK(padded || x.size(-1) == k, "rows of {} for a layer that reads {}", x.size(-1), k);
  return type == at::kBFloat16 ? stored_linear<bf16>(x, weight, bias, end)
                               : stored_linear<float>(x, weight, bias, end);
}

}  // namespace patina::kernels
