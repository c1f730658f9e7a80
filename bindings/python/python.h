// The door to Python: pybind11 as PyTorch brings it, with tensors that are passed and not copied.
// An at::Tensor here and the torch.Tensor there are one object, with its gradients.
#pragma once

#include <torch/csrc/utils/pybind.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "patina/base/error.h"
#include "patina/base/work.h"

namespace patina::python {

namespace py = pybind11;

/// Deletes what may wait for threads that want Python's lock: without holding it.
struct Freely {
  template <class T>
  void operator()(T* object) const {
    const py::gil_scoped_release free;
    delete object;
  }
};
template <class T>
using Owned = std::unique_ptr<T, Freely>;

/// A Python object that is used, copied and let go by any thread, each time with Python's lock.
class Shared {
 public:
  explicit Shared(py::object object);
  /// With the lock held.
  const py::object& get() const { return *object_; }

 private:
  std::shared_ptr<py::object> object_;
};

/// The work of a call from Python: Ctrl-C stops it, its warnings are Python's, and its notes go to
/// the logger "patina".
class PythonWork : private Observer {
 public:
  PythonWork() : work_(this) {
    work_.should_stop = [this] { return interrupted(); };
  }
  Work* work() { return &work_; }
  /// Whether Ctrl-C was pressed. At most every 20 ms Python is asked.
  bool interrupted();
  /// Throws KeyboardInterrupt if that is why the work ended. With Python's lock held.
  void rethrow() const {
    if (interrupt_) throw *interrupt_;
  }

 private:
  void warning(std::string_view text) override;
  void note(std::string_view text) override;

  Work work_;
  std::optional<py::error_already_set> interrupt_;
  int64_t asked_ = 0;  // when, in ms
};

/// Calls `body(work)` without Python's lock.
template <class Body>
auto freely(Body&& body) {
  PythonWork work;
  try {
    const py::gil_scoped_release free;
    const WorkScope scope(work.work());
    return body(work);
  } catch (const Error&) {
    work.rethrow();
    throw;
  }
}

// What each file adds to the module.
void add_errors(py::module_& module);
void add_samples(py::module_& module);
void add_sessions(py::module_& module);
void add_runs(py::module_& module);
void add_learners(py::module_& module);

}  // namespace patina::python
