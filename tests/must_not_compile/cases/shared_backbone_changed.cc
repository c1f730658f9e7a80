// Who is lent a const backbone computes with it and reaches no weight of it.
#include "patina/models/backbone.h"

namespace patina::shared_backbone_changed {

#ifndef CONTROL
void zero(const Backbone& backbone) {
#else
void zero(Backbone& backbone) {
#endif
  nn::Walk walk([](const std::string&, Tensor& tensor) { tensor.zero_(); });
  backbone.walk(walk);  // expect: discards qualifiers|not marked const
}

}  // namespace patina::shared_backbone_changed
