// Who wants to hear the loss of every gradient step that the trainer takes: a run that writes it
// down.
#pragma once

#include <cstdint>
#include <functional>

namespace patina {

/// Hears of the gradient steps of this thread during the scope.
class LossScope {
 public:
  /// `step`: steps taken before, in the whole stream.
  using Hear = std::function<void(int64_t step, double loss)>;

  explicit LossScope(Hear hear);
  ~LossScope();
  LossScope(const LossScope&) = delete;
  LossScope& operator=(const LossScope&) = delete;

 private:
  friend void tell_loss(int64_t step, double loss);
  Hear hear_;
  LossScope* before_;
};

/// Tells the innermost scope of this thread, if any.
void tell_loss(int64_t step, double loss);

}  // namespace patina
