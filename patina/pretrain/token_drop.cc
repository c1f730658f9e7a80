#include "patina/pretrain/token_drop.h"

#include <algorithm>
#include <cmath>

#include "patina/ops.h"

namespace patina {

Tensor TokenDrop::tokens(int layer, Tensor x) {
  if (layer > 0) return x;
  const int64_t patches = x.size(1) - 1;
  auto kept = random_.permutation(patches);
  kept.resize(size_t(std::max<int64_t>(1, std::llround(keep_ * double(patches)))));
  for (auto& row : kept) ++row;
  kept.insert(kept.begin(), 0);
  return x.index_select(1, tensor_of(kept, x.device()));
}

}  // namespace patina
