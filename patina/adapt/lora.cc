#include "patina/adapt/lora.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "patina/adapt/layers.h"
#include "patina/base/error.h"
#include "patina/config/sizes.h"
#include "patina/nn/layers.h"
#include "patina/ops.h"

namespace patina::adapt {

void LoraOptions::bind(Fields& f) {
  f("rank", rank, "Rank r of each change.", sized(1));
  f("alpha", alpha, "A change is scaled by alpha / rank.", above(0));
  f("rank_stabilized", rank_stabilized, "Scale by alpha / √rank instead (rsLoRA).");
  f("parts", parts, "Which projections change: queries, keys, values; \"\": none.",
    {"", "q", "k", "v", "qk", "qv", "kv", "qkv"});
  f("output", output, "Whether attention's output projection changes as well.");
  f("mlp", mlp, "Whether the MLP's layers change as well.");
  f("joint", joint,
    "One change for queries, keys and values together, and for a gate with its up projection; "
    "false: one each.");
  f.require(!joint || parts == "qkv", "joint", "needs parts = \"qkv\"");
  f.require(!parts.empty() || output || mlp, "parts", "is empty, and nothing else changes");
}

std::string_view name(Part part) {
  constexpr std::string_view kNames[] = {"q", "k", "v", "qkv", "o", "gate", "up", "fc1", "fc2"};
  return kNames[size_t(part)];
}

PartShape part_shape(Part part, const nn::BlockShape& shape) {
  const int64_t width = shape.width, queries = shape.query_width(), keys = shape.key_width();
  switch (part) {
    case Part::q:
      return {0, queries, width};
    case Part::k:
      return {queries, keys, width};
    case Part::v:
      return {queries + keys, keys, width};
    case Part::qkv:
      return {0, shape.qkv_width(), width};
    case Part::o:
      return {0, width, queries};
    case Part::gate:
      return {0, shape.hidden, width};
    case Part::up:
      return {shape.hidden, shape.hidden, width};
    case Part::fc1:
      return {0, shape.fc1_width(), width};
    case Part::fc2:
      return {0, width, shape.hidden};
  }
  return {};
}

// In the order in which the products of a block are drawn.
struct Lora::Row {
  Part part;
  nn::Site site;
  Product Change::*product;
};
const std::vector<Lora::Row>& Lora::rows() {
  static const std::vector<Row> all = {
      {Part::q, nn::Site::qkv, &Change::q},    {Part::k, nn::Site::qkv, &Change::k},
      {Part::v, nn::Site::qkv, &Change::v},    {Part::qkv, nn::Site::qkv, &Change::qkv},
      {Part::o, nn::Site::proj, &Change::o},   {Part::gate, nn::Site::fc1, &Change::gate},
      {Part::up, nn::Site::fc1, &Change::up},  {Part::fc1, nn::Site::fc1, &Change::fc1},
      {Part::fc2, nn::Site::fc2, &Change::fc2}};
  return all;
}

Lora::Lora(const LoraOptions& options, const nn::BlockShape& shape, int64_t depth, Random& random)
    : shape_(shape), changes_(size_t(depth)) {
  const double rank = double(options.rank);
  const double scale = options.alpha / (options.rank_stabilized ? std::sqrt(rank) : rank);
  const auto wanted = [&](Part part) {
    switch (part) {
      case Part::q:
      case Part::k:
      case Part::v:
        return !options.joint && options.parts.find(name(part)) != std::string::npos;
      case Part::qkv:
        return options.joint;
      case Part::o:
        return options.output;
      case Part::gate:
      case Part::up:
        return options.mlp && shape.gated && !options.joint;
      case Part::fc1:
        return options.mlp && (!shape.gated || options.joint);
      case Part::fc2:
        return options.mlp;
    }
    return false;
  };
  for (int64_t i = 0; i < depth; ++i) {
    if (!chosen(i, options.layers)) continue;
    for (const Row& row : rows()) {
      if (!wanted(row.part)) continue;
      Product& product = changes_[size_t(i)].*row.product;
      const PartShape part = part_shape(row.part, shape);
      product.a = at::empty({options.rank, part.in});
      product.b = at::zeros({part.rows, options.rank});
      product.scale = scale;
      nn::init_kaiming(product.a, random);
      if (options.learned_scale) product.factor = at::ones({1});
      sites_ |= 1u << int(row.site);
    }
  }
  nn::freeze(*this, false);
}

Lora::Lora(const std::vector<Update>& updates, const nn::BlockShape& shape, int64_t depth)
    : shape_(shape), changes_(size_t(depth)) {
  for (const Update& update : updates) {
    const auto row = std::ranges::find(rows(), update.part, &Row::part);
    const PartShape part = part_shape(update.part, shape);
    PATINA_REQUIRE(update.layer >= 0 && update.layer < depth, "block {} of {}", update.layer,
                   depth);
    PATINA_REQUIRE(update.a.dim() == 2 && update.b.dim() == 2 && update.a.size(1) == part.in &&
                       update.b.size(0) == part.rows && update.a.size(0) == update.b.size(1),
                   "a change of {} by {} and {}", name(update.part), shape_text(update.b.sizes()),
                   shape_text(update.a.sizes()));
    Product& product = changes_[size_t(update.layer)].*row->product;
    PATINA_REQUIRE(!product.a.defined(), "two changes of block {}'s {}", update.layer,
                   name(update.part));
    product.a = update.a;
    product.b = update.b;
    product.scale = update.scale;
    sites_ |= 1u << int(row->site);
  }
  nn::freeze(*this);
}

Tensor with_added(nn::Site site, const nn::BlockShape& shape, Tensor out,
                  const std::function<Tensor(Part)>& added) {
  const auto whole = [&](Part part) {
    if (const Tensor more = added(part); more.defined()) out = out + more;
  };
  // Parts that stand side by side.
  const auto beside = [&](std::initializer_list<Part> parts) {
    std::vector<Tensor> more;
    Shape rows;
    for (const Part part : parts) {
      more.push_back(added(part));
      rows.push_back(part_shape(part, shape).rows);
    }
    if (std::ranges::none_of(more, [](const Tensor& t) { return t.defined(); })) return;
    std::vector<Tensor> pieces = out.split_with_sizes(rows, -1);
    for (size_t i = 0; i < pieces.size(); ++i)
      if (more[i].defined()) pieces[i] = pieces[i] + more[i];
    out = at::cat(pieces, -1);
  };
  if (site == nn::Site::proj) whole(Part::o);
  if (site == nn::Site::fc2) whole(Part::fc2);
  if (site == nn::Site::fc1) {
    whole(Part::fc1);
    beside({Part::gate, Part::up});
  }
  if (site == nn::Site::qkv) {
    whole(Part::qkv);
    beside({Part::q, Part::k, Part::v});
  }
  return out;
}

const Lora::Product& Lora::product(int64_t layer, Part part) const {
  return changes_[size_t(layer)].*std::ranges::find(rows(), part, &Row::part)->product;
}

Lora::Update Lora::factors(int64_t layer, Part part) const {
  const Product& found = product(layer, part);
  return {layer, part, found.a, found.b, found.scale};
}

Tensor Lora::after(nn::Site site, int layer, const Tensor& in, Tensor out) {
  if (!acts(site)) return out;
  return with_added(site, shape_, std::move(out), [&](Part part) {
    const Product& change = product(layer, part);
    if (!change.a.defined()) return Tensor();
    const Tensor added = nn::linear(nn::linear(in, change.a), change.b) * change.scale;
    return change.factor.defined() ? added * change.factor : added;
  });
}

void Lora::begin_at(int64_t layer, nn::Site site, const Tensor& rows) {
  const Change& change = changes_.at(size_t(layer));
  const Tensor a = site == nn::Site::fc1   ? change.fc1.a
                   : site == nn::Site::fc2 ? change.fc2.a
                                           : change.qkv.a;
  if (a.defined()) a.detach().copy_(rows);
}

std::vector<Lora::Update> Lora::updates() const {
  std::vector<Update> all;
  for (size_t i = 0; i < changes_.size(); ++i)
    for (const Row& row : rows()) {
      const Product& product = changes_[i].*row.product;
      if (!product.a.defined()) continue;
      const double factor = product.factor.defined() ? product.factor.item<double>() : 1;
      all.push_back(
          {int64_t(i), row.part, product.a.detach(), product.b.detach(), product.scale * factor});
    }
  return all;
}

std::optional<std::string> Lora::text() const {
  std::vector<double> scales;
  for (const Change& change : changes_)
    for (const Row& row : rows())
      if (const Product& product = change.*row.product; product.a.defined())
        scales.push_back(product.scale);
  if (std::ranges::adjacent_find(scales, std::not_equal_to<>()) == scales.end())
    scales.resize(std::min<size_t>(scales.size(), 1));
  return fmt::format("lora scale={}", fmt::join(scales, ","));
}

void Lora::walk(nn::Walk& w) {
  w("blocks", changes_);
}

void Lora::Change::walk(nn::Walk& w) {
  w("q", q);
  w("k", k);
  w("v", v);
  w("qkv", qkv);
  w("fc1", fc1);
  w("fc2", fc2);
  w("o", o);
  w("gate", gate);
  w("up", up);
}

void Lora::Product::walk(nn::Walk& w) {
  w("a", a);
  w("b", b);
  w("factor", factor);
}

}  // namespace patina::adapt
