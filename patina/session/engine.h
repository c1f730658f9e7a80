// `[engine]`: how a run computes, and which results it caches.
#pragma once

#include <memory>
#include <string>

#include "patina/config/fields.h"
#include "patina/nn/engine.h"
#include "patina/store/feature_store.h"

namespace patina {

struct EngineOptions : FeatureStoreOptions {
  std::string kind = "packed";
  std::string precision = "auto";
  int64_t image_cache_bytes = int64_t{1} << 30;
  std::string device = "auto";

  void bind(Fields& f);
};

/// The engine of that kind. Precision "auto" means bf16 if kernels::bf16_is_faster(), otherwise
/// fp32. Throws Error(recipe) for the plain engine in bf16, which does not exist, and for a
/// device that is not there. On other devices than the CPU it is always the plain engine.
std::shared_ptr<const nn::Engine> make_engine(const EngineOptions& options);

}  // namespace patina
