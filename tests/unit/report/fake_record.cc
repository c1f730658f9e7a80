// Records of runs that never took place.
#include "fake_record.h"

#include <cmath>
#include <map>

#include "patina/base/json.h"
#include "patina/eval/matrix.h"

namespace patina {
namespace {

constexpr int kTasks = 5;
constexpr int kClasses = 100;

struct Manner {
  const char *family, *paper;
  double learned, decay, per_task;  // accuracy just learned; what is left after one more task
  double train, evaluate;
  int64_t memory, trainable, stored;
};

const std::map<std::string, Manner> kManners = {
    {"finetune",
     {"regularization", "the lower bound: plain training, task after task", .95, .38, -.012, 1510,
      96.4, 3261000000, 85875556, 76900}},
    {"simplecil",
     {"representation", "Zhou et al., IJCV 2024: class means of frozen features as a head", .845,
      .986, -.011, 41.2, 18.9, 1322000000, 0, 76800}},
    {"ranpac",
     {"representation", "McDonnell et al., NeurIPS 2023: random projection and ridge regression",
      .957, .988, -.006, 187.5, 20.3, 2145000000, 1190400, 102190400}},
};

Score accuracy_at(const Manner& manner, int after, int task) {
  if (after <= task) return std::nullopt;
  double accuracy = manner.learned + manner.per_task * task;
  for (int later = task + 1; later < after; ++later) accuracy *= manner.decay;
  return std::round(accuracy * 2000) / 2000;  // 2000 test samples per task
}

}  // namespace

Json fake_record(const std::string& learner) {
  const Manner& manner = kManners.at(learner);
  Json record = {
      {"schema", Record::kSchema},
      {"name", "cifar100-" + learner},
      {"status", "complete"},
      {"learner", {{"name", learner}, {"family", manner.family}, {"paper", manner.paper}}},
      {"model",
       {{"name", "vit_base_patch16_224"}, {"hash", "3f1c9a0b5d7e8812"}, {"image_size", 224}}},
      {"data",
       {{"name", "CIFAR-100"}, {"train_samples", 50000}, {"test_samples", 10000}, {"skipped", 0}}},
      {"scenario",
       {{"name", "class-incremental"}, {"granted", {"task id at training", "boundaries"}}}},
      {"recipe", "[learner]\nname = \"" + learner +
                     "\"\n\n[scenario]\nname = \"class-incremental\"\ntasks = 5\nseed = 1993\n"},
      {"versions", {{"patina", "0.1.0"}, {"libtorch", "1.13.0"}, {"compiler", "g++ 12.2.0"}}},
      {"machine",
       {{"cpu", "AMD EPYC 9654"},
        {"cores", 16},
        {"threads", 16},
        {"memory_bytes", 137438953472},
        {"device", "cpu"}}},
      {"seeds", {{"seed", 0}, {"class_order_seed", 1993}}},
  };
  Json tasks = Json::array(), order = Json::array(), names = Json::array();
  for (int task = 0; task < kTasks; ++task) {
    Json classes = Json::array();
    for (int k = task; k < kClasses; k += kTasks) {
      order.push_back(k);
      names.push_back("class " + std::to_string(k));
      classes.push_back(names.back());
    }
    tasks.push_back({{"classes", classes}, {"train_samples", 10000}, {"test_samples", 2000}});
  }
  record["class_order"] = order;
  record["class_names"] = names;
  record["tasks"] = tasks;

  Json rows = Json::array(), seen = Json::array(), per_task = Json::array(), bytes = Json::array();
  AccuracyMatrix matrix(kTasks);
  for (int after = 0; after <= kTasks; ++after) {
    Json row = Json::array();
    double sum = 0;
    for (int task = 0; task < kTasks; ++task) {
      const Score accuracy = accuracy_at(manner, after, task);
      matrix.set(after, task, accuracy);
      row.push_back(accuracy ? Json(*accuracy) : Json(nullptr));
      sum += accuracy.value_or(0);
    }
    rows.push_back(row);
    if (after == 0) continue;
    seen.push_back(sum / after);
    per_task.push_back(
        {{"train", manner.train / kTasks}, {"evaluate", manner.evaluate * after / 15}});
    bytes.push_back(manner.stored * 4 * after / kTasks);
  }
  record["matrix"] = rows;
  record["top5_matrix"] = rows;
  record["accuracy_after_task"] = seen;
  record["metrics"] = Json::object();
  record["metric_formulas"] = Json::object();
  for (const auto& each : metrics()) {
    const Score score = each.value(matrix);
    record["metrics"][each.name] = score ? Json(*score) : Json(nullptr);
    record["metric_formulas"][each.name] = each.formula;
  }
  record["seconds"] = {{"total", manner.train + manner.evaluate + 14.5},
                       {"load", 8.25},
                       {"train", manner.train},
                       {"evaluate", manner.evaluate},
                       {"checkpoint", 5.0},
                       {"per_task", per_task}};
  record["peak_memory_bytes"] = manner.memory;
  record["parameters"] = {{"total", 85798656 + manner.stored},
                          {"trainable", manner.trainable},
                          {"stored", manner.stored},
                          {"stored_bytes_after_task", bytes}};
  return record;
}

RunRecord fake_run(const std::string& learner) {
  return {"runs/" + learner, learner, parse_record(fake_record(learner), learner)};
}

Score& metric_in(RunRecord& run, const std::string& name) {
  for (auto& [each, score] : run.record.metrics)
    if (each == name) return score;
  PATINA_CHECK(false, "no metric {}", name);
}

}  // namespace patina
