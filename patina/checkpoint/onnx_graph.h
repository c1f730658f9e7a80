// Graphs of ONNX's operators (onnx.ai, operator set 17), for programs that run networks without
// patina.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "patina/base/protobuf.h"
#include "patina/tensor.h"

namespace patina {

/// A graph, written operator by operator. Each is computed as it is added, too, so that what the
/// finished graph gives for the example is known and can be compared.
class OnnxGraph {
 public:
  /// A value of the graph, and what it is for the example.
  struct Value {
    std::string name;
    Tensor example;
  };

  /// An input whose first dimension is the batch's: any number.
  Value input(const std::string& name, const Tensor& example);
  void output(const std::string& name, const Value& value);
  /// Floats, or whole numbers (int64).
  Value constant(const Tensor& tensor);

  Value add(const Value& a, const Value& b);
  Value multiply(const Value& a, const Value& b);
  Value matmul(const Value& a, const Value& b);
  /// x Wᵀ + b, with `weight` [out,in] and `bias` [out], or undefined.
  Value linear(const Value& x, const Tensor& weight, const Tensor& bias);
  /// Patches of an image: x [B,3,S,S], weight [D,3,p,p] -> [B,D,S/p,S/p].
  Value patches(const Value& x, const Tensor& weight, const Tensor& bias);
  Value layer_norm(const Value& x, const Tensor& weight, const Tensor& bias, double eps);
  Value softmax(const Value& x);  // over the last dimension
  Value erf(const Value& x);
  Value sigmoid(const Value& x);
  Value tanh(const Value& x);
  Value relu(const Value& x);
  Value concat(const std::vector<Value>& parts, int64_t dim);
  /// 0 in `shape` keeps a dimension, one -1 takes the rest.
  Value reshape(const Value& x, const std::vector<int64_t>& shape);
  Value permute(const Value& x, const std::vector<int64_t>& order);
  /// x[from:to] along `dim`.
  Value slice(const Value& x, int64_t dim, int64_t from, int64_t to);
  Value mean(const Value& x, int64_t dim, bool keep);
  /// Rows of length one: x / max(|x|, 1e-12).
  Value unit(const Value& x);

  /// Told with the graph: class names, what images have to look like.
  void note(const std::string& key, const std::string& value);
  /// The file. Throws Error(model) for more than 2 GiB, which protobuf cannot hold.
  std::string file() const;

 private:
  // Attributes of operators as ONNX's messages.
  static ProtobufMessage whole(const std::string& name, int64_t value);
  static ProtobufMessage wholes(const std::string& name, const std::vector<int64_t>& values);
  static ProtobufMessage real(const std::string& name, double value);
  Value whole_numbers(const std::vector<int64_t>& values);  // a constant
  Value node(const char* op, const std::vector<Value>& inputs, Tensor example,
             const std::vector<ProtobufMessage>& attributes = {});

  ProtobufMessage graph_, notes_;
  int64_t count_ = 0;
};

}  // namespace patina
