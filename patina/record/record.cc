// Every field of a run record, in the order of the file.
#include "patina/record/record.h"

namespace patina {

namespace {

constexpr std::string_view kPerTask = "(one a task)";

}  // namespace

void Record::bind(RecordFields& f) {
  f("schema", schema, Whole::count, std::to_string(kSchema));
  f("name", name, "the run's name");
  f("status", status, "whether it came to its end", {"complete", "interrupted"});
  f("evaluated_on", evaluated_on, Presence::optional,
    "the split of every score below and of `test_samples`: `validation` where samples were held "
    "out of the training split and the test split was not read; `test` where it is missing",
    {"test", "validation"});
  f.object("learner", learner, "the method");
  f.object("model", model, "the backbone");
  f.object("data", data, "the data set");
  f.object("scenario", scenario, "how the data became a stream");
  f("recipe", recipe, "the resolved recipe, as TOML: defaults and `--set` included");
  f.object("chosen", chosen, Presence::optional,
           "values of the recipe that `patina tune` chose on a validation split");
  f.object("versions", versions, "what it was made with");
  f.object("machine", machine, "what it ran on");
  f.object("workers", workers, Presence::optional, "of a run that several processes did together");
  f.object("seeds", seeds);
  f("class_order", class_order, {}, "the data set's class ids in the order of the stream");
  f("class_names", class_names, exactly(class_order.size(), "as class_order", ""),
    "their names, in the same order");
  f.list("tasks", tasks, from_one_to(kMostTasks, "T"), "in the order of the stream");

  const size_t count = tasks.size();
  const auto rows = exactly(count + 1, "(one before learning and one a task)", "T+1");
  const auto columns = exactly(count, kPerTask, "T");
  f.matrix(
      "matrix", matrix, rows, columns, Presence::required,
      "accuracy on each task (column) before learning (row 0) and after each task, or where the "
      "task has a `probe`, any number: its metric; `null` where the learner could not be asked, or "
      "for a row as a whole",
      is_of_texts() ? Scale::number : Scale::fraction);
  f.matrix("top5_matrix", top5_matrix, rows, columns, Presence::nullable,
           "the same for the five best classes; `null` where it has no meaning");
  f("accuracy_after_task", accuracy_after_task, columns,
    "over the test samples of all classes seen so far");
  f("metrics", metrics, "by the names of [metrics.md](metrics.md)");
  f("metric_formulas", metric_formulas, "the formula of each, as it was when the run was made");
  f.list("anytime", anytime, {}, "of single-pass streams: moments in their order",
         Presence::optional);
  f.list("drift", drift, up_to(count + 1, "T+1"),
         "of language models, before learning and after each task: how far the model moved",
         Presence::optional);
  f.object("seconds", seconds, "wall time", count);
  f("peak_memory_bytes", peak_memory_bytes, Whole::count, "the most memory the process held");
  f.object("parameters", parameters, "how many numbers", count);
  f.free_list("diagnostics_after_task", diagnostics_after_task, up_to(count, "T"),
              "what a learner shows of its inside after a task's evaluation, an object or `null`: "
              "prompt methods `histogram`, how often each prompt was chosen, `entropy` of that "
              "choice in nats, and `entropy_part` of the largest possible");
  f.object("engine", engine, Presence::optional, "what computed it");
}

ScoreMatrix accuracy_matrix(const Record& record) {
  ScoreMatrix matrix(int(record.tasks.size()));
  for (const auto& task : record.tasks) {
    matrix.samples.push_back(task.test_samples);
    const bool lower = task.probe && task.probe->better == "lower";
    matrix.directions.push_back(lower ? Direction::lower : Direction::higher);
  }
  for (int after = 0; after <= matrix.tasks(); ++after) {
    const auto& scores = record.matrix[size_t(after)];
    for (size_t task = 0; task < scores.size(); ++task) matrix.set(after, int(task), scores[task]);
  }
  return matrix;
}

int tasks_learned(const ScoreMatrix& matrix) {
  for (int row = matrix.tasks(); row > 0; --row)
    for (int task = 0; task < matrix.tasks(); ++task)
      if (matrix.at(row, task)) return row;
  return 0;
}

double shade(const Record& record, const ScoreMatrix& matrix, int after, int task) {
  const Score score = matrix.at(after, task);
  if (!record.is_of_texts() || !score) return score.value_or(0);
  double worst = 0, best = 0;  // gains over this score
  for (int row = 0; row <= matrix.tasks(); ++row) {
    const double gain = matrix.gain(task, matrix.at(row, task), score).value_or(0);
    worst = std::min(worst, gain);
    best = std::max(best, gain);
  }
  return best > worst ? -worst / (best - worst) : 1;
}

void Record::Learner::bind(RecordFields& f) {
  f("name", name);
  f("family", family);
  f("paper", paper);
}

void Record::Model::bind(RecordFields& f) {
  f("name", name, "as the recipe names it");
  f("about", about, Presence::optional, "its architecture and sizes");
  f("hash", hash, "the content hash of its weights");
  f("image_size", image_size, Whole::count, "side in pixels; 0 for text");
}

void Record::Data::bind(RecordFields& f) {
  f("name", name);
  f("train_samples", train_samples, Whole::count);
  f("test_samples", test_samples, Whole::count);
  f("skipped", skipped, Whole::count, "samples left out because they could not be read");
}

void Record::Scenario::bind(RecordFields& f) {
  f("name", name);
  f("granted", granted, {}, "what the learner was allowed to know");
}

void Record::Versions::bind(RecordFields& f) {
  f("patina", patina);
  f("libtorch", libtorch);
  f("compiler", compiler);
}

void Record::Machine::bind(RecordFields& f) {
  f("cpu", cpu);
  f("cores", cores, Whole::count);
  f("threads", threads, Whole::count, "that computed");
  f("memory_bytes", memory_bytes, Whole::count, "installed");
  f("device", device);
}

void Record::Workers::bind(RecordFields& f) {
  f("count", count, Whole::count, "processes that did the run together");
  f("sent_bytes", sent_bytes, Whole::count, "by the first of them to the others");
}

void Record::Seeds::bind(RecordFields& f) {
  f("seed", seed, Whole::any, "of everything random that has no seed of its own");
  f("class_order_seed", class_order_seed, Whole::any, "-1: the data set's own order");
}

void Record::Probe::bind(RecordFields& f) {
  f("data_set", data_set, "the task's");
  f("metric", metric, "by the names of [metrics.md](metrics.md), or `likelihood`, `answer_loss`");
  f("better", better, "which scores are good", {"higher", "lower"});
}

void Record::Drift::bind(RecordFields& f) {
  f("from_base", from_base, Scale::number,
    "KL divergence from the model before learning in nats, a mean over tokens of held prompts");
  f("from_before", from_before, Scale::number, "the same from the model before the task");
  f("general_loss", general_loss, Scale::number,
    "mean -log p of a token of the general text, in nats");
  f("general_bits_per_byte", general_bits_per_byte, Scale::number, "the same in bits a byte");
}

void Record::Task::bind(RecordFields& f) {
  f("classes", classes, {}, "names of its classes");
  f("train_samples", train_samples, Whole::count);
  f("test_samples", test_samples, Whole::count);
  f.object("probe", probe, Presence::optional,
           "how the task is scored, if it is answered with texts");
}

void Record::Moment::bind(RecordFields& f) {
  f("samples", samples, Whole::count, "of the stream seen before");
  f("classes", classes, Whole::count, "met so far");
  f("accuracy", accuracy, Scale::fraction, "over their test samples");
}

void Record::TaskSeconds::bind(RecordFields& f) {
  f.seconds("train", train);
  f.seconds("evaluate", evaluate);
}

void Record::Seconds::bind(RecordFields& f, size_t tasks) {
  f.seconds("total", total, "of the run; what its parts leave is shown as \"other\"");
  f.seconds("load", load);
  f.seconds("train", train);
  f.seconds("evaluate", evaluate);
  f.seconds("checkpoint", checkpoint);
  f.list("per_task", per_task, up_to(tasks, "T"), "of each task learned");
}

void Record::Parameters::bind(RecordFields& f, size_t tasks) {
  f("total", total, Whole::count, "of the model with its adaptations and head");
  f("trainable", trainable, Whole::count, "those that receive gradients");
  f("stored", stored, Whole::count,
    "kept beside the untouched backbone: adaptations, head, statistics");
  f("stored_bytes_after_task", stored_bytes_after_task, up_to(tasks, "T"),
    "bytes kept beside the backbone after each task, stored samples included");
}

void Record::Passes::bind(RecordFields& f) {
  f("forward", forward, Whole::count);
  f("backward", backward, Whole::count);
}

void Record::Flops::bind(RecordFields& f) {
  f.object("train", train);
  f.object("evaluate", evaluate);
}

void Record::Cache::bind(RecordFields& f) {
  f("hits", hits, Whole::count, "samples whose features were kept");
  f("misses", misses, Whole::count, "samples asked for in vain");
  f("encoded", encoded, Whole::count, "samples that went through the network");
  f("saved_forward_passes", saved_forward_passes, Whole::count, "batches that needed none");
}

void Record::Images::bind(RecordFields& f) {
  f("decoded", decoded, Whole::count);
  f("cached", cached, Whole::count, "decoded before and kept");
  f("never_needed", never_needed, Whole::count,
    "its features were known, so nobody read its pixels");
}

void Record::Chosen::bind(RecordFields& f) {
  f("values", values, {}, "what was chosen, as `key=value`");
  f("candidates", candidates, {}, "what each was chosen of, as `key=value,value`");
  f("combinations", combinations, Whole::count, "tried");
  f("by", by, "the metric that was compared");
  f("score", score, Scale::number, "its value for the chosen combination, on the validation split");
  f("validation_percent", validation_percent, Scale::number,
    "the part of each class's training samples that was the validation split");
}

void Record::Engine::bind(RecordFields& f) {
  f("kind", kind, Presence::optional,
    "what computed the blocks: `plain`, or `packed` with its precision and instruction set");
  f.object("flops", flops, Presence::optional,
           "operations of matrix products, two for a multiplication and an addition, counted from "
           "their shapes");
  f.object("cache", cache, Presence::optional_or_null,
           "the feature store, since the run was last started; `null` without one");
  f.object("images", images, Presence::optional,
           "each time an image was asked for, since the run was last started; all 0 for texts");
}

}  // namespace patina
