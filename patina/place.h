// Places: a device of LibTorch's and a number type, for everything that makes tensors.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "patina/tensor.h"

namespace patina {

/// A device and the number type of computations on it. Only tensors on the host, in the CPU's own
/// memory, can be read directly; others are copied there first.
struct Place {
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;

  bool on_host() const { return device.is_cpu(); }
  /// Options of new tensors at this place.
  at::TensorOptions options() const { return at::TensorOptions(device).dtype(dtype); }
  /// "cpu", "cuda:0".
  std::string text() const { return device.str(); }
  bool operator==(const Place& other) const = default;
};

/// Reads "auto" (the first GPU, otherwise the CPU), "cpu", "cuda" (the first GPU) or "cuda:1".
/// Throws Error(recipe), with the devices that are there, for any other.
Place place_of(std::string_view text);

/// The devices that are there: "cpu", "cuda:0", ...
std::vector<std::string> devices();

/// The place of a tensor; its number type is float for tensors of integers and flags.
Place place_of(const Tensor& t);

/// A copy on the host; the tensor itself if it is there already. Undefined stays undefined.
Tensor on_host(const Tensor& t);
/// A copy on a device; the tensor itself if it is there already. Undefined stays undefined.
Tensor on(const at::Device& device, const Tensor& t);

}  // namespace patina
