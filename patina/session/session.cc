#include "patina/session/session.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <numeric>
#include <set>

#include "patina/base/error.h"
#include "patina/checkpoint/load.h"
#include "patina/config/recipe_file.h"
#include "patina/data/sample_access.h"
#include "patina/ops.h"
#include "patina/session/artefact.h"
#include "patina/session/exporting.h"
#include "patina/session/rig.h"
#include "patina/session/sources.h"

namespace patina {

namespace {

constexpr int64_t kBatch = 128;  // samples per batch of predictions
constexpr Grant kClassIncremental{
    .task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true};

bool trains(const Backbone& backbone) {
  const auto tensors = nn::tensors(const_cast<Backbone&>(backbone));  // a walk that changes nothing
  return std::ranges::any_of(tensors, [](const auto& t) { return t.tensor.requires_grad(); });
}

std::string weights_hash(const Backbone& backbone) {
  return content_hash(nn::tensors(const_cast<Backbone&>(backbone)));
}

}  // namespace

struct Session::State {
  /// The state that readers use: immutable once published.
  struct Model {
    std::shared_ptr<Backbone> backbone;
    std::shared_ptr<const LearnedSources> samples;
    std::unique_ptr<Rig> rig;
    std::vector<std::string> classes;
    std::vector<int64_t> class_of_column, task_of_class;
    int64_t tasks = 0;

    int64_t number_of(const std::string& name) const {
      const auto at = std::ranges::find(classes, name);
      return at == classes.end() ? -1 : at - classes.begin();
    }
  };

  std::shared_ptr<SessionRecipe> recipe;
  Grant grant = kClassIncremental;
  std::string hash;              // of the backbone's weights before any learning
  bool in_memory = false;        // the backbone was passed as an object
  bool trains_backbone = false;  // otherwise all models share one backbone
  bool samples_lost = false;     // the samples of earlier tasks are not available
  int data_threads = 0;
  std::shared_ptr<ImageCache> images;
  std::shared_ptr<Observer> observer;

  std::mutex learning;
  mutable std::mutex publishing;
  std::shared_ptr<const Model> published;

  std::shared_ptr<const Model> model() const {
    const std::lock_guard lock(publishing);
    return published;
  }
  void publish(std::shared_ptr<const Model> next) {
    const std::lock_guard lock(publishing);
    published = std::move(next);
  }

  const LearnerRow& row() const { return recipe->learner.row(); }

  std::unique_ptr<Rig> rig_on(Backbone& backbone, const Source& samples) const {
    if (row().generates)
      fail(ErrorKind::usage, "a session has classes, and {} answers with text: use `patina run`",
           row().name);
    return std::make_unique<Rig>(backbone, samples, samples,
                                 RigOptions{.row = &row(),
                                            .learner = recipe->learner.options.get(),
                                            .training = recipe->training,
                                            .seeds = Seeds(uint64_t(recipe->seed)),
                                            .grant = grant,
                                            .train_transform = recipe->train_transform,
                                            .test_transform = recipe->test_transform,
                                            .text = recipe->text,
                                            .images = images,
                                            .data_threads = data_threads});
  }

  /// A copy of `from` that may be changed, with `samples`.
  std::shared_ptr<Model> copied(const Model& from,
                                std::shared_ptr<const LearnedSources> samples) const {
    auto next = std::make_shared<Model>();
    next->backbone = trains_backbone ? from.backbone->clone() : from.backbone;
    next->samples = std::move(samples);
    next->rig = rig_on(*next->backbone, *next->samples);
    next->classes = from.classes;
    next->class_of_column = from.class_of_column;
    next->task_of_class = from.task_of_class;
    next->tasks = from.tasks;
    Archive archive;
    // Saving only reads; the interface is the same for saving and loading.
    archive("learner", const_cast<Rig&>(*from.rig).learner());
    archive("trainer", const_cast<Rig&>(*from.rig).trainer());
    Archive state = std::move(archive).reopened();
    next->rig->learner_state(state);
    state("trainer", next->rig->trainer());
    return next;
  }

  void learn(const std::shared_ptr<const Source>& source);
  std::vector<Tensor> scores(const Model& model, const Source& source, int64_t task) const;
  std::vector<std::vector<Prediction>> predict(const Source& source,
                                               const PredictOptions& options) const;
};

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

namespace {

/// One call of a session, with its own accounting of work.
class Call {
 public:
  explicit Call(const std::shared_ptr<Observer>& observer)
      : work_(observer         ? observer.get()
              : current_work() ? current_work()->observer
                               : nullptr),
        scope_(&work_) {}

 private:
  Work work_;
  WorkScope scope_;
};

void prepare(Backbone& backbone, const EngineOptions& engine, bool cache) {
  backbone.to(place_of(engine.device));
  backbone.set_engine(make_engine(engine));
  if (cache) backbone.set_cache(std::make_shared<FeatureStore>(engine));
}

}  // namespace

Session Session::create(std::unique_ptr<Backbone> backbone, const SessionOptions& options) {
  const Call call(options.observer);
  if (!backbone) fail(ErrorKind::usage, "a session needs a backbone, and this one is null");
  if (options.seed < 0) fail(ErrorKind::usage, "seed is {}; it must not be negative", options.seed);
  std::vector<std::string> settings = {
      fmt::format("seed={}", options.seed),
      Setting("name", options.learner).text("learner"),
  };
  for (const auto& setting : options.options) settings.push_back(setting.text("learner"));
  for (const auto& setting : options.training) settings.push_back(setting.text("training"));
  settings.insert(settings.end(), options.overrides.begin(), options.overrides.end());
  auto state = std::make_unique<State>();
  auto given = std::make_shared<SessionRecipe>();
  given->train_transform = options.train_transform;
  given->test_transform = options.test_transform;
  given->text = options.text;
  state->recipe = completed(given, "", settings, "the session's options");
  SessionRecipe& recipe = *state->recipe;
  state->in_memory = !take_origin(recipe.model, *backbone);
  state->hash = weights_hash(*backbone);
  state->data_threads = options.data_threads;
  state->observer = options.observer;
  state->images =
      std::make_shared<ImageCache>(options.cache ? options.engine.image_cache_bytes : 0);
  prepare(*backbone, options.engine, options.cache);

  auto model = std::make_shared<State::Model>();
  model->backbone = std::move(backbone);
  model->samples = std::make_shared<LearnedSources>(!model->backbone->image_input());
  model->rig = state->rig_on(*model->backbone, *model->samples);
  state->trains_backbone = trains(*model->backbone);
  state->publish(std::move(model));
  return Session(std::move(state));
}

Session Session::open(const fs::path& path, OpenOptions options) {
  const Call call(options.observer);
  Archive archive = Archive::read(path);
  if (!archive.tensors().contains("artefact.recipe"))
    fail(ErrorKind::state,
         "{}: not an artefact: name a run's model.patina or a file made by `patina learn`",
         path.string());
  Artefact artefact;
  with_context(path.string(), [&] { archive("artefact", artefact); });
  auto state = std::make_unique<State>();
  state->recipe = completed(std::make_shared<SessionRecipe>(), artefact.recipe, {}, path.string());
  SessionRecipe& recipe = *state->recipe;
  if (!options.weights.empty())
    (recipe.model.path.empty() && recipe.model.name != "starter" ? recipe.model.name
                                                                 : recipe.model.path) =
        options.weights;

  std::unique_ptr<Backbone> backbone = std::move(options.backbone);
  const bool embedded = !backbone && artefact.embedded;
  if (embedded) {
    Tensor weights;
    archive("weights", weights);
    if (!weights.defined() || weights.scalar_type() != at::kByte)
      fail(ErrorKind::state, "{}: the embedded network is missing", path.string());
    backbone = open_model({weights.data_ptr<uint8_t>(), size_t(weights.numel())}, path.string());
  } else if (!backbone) {
    if (artefact.in_memory && options.weights.empty())
      fail(ErrorKind::state,
           "{}: its backbone ({}) was passed in memory by a program: pass it again in "
           "OpenOptions::backbone, or make the artefact with SaveOptions::with_backbone",
           path.string(), artefact.backbone);
    backbone = load_backbone(recipe.model);
  }
  if (!embedded && weights_hash(*backbone) != artefact.hash)
    fail(ErrorKind::state, "{}: it was made on another network ({}) than this one ({})",
         path.string(), artefact.backbone, backbone->about());

  state->grant = artefact.grant;
  state->hash = artefact.hash;
  state->in_memory = artefact.in_memory;
  state->samples_lost = artefact.tasks > 0;
  state->data_threads = options.data_threads;
  state->observer = options.observer;
  state->images =
      std::make_shared<ImageCache>(options.cache ? options.engine.image_cache_bytes : 0);
  prepare(*backbone, options.engine, options.cache);
  auto model = std::make_shared<State::Model>();
  model->backbone = std::move(backbone);
  model->samples = std::make_shared<LearnedSources>(artefact.is_text, artefact.samples);
  model->rig = state->rig_on(*model->backbone, *model->samples);
  state->trains_backbone = trains(*model->backbone);
  model->classes = artefact.classes;
  model->class_of_column = artefact.class_of_column;
  model->task_of_class = artefact.task_of_class;
  model->tasks = artefact.tasks;
  with_context(path.string(), [&] {
    model->rig->learner_state(archive);
    archive("trainer", model->rig->trainer());
  });
  if (model->tasks > 0) model->rig->learner().before_scores(model->rig->trainer());
  state->publish(std::move(model));
  return Session(std::move(state));
}

void Session::State::learn(const std::shared_ptr<const Source>& source) {
  const Call call(observer);
  if (!source) fail(ErrorKind::usage, "there is nothing to learn from: the source is null");
  const std::lock_guard alone(learning);
  const auto before = model();
  if (row().keeps_samples && samples_lost)
    fail(ErrorKind::usage,
         "{} replays samples of earlier tasks, and an artefact does not hold them: learn with "
         "another method, or all in one session",
         row().name);
  if (before->class_of_column.size() != before->classes.size())
    fail(ErrorKind::usage,
         "this artefact tells the classes of every domain apart, and a session cannot add to it: "
         "learn more domains in a run");
  if (source->size() == 0) fail(ErrorKind::data, "there are no samples to learn from");

  // Numbers the source's classes that have samples: known ones keep the session's number.
  std::set<int64_t> met;
  for (int64_t i = 0; i < source->size(); ++i) met.insert(source->label(i));
  std::vector<std::string> classes = before->classes, fresh_names;
  std::vector<int64_t> numbers(source->classes().size(), -1), fresh;
  for (const int64_t c : met) {
    const std::string& name = source->classes().at(size_t(c));
    int64_t& number = numbers[size_t(c)] = before->number_of(name);
    if (number >= 0) {
      if (row().needs.new_classes)
        fail(ErrorKind::scenario,
             "\"{}\" is already known, and {} learns all samples of a class in one task: forget "
             "the class first and learn it with all its samples, or choose another name",
             name, row().name);
      continue;
    }
    if (std::ranges::count(fresh_names, name) > 0)
      fail(ErrorKind::data, "two of the classes are called \"{}\"", name);
    number = int64_t(classes.size());
    classes.push_back(name);
    fresh_names.push_back(name);
    fresh.push_back(number);
  }

  const int64_t first = before->samples->size();
  const auto samples = before->samples->with(source, numbers, classes);
  auto next = copied(*before, samples);
  std::vector<int64_t> positions(size_t(source->size())), targets;
  std::iota(positions.begin(), positions.end(), first);
  for (const int64_t position : positions) targets.push_back(samples->label(position));
  const Dataset train(*samples, std::move(positions), targets);

  Task task{.index = int(before->tasks),
            .fresh = fresh,
            .seen = std::vector<int64_t>(classes.size()),
            .names = fresh_names,
            .train = &train};
  std::iota(task.seen.begin(), task.seen.end(), int64_t{0});
  const std::set<int64_t> learned(targets.begin(), targets.end());
  task.classes.assign(learned.begin(), learned.end());
  next->rig->learn(task);
  PATINA_CHECK(trains_backbone || !trains(*next->backbone),
               "{} began to train a network that readers share", row().name);

  next->classes = std::move(classes);
  for (const int64_t number : fresh) next->class_of_column.push_back(number);
  next->task_of_class.resize(next->classes.size(), before->tasks);
  ++next->tasks;
  publish(std::move(next));
}

void Session::learn(const std::shared_ptr<const Source>& source) {
  state_->learn(source);
}

void Session::learn(const Tensor& images, const std::vector<int64_t>& labels,
                    const std::vector<std::string>& classes) {
  state_->learn(image_tensor(images, labels, classes));
}

void Session::learn(const std::vector<fs::path>& files, const std::vector<int64_t>& labels,
                    const std::vector<std::string>& classes) {
  state_->learn(image_files(files, labels, classes));
}

void Session::forget(const std::string& name) {
  State& state = *state_;
  const std::lock_guard alone(state.learning);
  const auto before = state.model();
  const int64_t number = before->number_of(name);
  if (number < 0)
    fail(ErrorKind::usage, "\"{}\" is not a class that was learned{}", name,
         did_you_mean(name, before->classes));
  auto next = state.copied(*before, before->samples);
  next->rig->learner().forget(number);
  next->classes.erase(next->classes.begin() + number);
  next->task_of_class.erase(next->task_of_class.begin() + number);
  std::erase(next->class_of_column, number);
  for (int64_t& c : next->class_of_column) c -= c > number;
  state.publish(std::move(next));
}

// For each sample, the scores of all classes [K]: the highest one of each class's columns.
std::vector<Tensor> Session::State::scores(const Model& model, const Source& source,
                                           int64_t task) const {
  const Call call(observer);
  if (model.classes.empty())
    fail(ErrorKind::usage, "nothing has been learned yet: call learn before predict");
  if (source.is_text() != model.samples->is_text())
    fail(ErrorKind::usage, "this session was taught {}, and these are {}",
         model.samples->is_text() ? "texts" : "images", source.is_text() ? "texts" : "images");
  if (grant.task_id_at_test && (task < 0 || task >= model.tasks))
    fail(ErrorKind::usage,
         "the learner needs to know the task of the samples: set the task (--task, "
         "PredictOptions::task) to a number from 0 to {}",
         model.tasks - 1);
  if (!grant.task_id_at_test && task >= 0)
    fail(ErrorKind::usage, "the learner predicts without the task of the samples: set no task");
  std::vector<Tensor> rows(size_t(source.size()));
  const Tensor column_of = tensor_of(model.class_of_column);
  const auto classes = int64_t(model.classes.size());
  const bool one_each = int64_t(model.class_of_column.size()) == classes;
  const Dataset samples = whole(source);
  Loader loader(samples, model.rig->test_feed(), model.rig->pool(), kBatch);
  NoGrad no_grad;
  while (const auto batch = loader.next()) {
    Question asked = *batch;
    if (task >= 0) asked.task = at::full({asked.size()}, task, at::kLong);
    Tensor scores = on_host(model.rig->learner().scores(asked)).to(at::kFloat);
    if (scores.size(1) != column_of.size(0))
      fail(ErrorKind::state,
           "{}: the scores have {} columns, but {} classes were learned: scores() must return one "
           "column per class",
           row().name, scores.size(1), column_of.size(0));
    if (!one_each) {
      Tensor best = at::full({scores.size(0), classes}, -std::numeric_limits<float>::infinity());
      for (int64_t c = 0; c < scores.size(1); ++c) {
        const Tensor own = best.select(1, model.class_of_column[size_t(c)]);
        own.copy_(at::maximum(own, scores.select(1, c)));
      }
      scores = best;
    }
    if (task >= 0)
      scores.masked_fill_(tensor_of(model.task_of_class).ne(task),
                          -std::numeric_limits<float>::infinity());
    const auto places = items_of(batch->row);
    for (size_t i = 0; i < places.size(); ++i) rows[size_t(places[i])] = scores[int64_t(i)];
  }
  return rows;
}

std::vector<std::vector<Prediction>> Session::State::predict(const Source& source,
                                                             const PredictOptions& options) const {
  if (options.top < 1) fail(ErrorKind::usage, "top is {}; it must be 1 or more", options.top);
  const auto model = this->model();
  std::vector<std::vector<Prediction>> all;
  for (const Tensor& scores : this->scores(*model, source, options.task)) {
    const auto [best, places] = at::topk(scores, std::min(options.top, scores.size(0)), -1);
    std::vector<Prediction>& one = all.emplace_back();
    for (int64_t i = 0; i < best.size(0); ++i) {
      const int64_t number = places[i].item<int64_t>();
      one.push_back({model->classes[size_t(number)], number, best[i].item<double>()});
    }
  }
  return all;
}

std::vector<std::vector<Prediction>> Session::predict(const Source& source,
                                                      const PredictOptions& options) const {
  return state_->predict(source, options);
}

std::vector<Prediction> Session::predict(const Tensor& image, const PredictOptions& options) const {
  if (image.defined() && image.dim() == 4 && image.size(0) != 1)
    fail(ErrorKind::usage,
         "this predict takes one image, but the tensor has {}: pass several images as a Source",
         image.size(0));
  const auto source = image_tensor(image, {0}, {"?"});
  return state_->predict(*source, options).front();
}

std::vector<Prediction> Session::predict(const fs::path& file,
                                         const PredictOptions& options) const {
  return state_->predict(*image_files({file}, {0}, {"?"}), options).front();
}

std::vector<Prediction> Session::predict(const Text& text, const PredictOptions& options) const {
  return state_->predict(*labelled_texts({text}, {0}, {"?"}), options).front();
}

Assessment Session::eval(const Source& source, int64_t task) const {
  if (source.size() == 0) fail(ErrorKind::data, "there are no samples to test on");
  const auto model = state_->model();
  const auto scores = state_->scores(*model, source, task);
  Assessment result;
  for (const auto& name : source.classes()) result.classes.push_back({.name = name});
  for (int64_t i = 0; i < source.size(); ++i) {
    auto& own = result.classes.at(size_t(source.label(i)));
    const int64_t found = scores[size_t(i)].argmax().item<int64_t>();
    const bool right = model->classes[size_t(found)] == own.name;
    ++own.samples, ++result.samples;
    own.right += right, result.right += right;
  }
  return result;
}

std::vector<std::string> Session::classes() const {
  return state_->model()->classes;
}
int64_t Session::tasks() const {
  return state_->model()->tasks;
}
std::string Session::learner() const {
  return state_->row().name;
}
std::string Session::about() const {
  return state_->model()->backbone->about();
}

void Session::save(const fs::path& path, const SaveOptions& options) const {
  const auto model = state_->model();
  Artefact artefact{.recipe = to_toml(*state_->recipe),
                    .grant = state_->grant,
                    .classes = model->classes,
                    .class_of_column = model->class_of_column,
                    .task_of_class = model->task_of_class,
                    .tasks = model->tasks,
                    .samples = model->samples->size(),
                    .in_memory = state_->in_memory,
                    .backbone = model->backbone->about(),
                    .hash = state_->hash,
                    .embedded = options.with_backbone,
                    .is_text = model->samples->is_text()};
  Tensor weights;
  if (options.with_backbone) weights = network_bytes(*model->backbone, path, options.bf16);
  Rig& rig = const_cast<Rig&>(*model->rig);  // saving only reads
  write_artefact(path, artefact, weights, rig.learner(), rig.trainer());
}

Exported Session::export_to(const fs::path& folder, const ExportOptions& options) const {
  const Call call(state_->observer);
  const auto model = state_->model();
  const ModelOptions& origin = state_->recipe->model;
  return export_learned({.row = &state_->row(),
                         .learner = &model->rig->learner(),
                         .backbone = model->backbone.get(),
                         .base = origin.path.empty() ? origin.name : origin.path,
                         .classes = model->classes,
                         .class_of_column = model->class_of_column,
                         .told_tasks = state_->grant.task_id_at_test},
                        folder, options);
}

}  // namespace patina
