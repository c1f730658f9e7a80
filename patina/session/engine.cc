#include "patina/session/engine.h"

#include <string>

#include "patina/base/error.h"
#include "patina/base/work.h"
#include "patina/kernels/isa.h"
#include "patina/place.h"

namespace patina {

void EngineOptions::bind(Fields& f) {
  f("kind", kind,
    "What computes the network's blocks. packed: patina's kernels, with frozen weights packed "
    "once. plain: LibTorch's operations, as a reference.",
    {"packed", "plain"});
  f("precision", precision,
    "Number format of matrix products; sums, norms and weights in training are fp32. auto: bf16 "
    "where that is faster, on processors with AMX and on AMD's with AVX512-BF16; on a GPU fp32. "
    "bf16 on a "
    "GPU is LibTorch's, with its fused attention.",
    {"auto", "fp32", "bf16"});
  f("device", device,
    "The device of the network and its learner: auto (the first GPU of LibTorch, otherwise the "
    "CPU), cpu, cuda, or cuda:1 for the second GPU.");
  FeatureStoreOptions::bind(f);
  f("image_cache_bytes", image_cache_bytes,
    "Bytes of memory for decoded images, after the resizing steps that are not random. 0: an image "
    "is decoded whenever it is read.",
    at_least(0));
}

namespace {

void warn_of_bf16() {
  warn(fmt::format(
      "engine.precision is bf16, but this processor ({}) computes faster in fp32, which "
      "\"auto\" would take",
      kernels::name(kernels::isa())));
}

}  // namespace

std::shared_ptr<const nn::Engine> make_engine(const EngineOptions& options) {
  const Place place = place_of(options.device);
  if (!place.on_host())
    return options.precision == "bf16" ? nn::library_engine() : nn::plain_engine();
  if (options.kind == "plain") {
    if (options.precision == "bf16")
      fail(ErrorKind::recipe,
           "engine.precision is bf16, but the plain engine computes in fp32: set engine.kind to "
           "packed");
    return nn::plain_engine();
  }
  const bool faster = kernels::bf16_is_faster();
  const bool bf16 = options.precision == "bf16" || (options.precision == "auto" && faster);
  if (bf16 && !faster) warn_of_bf16();
  return nn::packed_engine(bf16 ? nn::Precision::bf16 : nn::Precision::fp32);
}

}  // namespace patina
