// An option is of a type that a recipe can hold; another is not converted in silence.
#include "patina/config/fields.h"

namespace patina::option_of_another_type {

struct Options {
#ifndef CONTROL
  float lr = 0.1f;
  int epochs = 1;
#else
  double lr = 0.1;
  int64_t epochs = 1;
#endif
  void bind(Fields& f) {
    f("lr", lr, "Learning rate.");                // expect: no match for call|no matching function
    f("epochs", epochs, "Epochs.", at_least(1));  // expect: no match for call|no matching function
  }
};

}  // namespace patina::option_of_another_type
