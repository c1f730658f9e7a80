#include "patina/run/run.h"

#include <algorithm>
#include <chrono>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/base/work.h"
#include "patina/checkpoint/load.h"
#include "patina/config/recipe_file.h"
#include "patina/learn/usage.h"
#include "patina/run/artefact_of_run.h"
#include "patina/run/beginning.h"
#include "patina/run/record_of_run.h"
#include "patina/run/run_folder.h"
#include "patina/run/together.h"
#include "patina/run/watch.h"
#include "patina/session/rig.h"

namespace patina {

namespace {

class Execution {
 public:
  Execution(Recipe& recipe, const DataSplits& data, RunFolder folder, const RunControl& control)
      : recipe_(recipe),
        data_(data),
        folder_(std::move(folder)),
        control_(control),
        together_(control.workers),
        recipe_text_(
            together_.text([&] { return folder_.text_of(control.mode, to_toml(recipe)); })),
        beginning_(folder_.path.string(), recipe_text_, data),
        images_(std::make_shared<ImageCache>(control.cache ? recipe.engine.image_cache_bytes : 0)) {
  }

  Json execute(Backbone& backbone) {
    scenario_.emplace(granted_scenario(recipe_, data_));
    model_hash_ = content_hash(nn::tensors(backbone));
    backbone_numbers_ = nn::count(nn::tensors(backbone));
    backbone.to(place_of(recipe_.engine.device));
    backbone.set_engine(make_engine(recipe_.engine));
    if (control_.cache) backbone.set_cache(store_ = std::make_shared<FeatureStore>(recipe_.engine));
    const Finally detach([&] {
      if (store_) backbone.set_cache(nullptr);
    });
    rig_ = std::make_unique<Rig>(backbone, *data_.train, *data_.test, rig_options());
    auto texts = text_measures(recipe_, backbone, rig_->pool(), *scenario_, control_.workers);
    engine_ = backbone.engine().text();

    std::optional<FolderLock> lock;
    const bool resuming = together_.agreed([&] {
      make_folder(folder_.path);
      lock.emplace(folder_.path);
      const bool continues = folder_.open(control_.mode, recipe_text_);
      folder_.tidy();
      return continues;
    });
    stream_.emplace(scenario_->stream());
    evaluation_ = std::make_unique<Evaluation>(*scenario_, std::move(texts));
    about_ = record_of_start(recipe_, data_, backbone, model_hash_, *scenario_);
    about_.recipe = recipe_text_;
    if (resuming) {
      auto archive = together_.checkpoint(folder_);
      state(archive);
    }
    costs_.loaded();
    costs_.sum_up();
    if (together_.leads())
      watch_.emplace(*current_work(), folder_.path, scenario_->tasks(), costs_.times.total);
    const Finally unwatch([&] { watch_.reset(); });
    if (watch_ && recipe_.run.tensorboard) watch_->write_events(recipe_text_, resuming);
    if (watch_) watch_->learned(tasks_learned(), next_part());
    learn_stream();
    if (together_.leads()) write_results(backbone);
    return write_record(/*complete=*/true);
  }

 private:
  void write_results(const Backbone& backbone) {
    watch_->learned(scenario_->tasks(), "writing the artefact");
    if (!evaluation_->texts()) evaluation_->write_predictions(folder_.predictions());
    auto artefact = artefact_of_run(recipe_, *scenario_, *data_.train, backbone, model_hash_);
    write_artefact(folder_.model(), artefact, {}, learner(), trainer(),
                   recipe_.run.keep_samples ? data_.train.get() : nullptr);
  }

  int tasks_learned() const { return std::max(0, evaluation_->rows() - 1); }
  std::string next_part() const {
    return fmt::format("task {}", std::min(tasks_learned() + 1, scenario_->tasks()));
  }

  void learn_stream() try {
    rig_->guard_samples();
    for (int task = 0; task < stream_->given(); ++task) rig_->show(scenario_->train(task));
    if (trainer().in_task()) learn(stream_->current());
    while (const auto task = stream_->next()) learn(*task);
  } catch (const Error& error) {
    // Stopped between two batches of a closed form or an evaluation: the last checkpoint is used.
    if (error.kind() != ErrorKind::stopped || stopped_) throw;
    stopped();
  }

  RigOptions rig_options() {
    RigOptions options = patina::rig_options(recipe_, scenario_->grant());
    options.images = images_;
    options.data_threads = control_.data_threads;
    options.between_steps = [this] { between_steps(); };
    options.workers = control_.workers;
    return options;
  }

  void learn(const Task& task) {
    rig_->show(*task.train);
    if (evaluation_->rows() == 0) {
      trainer().begin(learner(), task, scenario_->grant());
      costs_.trained();
      evaluate(0);
    }
    trainer().learn(learner(), task, scenario_->grant());
    costs_.trained();
    const bool once = !scenario_->grant().many_passes;
    costs_.end_task(evaluate(task.index + 1));
    if (once && task.index + 1 == scenario_->tasks()) evaluation_->end_curve(trainer().observed());
    if (Usage* usage = learner().usage(); usage && control_.workers)
      usage->add_up(*control_.workers);
    diagnostics_.push_back(learner().diagnostics());
    if (store_) store_->flush();
    end_task(task);
    if (const auto told = evaluation_->told_after(task); !told.empty())
      note(fmt::format("{} {}/{}: {}", once ? "stretch" : "task", task.index + 1,
                       scenario_->tasks(), told));
    if (task.index + 1 < scenario_->tasks()) stop_if_asked();
  }

  void end_task(const Task& task) {
    Archive learned;
    if (together_.size() > 1) rig_->learner_state(learned);
    together_.check_same(learned.hash(), fmt::format("after task {}", task.index + 1));
    checkpoint();
    write_record(/*complete=*/false);
    if (!watch_) return;
    if (recipe_.run.tensorboard) watch_->measured(record_now());
    watch_->learned(tasks_learned(), next_part());
  }

  double evaluate(int after) {
    evaluation_->measure(learner(), trainer(), after);
    if (evaluation_->texts() && together_.leads())
      evaluation_->write_answers(folder_.answers(after));
    return costs_.evaluated();
  }

  // Measures a point of a single-pass stream; its end is measured with the last row.
  void measure_now() {
    int64_t samples = 0;
    for (int task = 0; task < scenario_->tasks(); ++task) samples += scenario_->train(task).size();
    if (trainer().observed() == samples) return;
    costs_.trained();
    evaluation_->measure_now(learner(), trainer());
    costs_.evaluated();
  }

  void between_steps() {
    const int64_t every = recipe_.evaluation.every;
    if (every > 0 && trainer().observed() / every > evaluation_->last_point() / every)
      measure_now();
    const bool stop = asked_to_stop();
    const std::chrono::duration<double> since = std::chrono::steady_clock::now() - saved_;
    const double limit = recipe_.run.checkpoint_minutes * 60;
    if (!stop && (limit == 0 || since.count() < limit)) return;
    costs_.trained();
    checkpoint();
    if (stop) stopped();
  }

  bool asked_to_stop() const {
    return together_.any(control_.should_stop && control_.should_stop());
  }

  void stop_if_asked() {
    if (asked_to_stop()) stopped();
  }

  [[noreturn]] void stopped() {
    stopped_ = true;
    write_record(/*complete=*/false);
    fail(ErrorKind::stopped, "stopped; {} continues with --resume", folder_.path.string());
  }

  void checkpoint() {
    if (!together_.leads()) return;
    Archive archive;
    state(archive);
    folder_.save(archive);
    saved_ = std::chrono::steady_clock::now();
    costs_.saved();
  }

  // The complete state of a run, except its recipe and the backbone's pre-trained weights.
  void state(Archive& a) {
    a("beginning", beginning_);
    same_network(a, model_hash_, engine_, folder_.path.string());
    a("stream", *stream_);
    rig_->learner_state(a);
    // Before the costs are saved, so that a resumed run counts like an uninterrupted one.
    if (!a.loading() && !trainer().in_task()) costs_.count_stored(a, evaluation_->rows() - 1);
    a("trainer", trainer());
    a("evaluation", *evaluation_);
    a("costs", costs_);
    a("diagnostics", diagnostics_);
  }

  Record record_now() {
    costs_.sum_up();
    Record record = about_;
    if (control_.workers)
      record.workers = {control_.workers->size(), control_.workers->bytes_sent()};
    add_scores(record, *evaluation_);
    add_costs(record, costs_, backbone_numbers_, trainer().most_trainable());
    add_engine(record, engine_, costs_, store_.get(), *images_);
    if (std::ranges::any_of(diagnostics_, [](const Json& task) { return !task.is_null(); }))
      record.diagnostics_after_task = diagnostics_;
    return record;
  }

  Json write_record(bool complete) {
    Record record = record_now();
    record.status = complete ? "complete" : "interrupted";
    Json json = to_json(std::move(record));
    if (together_.leads()) write_text(folder_.record(), json.dump(1) + "\n");
    return json;
  }

  Learner& learner() { return rig_->learner(); }
  Trainer& trainer() { return rig_->trainer(); }

  Recipe& recipe_;
  const DataSplits& data_;
  RunFolder folder_;
  const RunControl& control_;
  Together together_;
  std::string recipe_text_;
  Beginning beginning_;
  std::shared_ptr<ImageCache> images_;
  std::shared_ptr<FeatureStore> store_;  // null: features are not cached
  std::optional<Scenario> scenario_;
  std::optional<Stream> stream_;
  std::unique_ptr<Rig> rig_;
  std::unique_ptr<Evaluation> evaluation_;
  Record about_;                   // the part that does not change during the run
  std::optional<RunWatch> watch_;  // while it learns
  Costs costs_;
  std::chrono::steady_clock::time_point saved_ = std::chrono::steady_clock::now();
  std::string engine_, model_hash_;
  int64_t backbone_numbers_ = 0;
  bool stopped_ = false;
  Json diagnostics_ = Json::array();  // of the learner, per task
};

std::optional<Json> finished(Recipe& recipe, const DataSplits& data, const fs::path& folder,
                             const RunControl& control) {
  return Together(control.workers).record([&] {
    return finished_run(recipe, data, {folder}, control.mode);
  });
}

}  // namespace

Json run(Recipe& recipe, const DataSplits& data, Backbone& backbone, const fs::path& folder,
         const RunControl& control) {
  // The costs of this run are counted separately from other work in the process.
  Work work(current_work() ? current_work()->observer : nullptr);
  if (control.stop_between_batches && !control.workers) work.should_stop = control.should_stop;
  const WorkScope scope(&work);
  if (const auto record = finished(recipe, data, folder, control)) return *record;
  return Execution(recipe, data, {folder}, control).execute(backbone);
}

Json run(Recipe& recipe, const fs::path& folder, const RunControl& control) {
  recipe.learner.row();  // the cheap checks first
  const DataSplits data = open_data(recipe.data);
  if (const auto record = finished(recipe, data, folder, control)) return *record;
  const auto backbone = backbone_of(recipe);
  return run(recipe, data, *backbone, folder, control);
}

}  // namespace patina
