// The module patina._core: what the Python files beside it are written on.
#include <chrono>

#include "bindings/python/python.h"
#include "patina/tensor.h"
#include "patina/version.h"

namespace patina::python {

Shared::Shared(py::object object)
    : object_(new py::object(std::move(object)), [](py::object* owned) {
        if (!Py_IsInitialized()) return;  // with the interpreter its objects have ended
        const py::gil_scoped_acquire lock;
        delete owned;
      }) {}

bool PythonWork::interrupted() {
  if (interrupt_) return true;
  constexpr int64_t kInterval = 20;
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const int64_t ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  if (ms - asked_ < kInterval) return false;
  asked_ = ms;
  const py::gil_scoped_acquire lock;
  if (PyErr_CheckSignals() == 0) return false;
  interrupt_.emplace();
  return true;
}

void PythonWork::warning(std::string_view text) {
  const py::gil_scoped_acquire lock;
  // Where warnings are errors there is no place to raise it from: it is printed.
  if (PyErr_WarnEx(PyExc_UserWarning, std::string(text).c_str(), 1) != 0)
    PyErr_WriteUnraisable(nullptr);
}

void PythonWork::note(std::string_view text) {
  const py::gil_scoped_acquire lock;
  try {
    py::module_::import("logging").attr("getLogger")("patina").attr("info")("%s",
                                                                            std::string(text));
  } catch (py::error_already_set& error) {
    error.discard_as_unraisable("patina's note");
  }
}

void add_errors(py::module_& module) {
  static PyObject* type = nullptr;
  type = PyErr_NewExceptionWithDoc(
      "patina.Error",
      "A mistake in the use of patina. The message says what was wrong and what to do;\n"
      "`kind` is one of usage, recipe, file, format, data, model, scenario, state, stopped.",
      nullptr, nullptr);
  if (!type) throw py::error_already_set();
  module.add_object("Error", py::reinterpret_steal<py::object>(type));
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      std::rethrow_exception(thrown);
    } catch (const Error& error) {
      py::object made = py::reinterpret_borrow<py::object>(type)(error.what());
      made.attr("kind") = std::string(name(error.kind()));
      PyErr_SetObject(type, made.ptr());
    }
  });
}

}  // namespace patina::python

PYBIND11_MODULE(_core, module) {
  module.attr("version") = patina::kVersion;
  module.attr("torch_version") = patina::libtorch_version();
  patina::python::add_errors(module);
  patina::python::add_samples(module);
  patina::python::add_sessions(module);
  patina::python::add_runs(module);
  patina::python::add_learners(module);
}
