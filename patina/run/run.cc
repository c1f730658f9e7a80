#include "patina/run/run.h"

#include <algorithm>
#include <chrono>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/base/work.h"
#include "patina/checkpoint/load.h"
#include "patina/config/recipe_file.h"
#include "patina/kernels/flops.h"
#include "patina/run/evaluation.h"
#include "patina/run/machine.h"
#include "patina/run/run_folder.h"
#include "patina/session/artefact.h"
#include "patina/session/rig.h"
#include "patina/version.h"

namespace patina {

namespace {

// Wall time by part; survives a restart.
struct Times {
  double total = 0, load = 0, train = 0, evaluate = 0, checkpoint = 0;
  std::vector<double> task_train, task_evaluate;

  void state(Archive& a) {
    a("total", total);
    a("load", load);
    a("train", train);
    a("evaluate", evaluate);
    a("checkpoint", checkpoint);
    a("task_train", task_train);
    a("task_evaluate", task_evaluate);
  }
};

class Stopwatch {
 public:
  double lap() {  // seconds since the last call
    const auto now = std::chrono::steady_clock::now();
    return std::chrono::duration<double>(now - std::exchange(last_, now)).count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

Json or_null(const Score& score) {
  return score ? Json(*score) : Json(nullptr);
}

class Execution {
 public:
  Execution(Recipe& recipe, RunFolder folder, const RunControl& control)
      : recipe_(recipe),
        folder_(std::move(folder)),
        control_(control),
        row_(recipe.learner.row()),
        images_(std::make_shared<ImageCache>(control.cache ? recipe.engine.image_cache_bytes : 0)) {
  }

  Json execute(const DataSplits& data, Backbone& backbone) {
    scenario_.emplace(make_scenario(recipe_.scenario, data, row_.needs.past_data));
    if (const auto lack = missing(row_.needs, scenario_->grant())) {
      const auto option = remedy(row_.needs, scenario_->name());
      fail(ErrorKind::scenario, "{} cannot run on {}: it needs {}{}", row_.name, scenario_->name(),
           *lack, option ? fmt::format("; with {} it has them", *option) : "");
    }
    model_hash_ = content_hash(nn::tensors(backbone));
    backbone_numbers_ = nn::count(nn::tensors(backbone));
    backbone.set_engine(make_engine(recipe_.engine));
    if (control_.cache) backbone.set_cache(store_ = std::make_shared<FeatureStore>(recipe_.engine));
    const Finally detach([&] {
      if (store_) backbone.set_cache(nullptr);
    });
    rig_ = std::make_unique<Rig>(backbone, *data.train, *data.test, rig_options());
    engine_ = backbone.engine().text();

    make_folder(folder_.path);
    const FolderLock lock(folder_.path);
    const bool resuming = folder_.open(control_.mode, to_toml(recipe_));
    folder_.tidy();
    stream_.emplace(scenario_->stream());
    evaluation_ = std::make_unique<Evaluation>(*scenario_);
    describe(data, backbone);
    if (resuming) {
      auto archive = folder_.load();
      state(archive);
    }
    times_.load += lap();
    flops_ = flops();
    if (evaluation_->rows() == 0) evaluate(0);

    if (trainer().in_task()) learn(stream_->current());
    while (const auto task = stream_->next()) learn(*task);
    evaluation_->write_predictions(folder_.predictions());
    write_model(*data.train, backbone);
    return write_record(/*complete=*/true);
  }

 private:
  RigOptions rig_options() {
    return {.row = &row_,
            .learner = recipe_.learner.options.get(),
            .training = recipe_.training,
            .seeds = Seeds(uint64_t(recipe_.seed)),
            .grant = scenario_->grant(),
            .train_transform = recipe_.train_transform,
            .test_transform = recipe_.test_transform,
            .text = recipe_.text,
            .images = images_,
            .data_threads = control_.data_threads,
            .between_steps = [this] { between_steps(); }};
  }

  void learn(const Task& task) {
    trainer().learn(learner(), task, scenario_->grant());
    count_training();
    times_.task_train.push_back(std::exchange(task_seconds_, 0));
    const bool once = !scenario_->grant().many_passes;
    evaluate(task.index + 1);
    if (once && task.index + 1 == scenario_->tasks()) evaluation_->end_curve(trainer().observed());
    diagnostics_.push_back(learner().diagnostics());
    if (store_) store_->flush();
    times_.task_evaluate.push_back(times_.evaluate - evaluated_before_);
    checkpoint();
    write_record(/*complete=*/false);
    if (const Score accuracy = evaluation_->accuracy_after(task.index + 1))
      note(fmt::format("{} {}/{}: accuracy over {} classes {:.2f} %", once ? "stretch" : "task",
                       task.index + 1, scenario_->tasks(),
                       std::min(task.seen.size(), scenario_->classes().size()), 100 * *accuracy));
    if (task.index + 1 < scenario_->tasks()) stop_if_asked();
  }

  void evaluate(int after) {
    evaluated_before_ = times_.evaluate;
    evaluation_->measure(learner(), trainer(), after);
    times_.evaluate += lap();
    evaluate_flops_ += flops_lap();
  }

  // What has passed since the last part of the work belongs to the task in hand.
  void count_training() {
    const double train = lap();
    times_.train += train;
    task_seconds_ += train;
    train_flops_ += flops_lap();
  }

  // Samples of the stream before the anytime curve's last point.
  int64_t last_point() const {
    const auto& curve = evaluation_->curve();
    return curve.empty() ? 0 : curve.back().samples;
  }

  // A moment of a stream that comes once; its end is measured with the last row.
  void measure_now() {
    int64_t samples = 0;
    for (int task = 0; task < scenario_->tasks(); ++task) samples += scenario_->train(task).size();
    if (trainer().observed() == samples) return;
    count_training();
    evaluation_->measure_now(learner(), trainer());
    times_.evaluate += lap();
    evaluate_flops_ += flops_lap();
  }

  void between_steps() {
    const int64_t every = recipe_.evaluation.every;
    if (every > 0 && trainer().observed() / every > last_point() / every) measure_now();
    const bool stop = control_.should_stop && control_.should_stop();
    const std::chrono::duration<double> since = std::chrono::steady_clock::now() - saved_;
    const double limit = recipe_.run.checkpoint_minutes * 60;
    if (!stop && (limit == 0 || since.count() < limit)) return;
    count_training();
    checkpoint();
    if (stop) stopped();
  }

  void stop_if_asked() {
    if (control_.should_stop && control_.should_stop()) stopped();
  }

  [[noreturn]] void stopped() {
    write_record(/*complete=*/false);
    fail(ErrorKind::stopped, "stopped; {} continues with --resume", folder_.path.string());
  }

  void checkpoint() {
    Archive archive;
    state(archive);
    folder_.save(archive);
    saved_ = std::chrono::steady_clock::now();
    times_.checkpoint += lap();
  }

  // Everything a run is, besides its recipe and the backbone's own weights.
  void state(Archive& a) {
    a("model", model_hash_in_state_ = model_hash_);
    if (a.loading() && model_hash_in_state_ != model_hash_)
      fail(ErrorKind::state, "{}: the backbone's weights are not those the run began with",
           folder_.path.string());
    std::string began = engine_;
    a("engine", began);
    if (began != engine_)
      warn(fmt::format("{}: began with the engine \"{}\", goes on with \"{}\"",
                       folder_.path.string(), began, engine_));
    a("stream", *stream_);
    a("learner", learner());
    a("trainer", trainer());
    a("evaluation", *evaluation_);
    a("times", times_);
    a("task_seconds", task_seconds_);
    a("train_flops", train_flops_);
    a("evaluate_flops", evaluate_flops_);
    a("diagnostics", diagnostics_);
    a("stored", stored_);
    a("stored_bytes", stored_bytes_);
    if (!a.loading() && !trainer().in_task()) count_stored(a);
  }

  // What the learner keeps beside the untouched backbone.
  void count_stored(const Archive& a) {
    int64_t bytes = 0;
    stored_ = 0;
    for (const auto& [key, tensor] : a.tensors()) {
      if (!key.starts_with("learner.")) continue;
      stored_ += tensor.numel();
      bytes += tensor.nbytes();
    }
    stored_bytes_.resize(size_t(evaluation_->rows() - 1), bytes);
  }

  // What was learned, for `patina predict` and `patina learn`.
  void write_model(const Source& train, const Backbone& backbone) {
    auto recipe = completed(std::make_shared<SessionRecipe>(), "", {}, "the run's recipe");
    recipe->learner.name = recipe_.learner.name;
    auto options = RecipeFile::parse(to_toml(recipe_.learner), "the run's learner");
    options.bind(recipe->learner);
    (void)to_toml(*recipe);  // takes the learner's own training, which the run's then replaces
    recipe->seed = recipe_.seed;
    recipe->training = recipe_.training;
    recipe->train_transform = recipe_.train_transform;
    recipe->test_transform = recipe_.test_transform;
    recipe->text = recipe_.text;
    Artefact artefact{.grant = scenario_->grant(),
                      .classes = scenario_->classes(),
                      .tasks = scenario_->tasks(),
                      .samples = train.size(),
                      .backbone = backbone.about(),
                      .hash = model_hash_,
                      .is_text = train.is_text()};
    artefact.in_memory = !take_origin(recipe->model, backbone);
    artefact.recipe = to_toml(*recipe);
    const auto classes = int64_t(artefact.classes.size());
    const int64_t columns = scenario_->seen_after(scenario_->tasks());
    for (int64_t c = 0; c < columns; ++c) artefact.class_of_column.push_back(c % classes);
    artefact.task_of_class.resize(size_t(classes));
    for (int task = scenario_->tasks() - 1; task >= 0; --task)
      for (const int64_t c : scenario_->fresh_classes(task))
        artefact.task_of_class[size_t(c % classes)] = task;
    write_artefact(folder_.model(), artefact, {}, learner(), trainer());
  }

  void describe(const DataSplits& data, const Backbone& backbone) {
    const Machine machine = this_machine();
    about_ = {
        {"schema", 1},
        {"name", recipe_.name.empty() ? row_.name : recipe_.name},
        {"status", "interrupted"},
        {"learner", {{"name", row_.name}, {"family", row_.family}, {"paper", row_.paper}}},
        {"model",
         {{"name", recipe_.model.name},
          {"about", backbone.about()},
          {"hash", model_hash_},
          {"image_size", backbone.image_input().value_or(ImageInput{}).size}}},
        {"data",
         {{"name", data.name},
          {"train_samples", data.train->size()},
          {"test_samples", data.test->size()},
          {"skipped", data.train->skipped() + data.test->skipped()}}},
        {"scenario", {{"name", scenario_->name()}, {"granted", scenario_->grant().names()}}},
        {"recipe", to_toml(recipe_)},
        {"versions",
         {{"patina", kVersion},
          {"libtorch", libtorch_version()},
          {"compiler", compiler_version()}}},
        {"machine",
         {{"cpu", machine.cpu},
          {"cores", machine.cores},
          {"threads", tensor_threads()},
          {"memory_bytes", machine.memory_bytes},
          {"device", "cpu"}}},
        {"seeds",
         {{"seed", recipe_.seed}, {"class_order_seed", recipe_.scenario.class_order_seed}}},
        {"class_order", scenario_->class_order()},
        {"class_names", scenario_->classes()},
    };
    Json tasks = Json::array();
    for (int task = 0; task < scenario_->tasks(); ++task) {
      std::vector<std::string> names;
      for (const int64_t c : scenario_->task_classes(task))
        names.push_back(scenario_->classes()[size_t(c)]);
      tasks.push_back({{"classes", names},
                       {"train_samples", scenario_->train(task).size()},
                       {"test_samples", scenario_->test(task).size()}});
    }
    about_["tasks"] = tasks;
  }

  Json write_record(bool complete) {
    times_.total += since_total();
    Json record = about_;
    record["status"] = complete ? "complete" : "interrupted";
    const auto rows = [&](const AccuracyMatrix& matrix) {
      Json list = Json::array();
      for (int after = 0; after <= matrix.tasks(); ++after) {
        Json row = Json::array();
        for (int task = 0; task < matrix.tasks(); ++task)
          row.push_back(or_null(matrix.at(after, task)));
        list.push_back(row);
      }
      return list;
    };
    record["matrix"] = rows(evaluation_->matrix());
    record["top5_matrix"] = rows(evaluation_->top5());
    record["accuracy_after_task"] = Json::array();
    for (int after = 1; after <= scenario_->tasks(); ++after)
      record["accuracy_after_task"].push_back(or_null(evaluation_->accuracy_after(after)));
    record["metrics"] = Json::object();
    record["metric_formulas"] = Json::object();
    for (const auto& metric : metrics()) {
      record["metrics"][metric.name] = or_null(metric.value(evaluation_->matrix()));
      record["metric_formulas"][metric.name] = metric.formula;
    }
    record["metrics"]["last_top5_accuracy"] =
        or_null(metric("last_accuracy").value(evaluation_->top5()));
    if (const auto& curve = evaluation_->curve(); !curve.empty()) {
      Json points = Json::array();
      for (const auto& point : curve)
        points.push_back({{"samples", point.samples},
                          {"classes", point.tested.size()},
                          {"accuracy", or_null(point.accuracy())}});
      record["anytime"] = points;
      for (const auto& metric : anytime_metrics()) {
        record["metrics"][metric.name] = or_null(metric.value(curve));
        record["metric_formulas"][metric.name] = metric.formula;
      }
    }
    Json per_task = Json::array();
    for (size_t i = 0; i < times_.task_evaluate.size(); ++i)
      per_task.push_back({{"train", times_.task_train[i]}, {"evaluate", times_.task_evaluate[i]}});
    record["seconds"] = {{"total", times_.total},           {"load", times_.load},
                         {"train", times_.train},           {"evaluate", times_.evaluate},
                         {"checkpoint", times_.checkpoint}, {"per_task", per_task}};
    record["peak_memory_bytes"] = peak_memory_bytes();
    const int64_t trainable = trainer().most_trainable();
    record["parameters"] = {
        {"total", backbone_numbers_ + std::max<int64_t>(0, trainable - backbone_numbers_)},
        {"trainable", trainable},
        {"stored", stored_},
        {"stored_bytes_after_task", stored_bytes_}};
    if (std::ranges::any_of(diagnostics_, [](const Json& task) { return !task.is_null(); }))
      record["diagnostics_after_task"] = diagnostics_;
    const auto images = images_->counts();
    const auto in = [](const Flops& flops) {
      return Json{{"forward", flops.forward}, {"backward", flops.backward}};
    };
    record["engine"] = {{"kind", engine_},
                        {"flops", {{"train", in(train_flops_)}, {"evaluate", in(evaluate_flops_)}}},
                        {"cache", cache_counts()},
                        {"images",
                         {{"decoded", images.decoded},
                          {"cached", images.cached},
                          {"never_needed", images.never_needed}}}};
    write_text(folder_.record(), record.dump(1) + "\n");
    return record;
  }

  Json cache_counts() const {
    if (!store_) return nullptr;
    const auto counts = store_->counts();
    return {{"hits", counts.hits},
            {"misses", counts.misses},
            {"encoded", counts.encoded},
            {"saved_forward_passes", counts.saved_forward_passes}};
  }

  Learner& learner() { return rig_->learner(); }
  Trainer& trainer() { return rig_->trainer(); }

  double lap() { return part_.lap(); }
  Flops flops_lap() {  // since the last call
    const Flops now = flops();
    return now - std::exchange(flops_, now);
  }
  double since_total() { return whole_.lap(); }

  Recipe& recipe_;
  RunFolder folder_;
  const RunControl& control_;
  const LearnerRow& row_;
  std::shared_ptr<ImageCache> images_;
  std::shared_ptr<FeatureStore> store_;  // null: features are not kept
  std::optional<Scenario> scenario_;
  std::optional<Stream> stream_;
  std::unique_ptr<Rig> rig_;
  std::unique_ptr<Evaluation> evaluation_;
  Json about_;

  Times times_;
  double task_seconds_ = 0;  // training time of the task in hand, counted by earlier checkpoints
  double evaluated_before_ = 0;
  Flops flops_, train_flops_, evaluate_flops_;
  Stopwatch part_, whole_;
  std::chrono::steady_clock::time_point saved_ = std::chrono::steady_clock::now();
  std::string engine_, model_hash_, model_hash_in_state_;
  int64_t backbone_numbers_ = 0, stored_ = 0;
  std::vector<int64_t> stored_bytes_;
  Json diagnostics_ = Json::array();  // the learner's own, task by task
};

}  // namespace

Json run(Recipe& recipe, const DataSplits& data, Backbone& backbone, const fs::path& folder,
         const RunControl& control) {
  // What it costs is counted apart from all else that goes on here.
  Work work(current_work() ? current_work()->observer : nullptr);
  const WorkScope scope(&work);
  return Execution(recipe, RunFolder{folder}, control).execute(data, backbone);
}

Json run(Recipe& recipe, const fs::path& folder, const RunControl& control) {
  recipe.learner.row();  // the cheap mistakes first
  const DataSplits data = open_data(recipe.data);
  ModelOptions model = recipe.model;
  if (model.seed < 0) model.seed = recipe.seed;
  const auto backbone = load_backbone(model);
  return run(recipe, data, *backbone, folder, control);
}

}  // namespace patina
