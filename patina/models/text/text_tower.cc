#include "patina/models/text/text_tower.h"

#include <algorithm>

#include "patina/base/error.h"
#include "patina/ops.h"

namespace patina {

nn::BlockShape TextShape::block_at(int64_t layer) const {
  nn::BlockShape here = block;
  here.bare = bare_first && layer == 0;
  if (size_t(layer) >= local.size() || !local[size_t(layer)]) return here;
  here.window = window;
  if (local_rotary.turns()) here.rotary = local_rotary;
  return here;
}

TextTower::TextTower(const TextShape& shape) : shape_(shape) {
  const int64_t width = shape.block.width;
  if (shape.vocabulary > 0) embed_ = nn::Embedding(shape.vocabulary, width);
  if (shape.positions > 0) position_ = nn::Embedding(shape.positions, width);
  if (shape.types > 0) type_ = nn::Embedding(shape.types, width);
  if (shape.embed_norm) embed_norm_ = nn::Norm(width, shape.block);
  if (shape.final_norm) norm_ = nn::Norm(width, shape.block);
  if (shape.relative_buckets > 0)
    relative_ = {.weight = at::empty({shape.relative_buckets, shape.block.heads}),
                 .both_ways = !shape.causal,
                 .furthest = shape.relative_furthest};
  if (shape.distances > 0) {
    distances_ = {.weight = at::empty({2 * shape.distances, width}),
                  .buckets = shape.distance_buckets,
                  .furthest = shape.distance_furthest};
    if (shape.distance_norm) distances_.norm = nn::Norm(width, shape.block);
  }
  for (int64_t i = 0; i < shape.depth; ++i) blocks_.emplace_back(shape.block_at(i));
}

void TextTower::insert_blocks(const std::vector<int64_t>& behind) {
  NoGrad no_grad;
  std::vector<nn::Block> blocks;
  std::vector<bool> local;
  std::vector<int64_t> inserted;
  auto next = behind.begin();
  for (int64_t i = 0; i < shape_.depth; ++i) {
    const bool windowed = size_t(i) < shape_.local.size() && shape_.local[size_t(i)];
    if (std::ranges::count(shape_.inserted, i)) inserted.push_back(int64_t(blocks.size()));
    blocks.push_back(blocks_[size_t(i)]);
    local.push_back(windowed);
    if (next == behind.end() || *next != i) continue;
    ++next;
    nn::Block copy = *nn::copy_of(blocks_[size_t(i)]);
    nn::store_as_floats(copy);  // so that it can learn
    for (nn::Linear* last : {&copy.attn.proj, &copy.mlp.fc2}) {
      last->weight.detach().zero_();
      if (last->bias.defined()) last->bias.detach().zero_();
    }
    inserted.push_back(int64_t(blocks.size()));
    blocks.push_back(std::move(copy));
    local.push_back(windowed);
  }
  PATINA_REQUIRE(next == behind.end(), "no block {} of {}", *next, shape_.depth);
  blocks_ = std::move(blocks);
  shape_.depth = int64_t(blocks_.size());
  shape_.inserted = std::move(inserted);
  if (!shape_.local.empty()) shape_.local = std::move(local);
}

namespace {

// The unit that each of `wide` units copies: the first `narrow` are themselves. [wide]
Tensor copied_units(int64_t narrow, int64_t wide, Random& random) {
  PATINA_REQUIRE(wide >= narrow, "{} units of {}", wide, narrow);
  std::vector<int64_t> units;
  for (int64_t i = 0; i < wide; ++i)
    units.push_back(i < narrow ? i : int64_t(random.below(uint64_t(narrow))));
  return tensor_of(units);
}

// 1 / the number of copies of what each copies. [wide]
Tensor shares(const Tensor& units) {
  const Tensor counts = at::bincount(units);
  return at::ones({units.size(0)}) / counts.index_select(0, units).to(at::kFloat);
}

// The rows of `size` successive units for each of `units`: unit u is rows u size, ..., u size +
// size - 1.
Tensor rows_of(const Tensor& units, int64_t size, int64_t from = 0) {
  return (units.unsqueeze(1) * size + at::arange(size, at::kLong)).flatten() + from;
}

// Rows, those of `fresh` [rows] with noise.
void take_rows(nn::Linear& layer, const Tensor& rows, const Tensor& fresh, double noise,
               Random& random) {
  const auto taken = [&](Tensor& t) {
    Tensor added = at::empty({rows.size(0), t.numel() / t.size(0)});
    nn::init_normal(added, random, 0, noise);
    added = on(t.device(), added * fresh.to(at::kFloat).unsqueeze(1)).to(t.dtype());
    const Tensor copied = t.detach().index_select(0, on(t.device(), rows));
    t = (copied + added.view_as(copied)).requires_grad_(t.requires_grad());
  };
  taken(layer.weight);
  if (layer.bias.defined()) taken(layer.bias);
}

// Columns, each times a share.
void take_columns(nn::Linear& layer, const Tensor& columns, const Tensor& shares) {
  Tensor& t = layer.weight;
  t = (t.detach().index_select(1, on(t.device(), columns)) * on(t.device(), shares).to(t.dtype()))
          .requires_grad_(t.requires_grad());
}

}  // namespace

void TextTower::widen_blocks(int64_t hidden, int64_t key_heads, double noise, Random& random) {
  NoGrad no_grad;
  nn::BlockShape& shape = shape_.block;
  const int64_t keys = shape.key_heads > 0 ? shape.key_heads : shape.heads;
  const int64_t queries = shape.heads / keys, size = shape.size();  // queries: of a head of keys
  shape.head_size = size;
  for (nn::Block& block : blocks_) {
    nn::store_as_floats(block);
    const Tensor heads = copied_units(keys, key_heads, random);
    const Tensor fresh_head = at::arange(key_heads, at::kLong) >= keys;
    const Tensor of_queries = rows_of(heads, queries * size);
    const Tensor fresh_query = fresh_head.repeat_interleave(queries * size);
    const Tensor fresh_key = fresh_head.repeat_interleave(size);
    const int64_t first_key = shape.query_width(), first_value = first_key + shape.key_width();
    take_rows(
        block.attn.qkv,
        at::cat({of_queries, rows_of(heads, size, first_key), rows_of(heads, size, first_value)}),
        at::cat({fresh_query, fresh_key, fresh_key}), noise, random);
    take_columns(block.attn.proj, of_queries, shares(heads).repeat_interleave(queries * size));
    block.attn.heads = key_heads * queries;
    block.attn.key_heads = key_heads;
    const Tensor units = copied_units(shape.hidden, hidden, random);
    const Tensor fresh_unit = at::arange(hidden, at::kLong) >= shape.hidden;
    take_rows(block.mlp.fc1, shape.gated ? at::cat({units, units + shape.hidden}) : units,
              shape.gated ? at::cat({fresh_unit, fresh_unit}) : fresh_unit, noise, random);
    take_columns(block.mlp.fc2, units, shares(units));
  }
  shape.heads = key_heads * queries;
  if (shape.key_heads > 0) shape.key_heads = key_heads;
  shape.hidden = hidden;
}

namespace {

void check_ids(const Tensor& ids, int64_t rows, const char* what) {
  if (ids.numel() == 0) return;
  const int64_t lowest = ids.min().item<int64_t>(), highest = ids.max().item<int64_t>();
  if (lowest < 0 || highest >= rows)
    fail(ErrorKind::data, "{} {} is outside the model's {}", what, lowest < 0 ? lowest : highest,
         rows);
}

// x [B,T,D] with images in the places of their tokens.
Tensor with_images(const Tensor& x, const Tensor& ids, const TextContext& context) {
  const Tensor& images = context.images;
  const Tensor named = ids.eq(context.image);  // [B,T]
  const Tensor which = named.cumsum(1) - 1;    // the row of `images`, where a token is named
  const Tensor taken = named.logical_and(which.lt(images.size(1))).unsqueeze(-1);
  const Tensor rows = which.clamp(0, images.size(1) - 1).unsqueeze(-1);
  return at::where(taken, images.to(x.dtype()).gather(1, rows.expand({-1, -1, x.size(2)})), x);
}

}  // namespace

Tensor TextTower::embed(const Input& input, const TextContext& context) const {
  const Tensor& ids = input.data;
  PATINA_REQUIRE(ids.dim() == 2 && ids.scalar_type() == at::kLong, "token ids {}",
                 shape_text(ids.sizes()));
  const nn::Embedding& words = context.words ? *context.words : embed_;
  check_ids(ids, words.rows(), "token id");
  Tensor x = words(ids);
  if (shape_.embed_scale != 1) x = x * shape_.embed_scale;
  if (context.images.defined()) x = with_images(x, ids, context);
  if (shape_.positions > 0) {
    Tensor rows = context.positions + shape_.position_start;
    if (shape_.pad >= 0) {  // RoBERTa counts only real tokens; padding has a position of its own
      const Tensor real = ids.ne(shape_.pad).to(at::kLong);
      rows = real.cumsum(1) * real + shape_.pad;
    }
    if (rows.numel() > 0 && rows.max().item<int64_t>() >= shape_.positions)
      fail(ErrorKind::data, "a text of {} tokens is longer than the model's {}", ids.size(1),
           shape_.positions - shape_.position_start);
    x = x + position_(rows);
  }
  if (shape_.types > 0) {
    if (input.types.defined()) check_ids(input.types, shape_.types, "token type");
    x = x + type_(input.types.defined() ? input.types : at::zeros({1, 1}, ids.options()));
  }
  return shape_.embed_norm ? embed_norm_(x) : x;
}

Tensor TextTower::operator()(const Input& input, const nn::Adaptations& adaptations,
                             const TextContext& given) const {
  TextContext context = given;
  if (!context.positions.defined()) context.positions = input.positions;
  if (!context.positions.defined())
    context.positions = at::arange(input.data.size(1), input.data.options()).unsqueeze(0);
  const int first = context.first_layer;
  Tensor x = adaptations.after(nn::Site::embed, first, input.data, embed(input, context));
  nn::Pass pass(adaptations, *engine_, input.mask, context.positions,
                {.causal = shape_.causal,
                 .packed = input.positions.defined(),
                 .relative = shape_.relative_buckets > 0 ? &relative_ : nullptr,
                 .distances = shape_.distances > 0 ? &distances_ : nullptr,
                 .cache = context.cache,
                 .encoded = context.encoded,
                 .encoded_mask = context.encoded_mask,
                 .first_layer = first,
                 .read = context.read,
                 .last_layer = int(blocks_.size()) - 1});
  for (size_t i = 0; i < blocks_.size(); ++i) x = blocks_[i](std::move(x), int(i), pass);
  pass.finish();
  return pass.read_out(adaptations.after(nn::Site::norm, first + int(blocks_.size()), x,
                                         shape_.final_norm ? norm_(x) : x));
}

Tensor TextTower::relative_bias(int64_t tokens) const {
  const Tensor positions =
      at::arange(tokens, relative_.weight.options().dtype(at::kLong)).unsqueeze(0);
  return relative_(positions, positions);
}

void TextTower::walk(nn::Walk& w) {
  w("embed", embed_);
  w("position", position_);
  w("type", type_);
  w("embed_norm", embed_norm_);
  w("relative", relative_);
  w("distances", distances_);
  w("blocks", blocks_);
  w("norm", norm_);
}

Tensor pooled_token(Pooling pooling, const Input& input) {
  const int64_t batch = input.size(), tokens = input.data.size(1);
  if (pooling == Pooling::mean) return {};
  if (pooling == Pooling::first) return at::zeros({batch, 1}, input.data.options());
  if (!input.mask.defined()) return at::full({batch, 1}, tokens - 1, input.data.options());
  // The last real token, for padding on either side.
  return (input.mask * at::arange(tokens, input.data.options())).argmax(1, /*keepdim=*/true);
}

Tensor mean_of(const Tensor& tokens, const Tensor& mask) {
  if (!mask.defined()) return tokens.mean(1);
  const Tensor weights = mask.to(tokens.dtype()).unsqueeze(-1);
  return (tokens * weights).sum(1) / weights.sum(1).clamp_min(1);
}

Tensor unit_length(const Tensor& features) {
  constexpr double kLeast = 1e-12;
  return features / at::linalg_vector_norm(features, 2, at::IntArrayRef{-1}, /*keepdim=*/true)
                        .clamp_min(kLeast);
}

}  // namespace patina
