// A loader owns batches on their way, so there is one of it.
#include "patina/data/dataset.h"

namespace patina::loader_copied {

void twice(Loader& loader) {
#ifndef CONTROL
  Loader copy = loader;  // expect: use of deleted function|call to deleted constructor
#else
  Loader& copy = loader;
#endif
  copy.seek(0);
}

}  // namespace patina::loader_copied
