#include "tests/support/test_device.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>
#include <torch/version.h>
#if TORCH_VERSION_MAJOR >= 2
#include <ATen/detail/PrivateUse1HooksInterface.h>
#endif

#include <vector>

namespace patina {

Place test_place() {
  return {.device = {c10::DeviceType::PrivateUse1, 0}};
}

namespace {

// What autograd needs of a device: here, one with one stream on which all work is done at once.
struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return c10::DeviceType::PrivateUse1; }
  c10::Device exchangeDevice(c10::Device) const override { return test_place().device; }
  c10::Device getDevice() const override { return test_place().device; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device) const noexcept override {
    return c10::Stream(c10::Stream::DEFAULT, test_place().device);
  }
  c10::Stream exchangeStream(c10::Stream) const noexcept override { return getStream(getDevice()); }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  void record(void**, const c10::Stream&, c10::DeviceIndex, c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  void destroyEvent(void*, c10::DeviceIndex) const noexcept override {}
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard)

#if TORCH_VERSION_MAJOR >= 2
// Autograd of later versions asks for a device by its name and by its hooks.
struct Hooks : at::PrivateUse1HooksInterface {
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
};

const bool registered = [] {
  static Hooks hooks;
  c10::register_privateuse1_backend("privateuseone");
  at::RegisterPrivateUse1HooksInterface(&hooks);
  return true;
}();
#endif

using torch::jit::Stack;

// Added to every address, which makes it invalid for the processor.
constexpr intptr_t kFar = intptr_t{1} << 62;

bool is_here(const Tensor& t) {
  return t.defined() && t.device().type() == c10::DeviceType::PrivateUse1;
}

// A storage of the device that owns a storage of the host.
c10::Storage far_storage(const c10::Storage& host) {
  auto* address = reinterpret_cast<void*>(reinterpret_cast<intptr_t>(host.data_ptr().get()) + kFar);
  c10::DataPtr data(
      address, new c10::Storage(host), [](void* held) { delete static_cast<c10::Storage*>(held); },
      test_place().device);
  return {c10::Storage::use_byte_size_t(), host.nbytes(), std::move(data)};
}

const c10::Storage& host_storage(const Tensor& t) {
  return *static_cast<const c10::Storage*>(t.storage().data_ptr().get_context());
}

// A tensor over a storage, with the shape, strides and offset of another tensor.
Tensor over(c10::Storage storage, const Tensor& like, c10::DispatchKey key) {
  Tensor made = at::detail::make_tensor<c10::TensorImpl>(std::move(storage),
                                                         c10::DispatchKeySet(key), like.dtype());
  auto* impl = made.unsafeGetTensorImpl();
  impl->set_sizes_and_strides(like.sizes(), like.strides());
  impl->set_storage_offset(like.storage_offset());
  return made;
}

// The tensors of one call: the given ones and, over the same memory, their host tensors.
class Call {
 public:
  explicit Call(std::string name) : name_(std::move(name)) {}

  Tensor host(const Tensor& given) {
    if (!given.defined()) return given;
    if (!is_here(given)) {
      on_cpu_ = on_cpu_ || given.dim() > 0;
      return given;
    }
    given_.push_back(given);
    hosts_.push_back(over(host_storage(given), given, c10::DispatchKey::CPU));
    return hosts_.back();
  }

  void check() const {
    TORCH_CHECK(given_.empty() || !on_cpu_, name_, ": operands on the CPU and on the test device");
  }

  Tensor result(const Tensor& made) {
    if (!made.defined()) return made;
    for (size_t i = 0; i < hosts_.size(); ++i)
      if (made.is_same(hosts_[i])) return given_[i];
    for (size_t i = 0; i < hosts_.size(); ++i)
      if (made.storage().unsafeGetStorageImpl() == host_storage(given_[i]).unsafeGetStorageImpl())
        return over(given_[i].storage(), made, c10::DispatchKey::PrivateUse1);
    return over(far_storage(made.storage()), made, c10::DispatchKey::PrivateUse1);
  }

  // Operators may resize their output arguments.
  void resize() {
    for (size_t i = 0; i < hosts_.size(); ++i) {
      const Tensor& host = hosts_[i];
      auto* impl = given_[i].unsafeGetTensorImpl();
      if (given_[i].storage().nbytes() != host.storage().nbytes())
        impl->set_storage_keep_dtype(far_storage(host.storage()));
      if (host.sizes() != given_[i].sizes() || host.strides() != given_[i].strides())
        impl->set_sizes_and_strides(host.sizes(), host.strides());
    }
  }

 private:
  std::string name_;
  std::vector<Tensor> given_, hosts_;
  bool on_cpu_ = false;
};

template <class Map>
c10::IValue mapped(const c10::IValue& value, Map map) {
  if (value.isTensor()) return map(value.toTensor());
  if (value.isTensorList()) {
    c10::List<Tensor> list;
    for (const Tensor& t : value.toTensorVector()) list.push_back(map(t));
    return list;
  }
  if (value.isOptionalTensorList()) {
    auto list = value.toOptionalTensorList().copy();
    for (size_t i = 0; i < list.size(); ++i)
      if (const auto t = list.get(i)) list.set(i, map(*t));
    return list;
  }
  if (value.isDevice() && value.toDevice().type() == c10::DeviceType::PrivateUse1)
    return at::Device(at::kCPU);
  return value;
}

// Runs the operator `run` on the CPU with the arguments of the called operator `given`.
void on_the_host(const c10::OperatorHandle& given, const c10::OperatorHandle& run, Stack& stack) {
  Call call(given.schema().name());
  const size_t first = stack.size() - run.schema().arguments().size();
  for (size_t i = first; i < stack.size(); ++i)
    stack[i] = mapped(stack[i], [&](const Tensor& t) { return call.host(t); });
  call.check();
  run.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &stack);
  for (size_t i = first; i < stack.size(); ++i)
    stack[i] = mapped(stack[i], [&](const Tensor& t) { return call.result(t); });
  call.resize();
}

void any_operator(const c10::OperatorHandle& op, Stack* stack) {
  on_the_host(op, op, *stack);
}

c10::OperatorHandle named(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "");
}

// Arguments: (from, to, non_blocking). The only operator on two devices.
void copy(const c10::OperatorHandle&, Stack* stack) {
  const size_t first = stack->size() - 3;
  const Tensor from = (*stack)[first].toTensor(), to = (*stack)[first + 1].toTensor();
  Call call("copy");
  call.host(to).copy_(call.host(from));
  stack->resize(first);
  stack->emplace_back(to);
}

// LibTorch calls convolutions of other devices by separate names.
void convolution(const c10::OperatorHandle& op, Stack* stack) {
  on_the_host(op, named("aten::convolution"), *stack);
}

// Arguments: (gradient, x, weight, stride, ...). The CPU's operator has the bias shape after the
// weight.
void convolution_backward(const c10::OperatorHandle& op, Stack* stack) {
  const auto weight = stack->end() - 8;
  const std::vector<int64_t> bias = {weight->toTensor().size(0)};
  stack->insert(weight + 1, c10::IValue(bias));
  on_the_host(op, named("aten::convolution_backward"), *stack);
}

}  // namespace

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&any_operator>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  // LibTorch composes these from other operators on devices without kernels of their own.
  for (const char* name : {"native_layer_norm", "native_layer_norm_backward"})
    library.impl(name, torch::CppFunction::makeFromBoxedFunction<&any_operator>());
  library.impl("_copy_from", torch::CppFunction::makeFromBoxedFunction<&copy>());
  library.impl("convolution_overrideable",
               torch::CppFunction::makeFromBoxedFunction<&convolution>());
  library.impl("convolution_backward_overrideable",
               torch::CppFunction::makeFromBoxedFunction<&convolution_backward>());
}

}  // namespace patina
