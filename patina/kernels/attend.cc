#include "patina/kernels/attention.h"
#include "patina/kernels/flops.h"
#include "patina/kernels/node.h"

namespace patina::kernels {

namespace {
int64_t attention_cost(const Tensor& query, const Tensor& key) {
  return 4 * query.numel() * key.size(2);
}
}  // namespace

void count_scores(const Tensor& a, const Tensor& b) {
  const int64_t cost = 2 * a.numel() * b.size(2);
  count_flops(cost, needs_graph({a, b}) ? 2 * cost : 0);
}

void count_attention(const Tensor& query, const Tensor& key, const Tensor& value) {
  const int64_t cost = attention_cost(query, key);
  count_flops(cost, needs_graph({query, key, value}) ? 2 * cost : 0);
}

namespace {

// Views [B,H,T,d] of T, contiguous in the last dimension.
template <class T>
Tensor heads_of(const Tensor& t) {
  const Tensor rounded = t.detach().to(kType<T>);
  return rounded.stride(-1) == 1 ? rounded : rounded.contiguous();
}

template <class T>
Strided<T> strided(const Tensor& t) {
  return {data<T>(t), t.stride(0), t.stride(1), t.stride(2)};
}

// Uninitialised [B,H,T,d], stored as [B,T,H*d]: the layout that products read.
Tensor empty_heads(const Tensor& like) {
  return at::empty({like.size(0), like.size(2), like.size(1), like.size(3)}, like.scalar_type())
      .transpose(1, 2);
}

template <class T>
struct AttentionArguments {
  Tensor q, k, v, bias;
  double scale = 1, cap = 0;

  AttentionShape shape() const {
    return {.batch = q.size(0),
            .heads = q.size(1),
            .key_heads = k.size(1),
            .queries = q.size(2),
            .keys = k.size(2),
            .size = q.size(3),
            .scale = float(scale),
            .cap = float(cap)};
  }
  AttentionInputs<T> inputs() const {
    AttentionInputs<T> inputs{strided<const T>(q), strided<const T>(k), strided<const T>(v), {}};
    if (!bias.defined()) return inputs;
    const Tensor all = bias.expand({q.size(0), q.size(1), q.size(2), k.size(2)});
    inputs.bias = {data<float>(all), all.stride(0), all.stride(1), all.stride(2), all.stride(3)};
    return inputs;
  }
};

// Views [B,H,T,d] of the rows of `mixed`, which packs queries, keys and values.
std::vector<Tensor> parts_of(const Tensor& mixed, const Heads& heads) {
  const int64_t queries = heads.queries * heads.size, keys = heads.keys * heads.size;
  const auto part = [&](int64_t from, int64_t count) {
    return mixed.slice(-1, from, from + count * heads.size)
        .view({mixed.size(0), mixed.size(1), count, heads.size})
        .transpose(1, 2);
  };
  return {part(0, heads.queries), part(queries, heads.keys), part(queries + keys, heads.keys)};
}

template <class T>
struct AttendBack : public Backward {
  AttentionArguments<T> given;
  Heads within;          // of the packed tensor; size 0: query, key and value are separate tensors
  Tensor out, log_sums;  // [B,H,T,d], [B,H,T]

  Tensors gradients(const Tensor& dy) override {
    const Tensor dout = heads_of<T>(
        dy.reshape({out.size(0), out.size(2), out.size(1), out.size(3)}).transpose(1, 2));
    Tensors made = {empty_heads(given.q), empty_heads(given.k), empty_heads(given.v)};
    Tensors result = made;
    if (within.size > 0) {
      const int64_t width = (within.queries + 2 * within.keys) * within.size;
      result = {at::empty({out.size(0), out.size(2), width}, out.scalar_type())};
      made = parts_of(result[0], within);
    }
    const AttentionGradients<T> gradients{strided<const T>(out), strided<const T>(dout),
                                          data<float>(log_sums), strided<T>(made[0]),
                                          strided<T>(made[1]),   strided<T>(made[2])};
    const auto inputs = given.inputs();
    const auto shape = given.shape();
    in_team(shape.units(), 1, [&](int64_t from, int64_t end) {
      attention_backward(shape, inputs, gradients, from, end);
    });
    return result;
  }
};

// `inputs` are query, key and value, or the one packed tensor that they are views of (then `within`
// describes it).
template <class T>
Tensor attend_of(const Tensors& inputs, const Heads& within, const Tensor& query, const Tensor& key,
                 const Tensor& value, const Tensor& bias, double scale, double cap) {
  const AttentionArguments<T> given{heads_of<T>(query),
                                    heads_of<T>(key),
                                    heads_of<T>(value),
                                    bias.defined() ? bias.detach() : bias,
                                    scale,
                                    cap};
  const bool graph = std::ranges::any_of(inputs, takes_gradient);
  const Tensor out = empty_heads(given.q);
  const auto shape = given.shape();
  const auto views = given.inputs();
  const Tensor log_sums = graph ? at::empty({shape.batch, shape.heads, shape.queries}) : Tensor();
  in_team(shape.units(), 1, [&](int64_t from, int64_t end) {
    attention_forward(shape, views, strided<T>(out), data<float>(log_sums), from, end);
  });
  const int64_t cost = attention_cost(query, key);
  count_flops(cost, graph ? 2 * cost : 0);
  Tensor y = out.transpose(1, 2).view({shape.batch, shape.queries, shape.heads * shape.size});
  if (!graph) return y;
  auto back = std::make_unique<AttendBack<T>>();
  back->given = given;
  back->within = within;
  back->out = out.detach();
  back->log_sums = log_sums;
  record(y, inputs, std::move(back));
  return y;
}

}  // namespace

Tensor attend(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& bias,
              double scale, at::ScalarType type, double cap) {
  const Tensors inputs = {query, key, value};
  return type == at::kBFloat16 ? attend_of<bf16>(inputs, {}, query, key, value, bias, scale, cap)
                               : attend_of<float>(inputs, {}, query, key, value, bias, scale, cap);
}

Tensor attend_within(const Tensor& mixed, const Heads& heads, const Tensor& bias, double scale,
                     at::ScalarType type) {
  const Tensors parts = parts_of(mixed.detach(), heads);
  return type == at::kBFloat16
             ? attend_of<bf16>({mixed}, heads, parts[0], parts[1], parts[2], bias, scale, 0)
             : attend_of<float>({mixed}, heads, parts[0], parts[1], parts[2], bias, scale, 0);
}

}  // namespace patina::kernels
