#include "patina/text/chat/arguments.h"

#include <algorithm>

#include "patina/text/chat/source.h"

namespace patina::chat {

std::vector<const Value*> Arguments::bind(std::string_view what,
                                          std::initializer_list<std::string_view> parameters,
                                          size_t needed) const {
  if (positional.size() > parameters.size())
    wrong("{} takes {} arguments, not {}", what, parameters.size(), positional.size());
  std::vector<const Value*> bound(parameters.size(), nullptr);
  for (size_t i = 0; i < positional.size(); ++i) bound[i] = &positional[i];
  for (const auto& [name, value] : named) {
    const auto* const at = std::find(parameters.begin(), parameters.end(), name);
    if (at == parameters.end()) wrong("{} has no argument \"{}\"", what, name);
    const Value*& place = bound[size_t(at - parameters.begin())];
    if (place) wrong("{} is given the argument \"{}\" twice", what, name);
    place = &value;
  }
  for (size_t i = 0; i < needed; ++i)
    if (!bound[i]) wrong("{} needs the argument \"{}\"", what, *(parameters.begin() + i));
  return bound;
}

Arguments Arguments::from(size_t begin) const {
  Arguments rest{.positional = {}, .named = named};
  if (begin < positional.size())
    rest.positional.assign(positional.begin() + std::ptrdiff_t(begin), positional.end());
  return rest;
}

}  // namespace patina::chat
