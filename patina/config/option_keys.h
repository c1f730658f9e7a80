// The keys of options, for code that asks which there are instead of setting them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "patina/config/fields.h"

namespace patina {

struct OptionKey {
  std::string key;  // with its sections: "training.lr"
  bool is_list = false;
  std::optional<int64_t> whole;      // the value, if it is a whole number
  std::vector<std::string> choices;  // of a text; empty: any
};

/// The keys that `bind` describes, in its order.
std::vector<OptionKey> option_keys(const std::function<void(Fields&)>& bind);

/// Whether a key, with its sections or without, is that of a seed.
bool is_seed(std::string_view key);

}  // namespace patina
