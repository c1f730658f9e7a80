// Samples that come from Python: tensors, files, texts, and data sets that Python reads.
#pragma once

#include <memory>

#include "bindings/python/python.h"
#include "patina/data/source.h"

namespace patina::python {

/// A source, and whether its labels mean something.
struct Samples {
  std::shared_ptr<const Source> source;
  bool labelled = false;
};

/// The source of samples with labels. Throws Error(usage) if they have none.
std::shared_ptr<const Source> labelled(const Samples& samples);

}  // namespace patina::python
