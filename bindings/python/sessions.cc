// Session and Backbone for Python. Options are JSON texts, which the Python files make of keywords.
#include <algorithm>
#include <vector>

#include "bindings/python/samples.h"
#include "patina/base/json.h"
#include "patina/models/two_tower/fused_towers.h"
#include "patina/ops.h"
#include "patina/session/feed.h"
#include "patina/session/session_json.h"

namespace patina::python {

namespace {

Json options_of(const std::string& text) {
  return parse_json(text, "the options");
}

// A backbone with what it takes to compute features.
struct OwnBackbone {
  std::unique_ptr<Backbone> backbone;
  ThreadPool pool = ThreadPool();
};

Owned<Session> owned(Session session) {
  return Owned<Session>(new Session(std::move(session)));
}

// (numbers [N,top], scores [N,top], names of the numbers)
py::tuple predict(const Session& session, const Samples& samples, int64_t top, int64_t task) {
  const auto all = freely(
      [&](PythonWork&) { return session.predict(*samples.source, {.top = top, .task = task}); });
  const auto columns = int64_t(all.empty() ? 0 : all.front().size());
  Tensor numbers = at::empty({int64_t(all.size()), columns}, at::kLong);
  Tensor scores = at::empty({int64_t(all.size()), columns}, at::kDouble);
  int64_t* number = numbers.data_ptr<int64_t>();
  auto* score = scores.data_ptr<double>();
  py::dict names;
  for (const auto& one : all)
    for (const auto& each : one) {
      *number++ = each.number, *score++ = each.score;
      names[py::int_(each.number)] = each.name;
    }
  return py::make_tuple(numbers, scores, names);
}

py::dict eval(const Session& session, const Samples& samples, int64_t task) {
  const Assessment found =
      freely([&](PythonWork&) { return session.eval(*labelled(samples), task); });
  py::list classes;
  for (const auto& one : found.classes)
    classes.append(py::dict(py::arg("name") = one.name, py::arg("known") = one.known,
                            py::arg("samples") = one.samples, py::arg("right") = one.right,
                            py::arg("predicted") = one.predicted));
  return py::dict(py::arg("samples") = found.samples, py::arg("right") = found.right,
                  py::arg("classes") = classes, py::arg("answers") = found.answers);
}

py::list answers(const Session& session, const Samples& samples, const std::string& options) {
  const auto all = freely([&](PythonWork&) {
    return session.answer(*samples.source, answer_options(options_of(options)));
  });
  py::list list;
  for (const auto& one : all)
    list.append(py::dict(py::arg("text") = one.text, py::arg("tokens") = one.tokens,
                         py::arg("prompt_tokens") = one.prompt_tokens,
                         py::arg("ended") = one.ended));
  return list;
}

}  // namespace

void add_sessions(py::module_& module) {
  py::class_<OwnBackbone, Owned<OwnBackbone>>(module, "Backbone")
      .def(py::init([](const std::string& options) {
        return freely([&](PythonWork&) {
          return Owned<OwnBackbone>(new OwnBackbone{create_backbone(options_of(options))});
        });
      }))
      .def_property_readonly("width", [](const OwnBackbone& n) { return n.backbone->width(); })
      .def_property_readonly("about", [](const OwnBackbone& n) { return n.backbone->about(); })
      .def_property_readonly("texts",
                             [](const OwnBackbone& n) {
                               return !n.backbone->image_input() || reads_questions(*n.backbone);
                             })
      .def("features", [](OwnBackbone& network, const Samples& samples, int64_t batch) {
        PATINA_REQUIRE(batch >= 1, "batch is {}; it must be 1 or more", batch);
        return freely([&](PythonWork&) {
          const auto feed = make_feed(*network.backbone, *samples.source);
          return features_of(*network.backbone, *feed, *samples.source, network.pool, batch);
        });
      });
  py::class_<Session, Owned<Session>>(module, "Session")
      .def_static(
          "create",
          [](const std::string& options) {
            return freely([&](PythonWork&) { return owned(create_session(options_of(options))); });
          })
      .def_static("create_on",
                  [](const OwnBackbone& network, const std::string& options) {
                    return freely([&](PythonWork&) {
                      return owned(create_session(network.backbone->clone(), options_of(options)));
                    });
                  })
      .def_static("open",
                  [](const std::string& path, const std::string& options) {
                    return freely([&](PythonWork&) {
                      return owned(open_session(path, options_of(options)));
                    });
                  })
      .def("learn",
           [](Session& session, const Samples& samples, const std::string& name) {
             freely([&](PythonWork&) { session.learn(labelled(samples), name); });
           })
      .def("forget",
           [](Session& session, const std::string& name) {
             freely([&](PythonWork&) { session.forget(name); });
           })
      .def("predict", predict)
      .def("eval", eval)
      .def("answer", answers)
      .def("save",
           [](const Session& session, const std::string& path, const std::string& options) {
             freely([&](PythonWork&) { session.save(path, save_options(options_of(options))); });
           })
      .def("export",
           [](const Session& session, const std::string& folder, const std::string& to,
              const std::string& dtype) {
             return freely([&](PythonWork&) {
               return session.export_to(folder, {.to = to, .dtype = dtype}).files;
             });
           })
      .def_property_readonly("classes", &Session::classes)
      .def_property_readonly("tasks", &Session::tasks)
      .def_property_readonly("task_names", &Session::task_names)
      .def_property_readonly("learner", &Session::learner)
      .def_property_readonly("about", &Session::about)
      .def_property_readonly("texts", &Session::reads_texts)
      .def_property_readonly("answers", &Session::answers);
}

}  // namespace patina::python
