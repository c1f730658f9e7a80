#include "patina/run/record_of_run.h"

#include <algorithm>

#include "patina/config/recipe_file.h"
#include "patina/run/machine.h"
#include "patina/version.h"

namespace patina {

namespace {

ScoreRows rows_of(const ScoreMatrix& matrix) {
  ScoreRows rows;
  for (int after = 0; after <= matrix.tasks(); ++after) {
    auto& row = rows.emplace_back();
    for (int task = 0; task < matrix.tasks(); ++task) row.push_back(matrix.at(after, task));
  }
  return rows;
}

std::vector<Record::Task> tasks_of(const Scenario& scenario, bool of_texts) {
  std::vector<Record::Task> tasks;
  for (int task = 0; task < scenario.tasks(); ++task) {
    auto& entry = tasks.emplace_back();
    for (const int64_t c : scenario.task_classes(task))
      entry.classes.push_back(scenario.classes()[size_t(c)]);
    if (of_texts) entry.probe = Record::Probe{.data_set = scenario.task_name(task)};
    entry.train_samples = scenario.train(task).size();
    entry.test_samples = scenario.test(task).size();
  }
  return tasks;
}

void add_texts(Record& record, const TextMeasures& texts) {
  for (size_t task = 0; task < record.tasks.size(); ++task) {
    const Probe& probe = *texts.probes[task];
    record.tasks[task].probe->metric = probe.metric();
    record.tasks[task].probe->better = probe.direction() == Direction::lower ? "lower" : "higher";
  }
  record.drift.clear();
  for (const auto& point : texts.drift.points())
    record.drift.push_back({.from_base = point.from_base,
                            .from_before = point.from_before,
                            .general_loss = point.general_loss,
                            .general_bits_per_byte = point.general_bits_per_byte});
}

}  // namespace

Record record_of_start(Recipe& recipe, const DataSplits& data, const Backbone& backbone,
                       const std::string& hash, const Scenario& scenario) {
  const LearnerRow& row = recipe.learner.row();
  const Machine machine = this_machine();
  Record record;
  record.name = recipe.name.empty() ? row.name : recipe.name;
  record.evaluated_on = data.evaluated_on;
  record.learner = {row.name, row.family, row.paper};
  record.model = {.name = recipe.model.name,
                  .about = backbone.about(),
                  .hash = hash,
                  .image_size = backbone.image_input().value_or(ImageInput{}).size};
  record.data = {.name = data.name,
                 .train_samples = data.train->size(),
                 .test_samples = data.test->size(),
                 .skipped = data.train->skipped() + data.test->skipped()};
  record.scenario = {scenario.name(), scenario.grant().names()};
  record.recipe = to_toml(recipe);
  if (const ChosenValues& chosen = recipe.chosen; !chosen.values.empty())
    record.chosen = Record::Chosen{.values = chosen.values,
                                   .candidates = chosen.candidates,
                                   .combinations = chosen.combinations,
                                   .by = chosen.by,
                                   .score = chosen.score,
                                   .validation_percent = chosen.validation_percent};
  record.versions = {kVersion, libtorch_version(), compiler_version()};
  record.machine = {.cpu = machine.cpu,
                    .cores = machine.cores,
                    .threads = tensor_threads(),
                    .memory_bytes = machine.memory_bytes,
                    .device = backbone.place().text()};
  record.seeds = {recipe.seed, recipe.scenario.class_order_seed};
  record.class_order = scenario.class_order();
  record.class_names = scenario.classes();
  record.tasks = tasks_of(scenario, row.generates);
  return record;
}

void add_scores(Record& record, const Evaluation& evaluation) {
  const ScoreMatrix& matrix = evaluation.matrix();
  record.matrix = rows_of(matrix);
  if (const TextMeasures* texts = evaluation.texts())
    add_texts(record, *texts);
  else
    record.top5_matrix = rows_of(evaluation.top5());
  for (int after = 1; after <= matrix.tasks(); ++after)
    record.accuracy_after_task.push_back(evaluation.accuracy_after(after));
  const auto add = [&](const auto& metrics, const auto& measured) {
    for (const auto& metric : metrics) {
      record.metrics.emplace_back(metric.name, metric.value(measured));
      record.metric_formulas.emplace_back(metric.name, metric.formula);
    }
  };
  add(metrics(), matrix);
  if (evaluation.texts()) return;
  record.metrics.emplace_back("last_top5_accuracy",
                              metric("last_accuracy").value(evaluation.top5()));
  const AnytimeCurve& curve = evaluation.curve();
  if (curve.empty()) return;
  for (const auto& point : curve)
    record.anytime.push_back({.samples = point.samples,
                              .classes = int64_t(point.tested.size()),
                              .accuracy = point.accuracy()});
  add(anytime_metrics(), curve);
}

void add_costs(Record& record, const Costs& costs, int64_t backbone_numbers, int64_t trainable) {
  const Times& times = costs.times;
  record.seconds = {.total = times.total,
                    .load = times.load,
                    .train = times.train,
                    .evaluate = times.evaluate,
                    .checkpoint = times.checkpoint};
  for (size_t i = 0; i < times.task_evaluate.size(); ++i)
    record.seconds.per_task.push_back({times.task_train[i], times.task_evaluate[i]});
  record.peak_memory_bytes = peak_memory_bytes();
  record.parameters = {.total = std::max(backbone_numbers, trainable),
                       .trainable = trainable,
                       .stored = costs.stored,
                       .stored_bytes_after_task = costs.stored_bytes};
}

void add_engine(Record& record, const std::string& kind, const Costs& costs,
                const FeatureStore* store, const ImageCache& images) {
  const auto passes = [](const Flops& flops) {
    return Record::Passes{flops.forward, flops.backward};
  };
  Record::Engine engine;
  engine.kind = kind;
  engine.flops = {passes(costs.train_flops), passes(costs.evaluate_flops)};
  if (store) {
    const auto counts = store->counts();
    engine.cache = {.hits = counts.hits,
                    .misses = counts.misses,
                    .encoded = counts.encoded,
                    .saved_forward_passes = counts.saved_forward_passes};
  }
  const auto counts = images.counts();
  engine.images = {
      .decoded = counts.decoded, .cached = counts.cached, .never_needed = counts.never_needed};
  record.engine = std::move(engine);
}

}  // namespace patina
