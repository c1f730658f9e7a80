#include "patina/models/vision/vit_onnx.h"

#include <cmath>
#include <map>
#include <numbers>

#include "patina/algebra/cosine.h"
#include "patina/base/error.h"
#include "patina/base/file.h"
#include "patina/base/json.h"
#include "patina/ops.h"

namespace patina {

namespace {

using Value = OnnxGraph::Value;

/// A network's pass, written from its shape and its tensors by their names (timm's).
class VitGraph {
 public:
  VitGraph(OnnxGraph& graph, const ViT& network) : graph_(graph), shape_(network.shape()) {
    const char* lacking = shape_.rotary.theta != 0 ? "positions that turn (DINOv3, EVA-02)"
                          : shape_.attention_pool  ? "a query that pools (SigLIP)"
                          : shape_.gated           ? "MLPs with gates"
                                                   : nullptr;
    if (lacking)
      fail(ErrorKind::model,
           "{} has {}, for which there is no graph of ONNX yet: export --to safetensors",
           network.about(), lacking);
    for (auto& item : nn::tensors(const_cast<ViT&>(network)))  // only read
      tensors_.emplace(item.name, item.floats().detach());
  }

  Value features(const Value& images) {
    Value x = embedded(images);
    if (shape_.pre_norm) x = norm(x, "norm_pre");
    for (int64_t i = 0; i < shape_.depth; ++i) x = block(x, fmt::format("blocks.{}.", i));
    if (shape_.final_norm) x = norm(x, "norm");
    return pooled(x);
  }

 private:
  // Undefined if the network has none of that name.
  Tensor tensor(const std::string& name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? Tensor() : found->second;
  }

  Value norm(const Value& x, const std::string& name) {
    return graph_.layer_norm(x, tensor(name + ".weight"), tensor(name + ".bias"), shape_.eps);
  }
  Value linear(const Value& x, const std::string& name) {
    return graph_.linear(x, tensor(name + ".weight"), tensor(name + ".bias"));
  }
  Value scaled(const Value& x, double factor) {
    return graph_.multiply(x, graph_.constant(at::full({1}, factor, at::kFloat)));
  }

  // [B,3,S,S] -> [B,T,D]
  Value embedded(const Value& images) {
    const Value grid =
        graph_.patches(images, tensor("patch_embed.proj.weight"), tensor("patch_embed.proj.bias"));
    const Value rows = graph_.permute(graph_.reshape(grid, {0, 0, -1}), {0, 2, 1});
    std::vector<Value> parts;
    // A token of every image: zero times a patch, and the token.
    const Value nothing = scaled(graph_.slice(rows, 1, 0, 1), 0);
    for (const char* name : {"cls_token", "dist_token", "reg_token"})
      if (const Tensor token = tensor(name); token.defined())
        parts.push_back(graph_.add(nothing, graph_.constant(token)));
    parts.push_back(rows);
    Value x = parts.size() > 1 ? graph_.concat(parts, 1) : rows;
    if (!shape_.positions) return x;
    const Tensor placed = tensor("pos_embed");
    const int64_t without = shape_.prefix() - shape_.placed();  // tokens between, without positions
    const Tensor positions = at::cat(
        {placed.slice(1, 0, shape_.placed()),
         at::zeros({1, without, shape_.width}, placed.options()), placed.slice(1, shape_.placed())},
        1);
    return graph_.add(x, graph_.constant(positions));
  }

  Value block(const Value& x, const std::string& at) {
    const Value mixed = graph_.add(x, kept(attention(norm(x, at + "norm1"), at), at + "ls1"));
    return graph_.add(mixed, kept(mlp(norm(mixed, at + "norm2"), at), at + "ls2"));
  }
  Value kept(const Value& x, const std::string& name) {
    const Tensor gamma = tensor(name + ".gamma");
    return gamma.defined() ? graph_.multiply(x, graph_.constant(gamma)) : x;
  }

  // softmax(q kᵀ / √d) v in every head, and the projection.
  Value attention(const Value& x, const std::string& at) {
    const int64_t size = shape_.block().size(), width = shape_.heads * size;
    const Value all = linear(x, at + "attn.qkv");
    const auto heads = [&](int64_t part) {  // [B,T,3D] -> [B,H,T,d]
      const Value one = graph_.slice(all, 2, part * width, (part + 1) * width);
      return graph_.permute(graph_.reshape(one, {0, 0, shape_.heads, size}), {0, 2, 1, 3});
    };
    Value query = heads(0), key = heads(1);
    if (shape_.head_norm) {
      query = norm(query, at + "attn.query_norm");
      key = norm(key, at + "attn.key_norm");
    }
    const Value weights = graph_.softmax(scaled(
        graph_.matmul(query, graph_.permute(key, {0, 1, 3, 2})), 1 / std::sqrt(double(size))));
    const Value found = graph_.permute(graph_.matmul(weights, heads(2)), {0, 2, 1, 3});
    Value joined = graph_.reshape(found, {0, 0, width});
    if (shape_.attention_norm) joined = norm(joined, at + "attn.norm");
    return linear(joined, at + "attn.proj");
  }

  Value mlp(const Value& x, const std::string& at) {
    Value hidden = activated(linear(x, at + "mlp.fc1"));
    if (shape_.mlp_norm) hidden = norm(hidden, at + "mlp.norm");
    return linear(hidden, at + "mlp.fc2");
  }

  Value activated(const Value& x) {
    switch (shape_.activation) {
      case nn::Activation::none:
        return x;
      case nn::Activation::gelu:  // x (1 + erf(x / √2)) / 2
        return halved(x, graph_.erf(scaled(x, std::numbers::sqrt2 / 2)));
      case nn::Activation::gelu_tanh: {  // x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2
        const Value cubed = graph_.multiply(x, graph_.multiply(x, x));
        const Value inner = graph_.add(x, scaled(cubed, 0.044715));
        return halved(x, graph_.tanh(scaled(inner, std::sqrt(2 * std::numbers::inv_pi))));
      }
      case nn::Activation::quick_gelu:
        return graph_.multiply(x, graph_.sigmoid(scaled(x, 1.702)));
      case nn::Activation::relu:
        return graph_.relu(x);
      case nn::Activation::silu:
        return graph_.multiply(x, graph_.sigmoid(x));
      case nn::Activation::tanh:
        return graph_.tanh(x);
    }
    PATINA_CHECK(false, "an unknown activation");
  }
  // x (1 + y) / 2
  Value halved(const Value& x, const Value& y) {
    return graph_.multiply(scaled(x, 0.5), graph_.add(y, graph_.constant(at::ones({1}))));
  }

  // [B,T,D] -> [B,D]
  Value pooled(const Value& x) {
    if (shape_.distilled && !shape_.class_only)
      return graph_.mean(graph_.slice(x, 1, 0, 2), 1, false);
    if (!shape_.pooled_norm && !shape_.patch_mean)
      return graph_.reshape(graph_.slice(x, 1, 0, 1), {0, shape_.width});
    const Value mean = graph_.mean(graph_.slice(x, 1, shape_.prefix(), shape_.tokens()), 1, false);
    return shape_.pooled_norm ? norm(mean, "fc_norm") : mean;
  }

  OnnxGraph& graph_;
  const ViTShape shape_;
  std::map<std::string, Tensor> tensors_;
};

}  // namespace

namespace {

Value scores(OnnxGraph& graph, const LinearClassifier& classifier, Value features) {
  if (classifier.projection.defined())
    features = graph.relu(graph.matmul(features, graph.constant(classifier.projection)));
  if (!classifier.cosine) return graph.linear(features, classifier.weight, classifier.bias);
  return graph.linear(graph.unit(features), normalized(classifier.weight), {});
}

}  // namespace

OnnxGraph::Value add_features(OnnxGraph& graph, const ViT& network,
                              const OnnxGraph::Value& images) {
  return VitGraph(graph, network).features(images);
}

Tensor write_onnx(const Backbone& network, const LinearClassifier& classifier, const Tensor& images,
                  const fs::path& file) {
  const auto* vit = dynamic_cast<const ViT*>(&network);
  if (!vit)
    fail(ErrorKind::model,
         "{} is no vision transformer, and other networks have no graph of ONNX yet: export --to "
         "safetensors",
         network.about());
  NoGrad no_grad;
  OnnxGraph graph;
  const Value features = add_features(graph, *vit, graph.input("images", images));
  const Value classified = scores(graph, classifier, features);
  graph.output("features", features);
  graph.output("scores", classified);
  const ImageInput input = *network.image_input();
  graph.note("classes", Json(classifier.classes).dump());
  graph.note("images", Json{{"size", input.size},
                            {"normalize", input.normalize},
                            {"interpolation", input.interpolation}}
                           .dump());
  write_text(file, graph.file());
  return classified.example;
}

}  // namespace patina
