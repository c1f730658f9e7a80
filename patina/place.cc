#include "patina/place.h"

#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <fmt/ranges.h>

#include <charconv>

#include "patina/base/error.h"

namespace patina {

namespace {

// The devices that can be asked for by name. LibTorch registers a guard for each that it supports.
constexpr at::DeviceType kBesideHost[] = {at::kCUDA, at::DeviceType::PrivateUse1};

int count(at::DeviceType type) {
  if (!c10::impl::hasDeviceGuardImpl(type)) return 0;
  return c10::impl::getDeviceGuardImpl(type)->deviceCount();
}

std::string name(at::DeviceType type) {
  return at::Device(type).str();
}

}  // namespace

std::vector<std::string> devices() {
  std::vector<std::string> all = {"cpu"};
  for (const auto type : kBesideHost)
    for (int i = 0; i < count(type); ++i) all.push_back(fmt::format("{}:{}", name(type), i));
  return all;
}

Place place_of(std::string_view text) {
  if (text == "cpu") return {};
  if (text == "auto") {
    if (count(at::kCUDA) > 0) return {.device = {at::kCUDA, 0}};
    return {};
  }
  const size_t colon = text.find(':');
  const std::string_view digits = colon == std::string_view::npos ? "0" : text.substr(colon + 1);
  int index = -1;
  const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  const bool number = end.ec == std::errc() && end.ptr == digits.data() + digits.size();
  for (const auto type : kBesideHost)
    if (number && index >= 0 && text.substr(0, colon) == name(type) && index < count(type))
      return {.device = {type, at::DeviceIndex(index)}};
  const auto here = devices();
  fail(ErrorKind::recipe, "there is no device \"{}\": here {} {}", text,
       here.size() == 1 ? "is" : "are", fmt::join(here, ", "));
}

Place place_of(const Tensor& t) {
  return {.device = t.device(), .dtype = t.is_floating_point() ? t.scalar_type() : at::kFloat};
}

Tensor on_host(const Tensor& t) {
  return on(at::kCPU, t);
}

Tensor on(const at::Device& device, const Tensor& t) {
  return t.defined() ? t.to(device) : t;
}

}  // namespace patina
