#include "patina/learners/isolation/layer_weights.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace patina {

bool is_layer_weight(const nn::NamedTensor& item) {
  constexpr std::array<std::string_view, 6> kTables = {"cls_token", "pos_embed", "embed",
                                                       "position",  "type",      "relative"};
  std::string_view name = item.name;
  if (name.ends_with(".weight")) name.remove_suffix(std::string_view(".weight").size());
  name.remove_prefix(name.rfind('.') + 1);
  return item.learned && item.tensor.dim() >= 2 && std::ranges::count(kTables, name) == 0;
}

}  // namespace patina
