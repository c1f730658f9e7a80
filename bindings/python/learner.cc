// Learners that are written in Python: each call of the library becomes a call of the Python
// object, under Python's lock and with the tensors themselves. What Python raises goes through the
// library to whoever called it.
#include <algorithm>
#include <string_view>
#include <variant>
#include <vector>

#include "bindings/python/python.h"
#include "patina/base/json.h"
#include "patina/checkpoint/archive.h"
#include "patina/config/recipe_file.h"
#include "patina/learners/add_learner.h"
#include "patina/learners/two_tower/fusion_learner.h"
#include "patina/ops.h"
#include "patina/session/session_json.h"

namespace patina::python {

namespace {

// What a Python learner may do while it is called, and its backbone for as long as it lives.
// A pointer is null where that is over.
struct Lent {
  Backbone* backbone = nullptr;
  Seeds seeds;

  Backbone& own() const {
    PATINA_REQUIRE(backbone,
                   "the session or run of this learner has ended, and its backbone with it");
    return *backbone;
  }
};

struct TaskView {
  Task task;
  Trainer* trainer = nullptr;
  std::shared_ptr<Lent> lent;

  py::tuple features() const {
    PATINA_REQUIRE(trainer && task.train,
                   "a task's samples can be read while the learner is told of the task, and in "
                   "streams that allow to read them again");
    FeatureSet set = [&] {
      const py::gil_scoped_release free;
      return trainer->features(lent->own(), *task.train);
    }();
    return py::make_tuple(set.features, set.targets);
  }
};

// A batch while a learner is called with it: pixels are decoded when they are read, by what ends
// with the session or run.
struct BatchView {
  std::optional<Input> input;  // none: the call has ended
  Tensor target;               // undefined where the learner is asked

  Input& read() {
    PATINA_REQUIRE(input,
                   "a batch can be read while the learner is called with it: keep its tensors");
    return *input;
  }
  Tensor pixels() {
    Input& own = read();
    if (own.is_text()) return {};
    own.data = own.pixels();
    return own.data;
  }
};

using Value = std::variant<bool, int64_t, double, std::string, std::vector<int64_t>,
                           std::vector<double>, std::vector<std::string>>;

struct PythonOptions : LearnerOptions {
  struct Field {
    std::string name, help;
    Value value;
  };
  std::vector<Field> fields;

  void bind(Fields& f) override {
    for (auto& field : fields)
      std::visit([&](auto& value) { f(field.name, value, field.help); }, field.value);
  }
  py::dict values() const {
    py::dict all;
    for (const auto& field : fields) all[py::str(field.name)] = py::cast(field.value);
    return all;
  }
};

class PythonLearner : public Learner {
 public:
  PythonLearner(const Setup& setup, const PythonOptions& options, const Shared& type)
      : lent_(std::make_shared<Lent>(Lent{&setup.backbone, setup.seeds})), self_([&] {
          const py::gil_scoped_acquire lock;
          return Shared(type.get()(lent_, options.values()));
        }()) {}
  ~PythonLearner() override { lent_->backbone = nullptr; }

  Tensor loss(const Batch& batch, const Step& step) override {
    const py::gil_scoped_acquire lock;
    const auto loss = tensor(call_with(batch.input, batch.target, "loss", step), "loss");
    if (loss.numel() != 1)
      fail(ErrorKind::usage, "{}.loss returns a number, and this is {}", name(),
           shape_text(loss.sizes()));
    return loss.reshape({});
  }

  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    const py::gil_scoped_acquire lock;
    const auto scores = tensor(call_with(asked.input, {}, "scores"), "scores");
    if (scores.dim() != 2 || scores.size(0) != asked.size())
      fail(ErrorKind::usage, "{}.scores returns a row of scores a sample, [{},K], and this is {}",
           name(), asked.size(), shape_text(scores.sizes()));
    return scores.detach();
  }

  std::vector<ParamGroup> trainable() override {
    const py::gil_scoped_acquire lock;
    std::vector<ParamGroup> groups;
    ParamGroup own;
    for (const py::handle item : call("trainable")) {
      if (py::isinstance<py::tuple>(item)) {
        const auto [tensors, factor] = item.cast<std::pair<std::vector<Tensor>, double>>();
        groups.push_back({.tensors = tensors, .lr_factor = factor});
      } else {
        own.tensors.push_back(tensor(py::reinterpret_borrow<py::object>(item), "trainable"));
      }
    }
    if (!own.tensors.empty() || groups.empty()) groups.insert(groups.begin(), own);
    return groups;
  }

  // Tensors under their names, with whether each is trained, and everything else as one JSON.
  void state(Archive& a) override {
    const py::gil_scoped_acquire lock;
    if (a.loading()) return load(a);
    Json tensors = Json::object();
    py::dict others;
    for (const auto& [key, value] : call("state").cast<py::dict>()) {
      const auto name = key.cast<std::string>();
      if (!is_tensor(value)) {
        others[key] = value;
        continue;
      }
      Tensor kept = value.cast<Tensor>();
      tensors[name] = kept.requires_grad();
      kept = kept.detach();
      a("tensor." + name, kept);
    }
    a("tensors", tensors);
    Json rest = parse_json(json("dumps", others).cast<std::string>(), name() + ".state");
    a("values", rest);
  }

  void begin_task(const Task& task, Trainer& trainer) override {
    tell("begin_task", task, &trainer);
  }
  void end_task(const Task& task, Trainer& trainer) override { tell("end_task", task, &trainer); }
  void begin_classes(int64_t fresh) override {
    const py::gil_scoped_acquire lock;
    call("begin_classes", fresh);
  }
  void fit(const Task& task, Trainer& trainer) override {
    const bool closed_form = [&] {
      const py::gil_scoped_acquire lock;
      return self_.get().attr("_fits").cast<bool>();
    }();
    if (closed_form)
      tell("fit", task, &trainer);
    else
      Learner::fit(task, trainer);
  }
  void after_backward(const Step& step) override {
    const py::gil_scoped_acquire lock;
    call("after_backward", step);
  }
  void after_step(const Batch& batch, const Step& step) override {
    const py::gil_scoped_acquire lock;
    call_with(batch.input, batch.target, "after_step", step);
  }
  void forget(int64_t target) override {
    const py::gil_scoped_acquire lock;
    if (!self_.get().attr("_forgets").cast<bool>()) return Learner::forget(target);
    call("forget", target);
  }

 private:
  template <class... Args>
  py::object call(const char* function, Args&&... args) const {
    return self_.get().attr(function)(std::forward<Args>(args)...);
  }
  template <class... Args>
  py::object call_with(const Input& input, const Tensor& target, const char* function,
                       Args&&... args) const {
    const auto batch = std::make_shared<BatchView>(BatchView{input, target});
    const Finally over([&] { batch->input.reset(); });
    return call(function, batch, std::forward<Args>(args)...);
  }
  static py::object json(const char* function, const py::object& value) {
    return py::module_::import("json").attr(function)(value);
  }
  static bool is_tensor(py::handle value) {
    return py::detail::make_caster<Tensor>().load(value, false);
  }
  std::string name() const {
    const py::gil_scoped_acquire lock;
    return py::type::of(self_.get()).attr("__name__").cast<std::string>();
  }
  Tensor tensor(const py::object& value, const char* of) const {
    if (!is_tensor(value))
      fail(ErrorKind::usage, "{}.{} returns a torch.Tensor, and not {}", name(), of,
           py::type::of(value).attr("__name__").cast<std::string>());
    return value.cast<Tensor>();
  }

  void tell(const char* function, const Task& task, Trainer* trainer) {
    const py::gil_scoped_acquire lock;
    const auto view = std::make_shared<TaskView>(TaskView{task, trainer, lent_});
    const Finally over([&] { view->trainer = nullptr; });
    call(function, view);
  }

  void load(Archive& a) {
    Json tensors, rest;
    a("tensors", tensors);
    a("values", rest);
    py::dict all = json("loads", py::str(rest.dump()));
    for (const auto& [key, trained] : tensors.items()) {
      Tensor kept;
      a("tensor." + key, kept);
      all[py::str(key)] = kept.requires_grad_(trained.get<bool>());
    }
    call("load_state", all);
  }

  std::shared_ptr<Lent> lent_;
  Shared self_;
};

constexpr std::pair<const char*, bool Grant::*> kNeeds[] = {
    {"task_id_at_train", &Grant::task_id_at_train},
    {"task_id_at_test", &Grant::task_id_at_test},
    {"boundaries", &Grant::boundaries},
    {"many_passes", &Grant::many_passes},
    {"new_classes", &Grant::new_classes},
    {"past_data", &Grant::past_data}};

Grant needs_of(const std::vector<std::string>& names) {
  Grant needs;
  for (const auto& name : names) {
    const auto known =
        std::ranges::find_if(kNeeds, [&](const auto& need) { return need.first == name; });
    PATINA_REQUIRE(known != std::end(kNeeds), "\"{}\" is nothing that a learner can need", name);
    needs.*known->second = true;
  }
  return needs;
}

Network network_of(const std::string& name) {
  for (const Network& network : {Network::any, Network::transformer, Network::decoder,
                                 Network::clip, Network::mlp, kQuestions})
    if (network.name == name) return network;
  fail(ErrorKind::usage,
       "network is \"{}\"; it is any, transformer, decoder, clip, mlp or questions", name);
}

TrainingOptions training_of(const std::string& json) {
  TrainingOptions training;
  auto file =
      RecipeFile::parse("", "the learner's training", settings_of(parse_json(json, "training")));
  file.bind(training);
  file.finish();
  return training;
}

void add(const py::object& type, const std::string& training) {
  const auto text = [&](const char* attribute) { return type.attr(attribute).cast<std::string>(); };
  PythonOptions options;
  for (const auto& [key, value] : type.attr("options").cast<py::dict>()) {
    const bool helped = py::isinstance<py::tuple>(value);
    const auto [initial, help] =
        helped ? value.cast<std::pair<py::object, std::string>>()
               : std::pair(py::reinterpret_borrow<py::object>(value), std::string());
    options.fields.push_back({key.cast<std::string>(), help, initial.cast<Value>()});
  }
  LearnerRow row{.name = text("name"),
                 .family = "python",
                 .paper = text("paper"),
                 .about = text("about"),
                 .stores = text("stores"),
                 .needs = needs_of(type.attr("needs").cast<std::vector<std::string>>()),
                 .network = network_of(text("network")),
                 .training = training_of(training)};
  row.options = [options] { return std::make_unique<PythonOptions>(options); };
  row.make = [shared = Shared(type)](Setup setup, const LearnerOptions& given) {
    return std::make_unique<PythonLearner>(setup, static_cast<const PythonOptions&>(given), shared);
  };
  add_learner(std::move(row));
}

}  // namespace

void add_learners(py::module_& module) {
  py::class_<Step>(module, "Step")
      .def_readonly("epoch", &Step::epoch)
      .def_readonly("epochs", &Step::epochs)
      .def_readonly("step", &Step::step)
      .def_readonly("steps", &Step::steps)
      .def_readonly("taken", &Step::taken)
      .def_readonly("rate", &Step::rate);
  py::class_<BatchView, std::shared_ptr<BatchView>>(module, "Batch")
      .def("__len__", [](BatchView& batch) { return batch.read().size(); })
      .def_property_readonly("pixels",
                             [](BatchView& batch) {
                               const py::gil_scoped_release free;
                               return batch.pixels();
                             })
      .def_property_readonly(
          "ids",
          [](BatchView& batch) { return batch.read().is_text() ? batch.read().data : Tensor(); })
      .def_property_readonly("mask", [](BatchView& batch) { return batch.read().mask; })
      .def_readonly("target", &BatchView::target);
  py::class_<TaskView, std::shared_ptr<TaskView>>(module, "Task")
      .def_property_readonly("index", [](const TaskView& view) { return view.task.index; })
      .def_property_readonly("classes", [](const TaskView& view) { return view.task.classes; })
      .def_property_readonly("fresh", [](const TaskView& view) { return view.task.fresh; })
      .def_property_readonly("seen", [](const TaskView& view) { return view.task.seen; })
      .def_property_readonly("names", [](const TaskView& view) { return view.task.names; })
      .def("features", &TaskView::features);
  py::class_<Lent, std::shared_ptr<Lent>>(module, "Lent")
      .def_property_readonly("width", [](const Lent& lent) { return lent.own().width(); })
      .def_property_readonly("about", [](const Lent& lent) { return lent.own().about(); })
      .def("features",
           [](const Lent& lent, BatchView& batch) {
             const py::gil_scoped_release free;
             return lent.own().features(batch.read());
           })
      .def("tokens",
           [](const Lent& lent, BatchView& batch) {
             const py::gil_scoped_release free;
             return lent.own().tokens(batch.read());
           })
      .def("seed", [](const Lent& lent, const std::string& name, uint64_t number) {
        return lent.seeds(name, number).bits();
      });
  module.def("add_learner", add);
}

}  // namespace patina::python
