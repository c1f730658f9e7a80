#include "patina/checkpoint/onnx_graph.h"

#include <limits>

#include "patina/base/error.h"
#include "patina/ops.h"
#include "patina/version.h"

namespace patina {

namespace {

constexpr int64_t kOnnxFormat = 8, kOperatorSet = 17;
// onnx.proto's numbers of types, of tensors and of attributes.
enum OnnxType : int64_t { onnx_float = 1, onnx_int64 = 7 };
enum OnnxAttribute : int64_t { onnx_real = 1, onnx_whole = 2, onnx_wholes = 7 };

// TensorProto { dims = 1, data_type = 2, name = 8, raw_data = 9 }.
ProtobufMessage onnx_tensor(const std::string& name, const Tensor& given) {
  const bool whole = given.scalar_type() == at::kLong;
  const Tensor tensor = given.detach().to(at::kCPU).to(whole ? at::kLong : at::kFloat).contiguous();
  ProtobufMessage message;
  for (const int64_t size : tensor.sizes()) message.whole(1, size);
  message.whole(2, whole ? onnx_int64 : onnx_float).text(8, name);
  return message.text(9, {static_cast<const char*>(tensor.data_ptr()), size_t(tensor.nbytes())});
}

// ValueInfoProto { name = 1, type = 2 { tensor_type = 1 { elem_type = 1, shape = 2 { dim = 1 {
// dim_value = 1, dim_param = 2 } } } } }.
ProtobufMessage onnx_floats(const std::string& name, const Tensor& example) {
  ProtobufMessage shape;
  shape.message(1, ProtobufMessage().text(2, "batch"));
  for (int64_t i = 1; i < example.dim(); ++i)
    shape.message(1, ProtobufMessage().whole(1, example.size(i)));
  const auto tensor = ProtobufMessage().whole(1, onnx_float).message(2, shape);
  return ProtobufMessage().text(1, name).message(2, ProtobufMessage().message(1, tensor));
}

}  // namespace

// GraphProto { node = 1, name = 2, initializer = 5, input = 11, output = 12 }.
OnnxGraph::Value OnnxGraph::input(const std::string& name, const Tensor& example) {
  graph_.message(11, onnx_floats(name, example));
  return {name, example};
}

// A name of its own, as that of a value inside is a number.
void OnnxGraph::output(const std::string& name, const Value& value) {
  const auto identity = ProtobufMessage().text(1, value.name).text(2, name).text(4, "Identity");
  graph_.message(1, identity);
  graph_.message(12, onnx_floats(name, value.example));
}

OnnxGraph::Value OnnxGraph::constant(const Tensor& tensor) {
  const std::string name = fmt::format("c{}", count_++);
  graph_.message(5, onnx_tensor(name, tensor));
  return {name, tensor};
}

OnnxGraph::Value OnnxGraph::whole_numbers(const std::vector<int64_t>& values) {
  return constant(tensor_of(values));
}

// AttributeProto { name = 1, f = 2, i = 3, ints = 8, type = 20 }.
ProtobufMessage OnnxGraph::whole(const std::string& name, int64_t value) {
  return ProtobufMessage().text(1, name).whole(3, value).whole(20, onnx_whole);
}
ProtobufMessage OnnxGraph::wholes(const std::string& name, const std::vector<int64_t>& values) {
  auto message = ProtobufMessage().text(1, name);
  for (const int64_t value : values) message.whole(8, value);
  return message.whole(20, onnx_wholes);
}
ProtobufMessage OnnxGraph::real(const std::string& name, double value) {
  return ProtobufMessage().text(1, name).real32(2, float(value)).whole(20, onnx_real);
}

// NodeProto { input = 1, output = 2, op_type = 4, attribute = 5 }.
OnnxGraph::Value OnnxGraph::node(const char* op, const std::vector<Value>& inputs, Tensor example,
                                 const std::vector<ProtobufMessage>& attributes) {
  const std::string name = fmt::format("v{}", count_++);
  ProtobufMessage message;
  for (const auto& one : inputs) message.text(1, one.name);
  message.text(2, name).text(4, op);
  for (const auto& attribute : attributes) message.message(5, attribute);
  graph_.message(1, message);
  return {name, std::move(example)};
}

OnnxGraph::Value OnnxGraph::add(const Value& a, const Value& b) {
  return node("Add", {a, b}, a.example + b.example);
}

OnnxGraph::Value OnnxGraph::multiply(const Value& a, const Value& b) {
  return node("Mul", {a, b}, a.example * b.example);
}

OnnxGraph::Value OnnxGraph::matmul(const Value& a, const Value& b) {
  return node("MatMul", {a, b}, at::matmul(a.example, b.example));
}

OnnxGraph::Value OnnxGraph::linear(const Value& x, const Tensor& weight, const Tensor& bias) {
  const Value product = matmul(x, constant(weight.t()));
  return bias.defined() ? add(product, constant(bias)) : product;
}

OnnxGraph::Value OnnxGraph::patches(const Value& x, const Tensor& weight, const Tensor& bias) {
  const int64_t side = weight.size(2);
  std::vector<Value> inputs = {x, constant(weight)};
  if (bias.defined()) inputs.push_back(constant(bias));
  return node("Conv", inputs, at::conv2d(x.example, weight, bias, {side, side}),
              {wholes("kernel_shape", {side, side}), wholes("strides", {side, side})});
}

OnnxGraph::Value OnnxGraph::layer_norm(const Value& x, const Tensor& weight, const Tensor& bias,
                                       double eps) {
  return node("LayerNormalization", {x, constant(weight), constant(bias)},
              at::layer_norm(x.example, {weight.size(0)}, weight, bias, eps),
              {whole("axis", -1), real("epsilon", eps)});
}

OnnxGraph::Value OnnxGraph::softmax(const Value& x) {
  return node("Softmax", {x}, at::softmax(x.example, -1), {whole("axis", -1)});
}

OnnxGraph::Value OnnxGraph::erf(const Value& x) {
  return node("Erf", {x}, x.example.erf());
}

OnnxGraph::Value OnnxGraph::sigmoid(const Value& x) {
  return node("Sigmoid", {x}, at::sigmoid(x.example));
}

OnnxGraph::Value OnnxGraph::tanh(const Value& x) {
  return node("Tanh", {x}, at::tanh(x.example));
}

OnnxGraph::Value OnnxGraph::relu(const Value& x) {
  return node("Relu", {x}, at::relu(x.example));
}

OnnxGraph::Value OnnxGraph::concat(const std::vector<Value>& parts, int64_t dim) {
  std::vector<Tensor> examples;
  for (const auto& part : parts) examples.push_back(part.example);
  return node("Concat", parts, at::cat(examples, dim), {whole("axis", dim)});
}

OnnxGraph::Value OnnxGraph::reshape(const Value& x, const std::vector<int64_t>& shape) {
  std::vector<int64_t> sizes = shape;
  for (size_t i = 0; i < sizes.size(); ++i)
    if (sizes[i] == 0) sizes[i] = x.example.size(int64_t(i));
  return node("Reshape", {x, whole_numbers(shape)}, x.example.reshape(sizes));
}

OnnxGraph::Value OnnxGraph::permute(const Value& x, const std::vector<int64_t>& order) {
  return node("Transpose", {x}, x.example.permute(order), {wholes("perm", order)});
}

OnnxGraph::Value OnnxGraph::slice(const Value& x, int64_t dim, int64_t from, int64_t to) {
  return node("Slice", {x, whole_numbers({from}), whole_numbers({to}), whole_numbers({dim})},
              x.example.slice(dim, from, to));
}

OnnxGraph::Value OnnxGraph::mean(const Value& x, int64_t dim, bool keep) {
  return node("ReduceMean", {x}, x.example.mean(at::IntArrayRef(dim), keep),
              {wholes("axes", {dim}), whole("keepdims", keep)});
}

OnnxGraph::Value OnnxGraph::unit(const Value& x) {
  const Value length = node("ReduceL2", {x}, (x.example * x.example).sum(-1, true).sqrt(),
                            {wholes("axes", {-1}), whole("keepdims", 1)});
  const Value least = constant(at::full({1}, 1e-12, at::kFloat));
  const Value divisor = node("Max", {length, least}, at::maximum(length.example, least.example));
  return node("Div", {x, divisor}, x.example / divisor.example);
}

void OnnxGraph::note(const std::string& key, const std::string& value) {
  notes_.message(14, ProtobufMessage().text(1, key).text(2, value));
}

// ModelProto { ir_version = 1, producer_name = 2, producer_version = 3, graph = 7,
// opset_import = 8 { version = 2 }, metadata_props = 14 }.
std::string OnnxGraph::file() const {
  ProtobufMessage model;
  model.whole(1, kOnnxFormat).text(2, "patina").text(3, kVersion);
  model.message(7, ProtobufMessage(graph_).text(2, "patina"));
  model.message(8, ProtobufMessage().whole(2, kOperatorSet));
  std::string bytes = model.bytes() + notes_.bytes();
  if (bytes.size() > size_t(std::numeric_limits<int32_t>::max()))
    fail(ErrorKind::model,
         "the network takes {} bytes, and a file of ONNX holds 2 GiB: export --to safetensors",
         bytes.size());
  return bytes;
}

}  // namespace patina
