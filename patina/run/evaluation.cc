#include "patina/run/evaluation.h"

#include <algorithm>
#include <cmath>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/checkpoint/load.h"
#include "patina/ops.h"
#include "patina/scenario/label_set.h"

namespace patina {

namespace {

constexpr uint64_t kMostGeneralBytes = uint64_t{1} << 20;

Classifier scores_of(const Learner& learner) {
  return [&](const Question& asked) { return learner.scores(asked); };
}

// The first tensor of a learner's state that holds NaN or infinite values; nothing if none does.
std::optional<std::string> ruined(Learner& learner) {
  Archive archive;
  learner.state(archive);
  for (const auto& [name, tensor] : archive.tensors())
    if (at::isFloatingType(tensor.scalar_type()) && !tensor.isfinite().all().item<bool>())
      return name;
  return {};
}

// A loss is looked at before its step, so weights that the last step ruined show in scores only,
// and NaN would be ranked as a class like any other. `best` [B]: each sample's largest score.
void require_finite(const Tensor& best, Learner& learner, const std::string& label) {
  const Tensor finite = best.isfinite();
  if (finite.all().item<bool>()) return;
  const auto name = ruined(learner);
  const double found = best.masked_select(~finite)[0].item<double>();
  fail(ErrorKind::model, "{}: the scores became {}{}: {}", label, found,
       name ? fmt::format("; the learner's {} is not finite", *name) : "",
       learner.trainable().empty() ? "look for features that are not finite"
                                   : "lower training.lr or set training.clip_norm");
}

}  // namespace

Evaluation::Evaluation(const Scenario& scenario, std::unique_ptr<TextMeasures> texts)
    : scenario_(scenario),
      matrix_(scenario.tasks()),
      top5_(scenario.tasks()),
      texts_(std::move(texts)) {
  if (texts_)
    for (const auto& probe : texts_->probes) matrix_.directions.push_back(probe->direction());
  for (int task = 0; task < scenario.tasks(); ++task) {
    matrix_.samples.push_back(scenario.test(task).size());
    top5_.samples.push_back(scenario.test(task).size());
  }
}

// [B, classes] from the scores of every domain's classes: the best of each class.
Tensor Evaluation::best_domain(const Tensor& scores) const {
  if (!scenario_.domains_apart()) return scores;
  return scores.reshape({scores.size(0), -1, int64_t(scenario_.classes().size())}).amax(1);
}

Tensor Evaluation::predict(Learner& learner, const Classifier& classifier, Trainer& trainer,
                           const Dataset& test, int task, const std::string& label,
                           const Tensor& among) const {
  // The best score, then the classes.
  const Tensor rows = trainer.each_row(test, label, [&](const Batch& batch) {
    Question asked = batch;
    if (scenario_.grant().task_id_at_test) asked.task = at::full({batch.size()}, task, at::kLong);
    const Tensor scores = best_domain(on_host(classifier(asked))).index_select(1, among);
    const auto [values, places] = at::topk(scores, std::min<int64_t>(5, scores.size(1)), -1);
    const Tensor classes = among.index_select(0, places.flatten()).view_as(places);
    return at::cat({values.slice(1, 0, 1).to(at::kDouble), classes.to(at::kDouble)}, 1);
  });
  if (!rows.defined()) return at::empty({0, 1}, at::kLong);
  require_finite(rows.select(1, 0), learner, label);
  return rows.slice(1, 1).to(at::kLong);
}

void Evaluation::measure(Learner& learner, Trainer& trainer, int after) {
  PATINA_REQUIRE(after == rows_, "row {} measured after row {}", after, rows_ - 1);
  if (after > 0) learner.before_scores(trainer);
  if (texts_) return ask(*learner.generator(), after);
  NoGrad no_grad;
  const Classifier scores = scores_of(learner);
  const Classifier by_name =
      after < scenario_.tasks() ? learner.by_name(scenario_.classes()) : nullptr;
  std::vector<Tensor> predicted, in_top5;
  for (int task = 0; task < scenario_.tasks(); ++task) {
    const Dataset& test = scenario_.test(task);
    predicted.push_back(at::full({test.size()}, -1, at::kLong));
    in_top5.push_back(at::zeros({test.size()}, at::kByte));
    // Among all classes a learner that knows names is always asked with those to come.
    const bool by_all_names = by_name && label_set(scenario_) == LabelSet::all;
    const Classifier& classifier = met(learner, task, after) && !by_all_names ? scores : by_name;
    if (!classifier) continue;
    const std::string when = after == 0 ? "before learning" : fmt::format("after task {}", after);
    const Tensor top =
        predict(learner, classifier, trainer, test, task,
                fmt::format("{}: test {}", when, task + 1), competing(task, after, by_all_names));
    predicted.back() = top.select(1, 0).contiguous();
    in_top5.back() = (top == tensor_of(test.targets()).unsqueeze(1)).any(1).to(at::kByte);
  }
  predicted_.push_back(at::cat(predicted));
  in_top5_.push_back(at::cat(in_top5));
  fill(rows_++);
}

void Evaluation::ask(const Generator& learner, int after) {
  answers_.assign(size_t(scenario_.tasks()), {});
  const std::string when = after == 0 ? "before learning" : fmt::format("after task {}", after);
  for (int task = 0; task < scenario_.tasks(); ++task) {
    if (task >= after && !texts_->ahead) continue;
    const Probe& probe = *texts_->probes[size_t(task)];
    const std::string label = fmt::format("{}: {} of task {}", when, probe.metric(), task + 1);
    const Score score =
        probe.ask(learner, texts_->asking, scenario_.test(task), label, answers_[size_t(task)]);
    if (score && !std::isfinite(*score))
      fail(ErrorKind::model, "{} became {}: lower training.lr or set training.clip_norm", label,
           *score);
    matrix_.set(after, task, score);
  }
  texts_->drift.measure(learner);
  ++rows_;
}

void Evaluation::measure_now(Learner& learner, Trainer& trainer) {
  learner.before_scores(trainer);
  NoGrad no_grad;
  const int64_t met = trainer.met();
  AnytimePoint point{.samples = trainer.observed(),
                     .right = std::vector<int64_t>(size_t(met)),
                     .tested = std::vector<int64_t>(size_t(met))};
  for (int task = 0; task < scenario_.tasks(); ++task) {
    const Dataset& test = scenario_.test(task);
    std::vector<int64_t> of_met;
    for (int64_t i = 0; i < test.size(); ++i)
      if (test.target(i) < met) of_met.push_back(i);
    if (of_met.empty()) continue;
    const Dataset asked = test.select(of_met);
    const Tensor top =
        predict(learner, scores_of(learner), trainer, asked, task,
                fmt::format("after {} samples: test {}", point.samples, task + 1), at::arange(met));
    const auto found = items_of(top.select(1, 0).contiguous());
    for (size_t i = 0; i < found.size(); ++i) {
      const auto target = size_t(asked.target(int64_t(i)));
      ++point.tested[target];
      point.right[target] += int64_t(target) == found[i];
    }
  }
  curve_.push_back(std::move(point));
}

void Evaluation::end_curve(int64_t samples) {
  PATINA_REQUIRE(rows_ == scenario_.tasks() + 1, "a stream ends with its last row");
  const auto classes = scenario_.classes().size();
  AnytimePoint point{.samples = samples,
                     .right = std::vector<int64_t>(classes),
                     .tested = std::vector<int64_t>(classes)};
  const auto found = items_of(predicted_.back());
  auto next = found.begin();
  for (int task = 0; task < scenario_.tasks(); ++task)
    for (const int64_t target : scenario_.test(task).targets()) {
      ++point.tested[size_t(target)];
      point.right[size_t(target)] += target == *next++;
    }
  curve_.push_back(std::move(point));
}

// Whether the learner has scores for classes of a task. Before learning it has them if all tasks
// have the classes that were announced with the first, and its head answers as it was drawn.
bool Evaluation::met(const Learner& learner, int task, int after) const {
  const bool announced = after == 0 && scenario_.grant().boundaries && scenario_.classes_stay() &&
                         learner.answers_untrained();
  const int64_t seen = scenario_.seen_after(announced ? 1 : after);
  return std::ranges::any_of(scenario_.task_classes(task), [&](int64_t c) { return c < seen; });
}

// The classes that compete for a test sample of `task`: if the task is known at test time, its own;
// otherwise all seen, and before the task is learned those that will be seen then, so that the
// entries of a column up to that one are comparable. `all`: those of the whole stream.
Tensor Evaluation::competing(int task, int after, bool all) const {
  if (label_set(scenario_) == LabelSet::own) return tensor_of(scenario_.task_classes(task));
  if (all) return at::arange(int64_t(scenario_.classes().size()));
  return at::arange(std::min(scenario_.seen_after(std::max(after, task + 1)),
                             int64_t(scenario_.classes().size())));
}

void Evaluation::fill(int after) {
  const auto row = size_t(after);
  const auto found = items_of(predicted_[row]);
  const auto in_top5 = items_of(in_top5_[row].to(at::kLong));
  size_t first = 0;
  for (int task = 0; task < scenario_.tasks(); ++task) {
    const auto& targets = scenario_.test(task).targets();
    const bool asked = !targets.empty() && found[first] >= 0;
    int64_t right = 0, among = 0;
    for (size_t i = 0; i < targets.size(); ++i) {
      right += found[first + i] == targets[i];
      among += in_top5[first + i];
    }
    first += targets.size();
    const auto part = [&](int64_t hits) {
      return asked ? Score(double(hits) / double(targets.size())) : std::nullopt;
    };
    matrix_.set(after, task, part(right));
    top5_.set(after, task, part(among));
  }
}

Score Evaluation::accuracy_after(int after) const {
  if (after >= rows_ || texts_) return std::nullopt;
  double right = 0, all = 0;
  for (int task = 0; task < after; ++task) {
    const double samples = double(matrix_.samples[size_t(task)]);
    if (samples == 0) continue;
    right += *matrix_.at(after, task) * samples;
    all += samples;
  }
  return all > 0 ? Score(right / all) : std::nullopt;
}

void Evaluation::state(Archive& a) {
  a("rows", rows_);
  if (texts_) return state_of_texts(a);
  a("predicted", predicted_);
  a("in_top5", in_top5_);
  int64_t points = int64_t(curve_.size());
  a("points", points);
  curve_.resize(size_t(points));
  for (size_t i = 0; i < curve_.size(); ++i) {
    const std::string key = fmt::format("point_{}.", i);
    a(key + "samples", curve_[i].samples);
    a(key + "right", curve_[i].right);
    a(key + "tested", curve_[i].tested);
  }
  if (a.loading())
    for (int after = 0; after < rows_; ++after) fill(after);
}

// NaN stands for an undefined score.
void Evaluation::state_of_texts(Archive& a) {
  std::vector<double> scores;
  for (int after = 0; after < rows_ && !a.loading(); ++after)
    for (int task = 0; task < scenario_.tasks(); ++task)
      scores.push_back(matrix_.at(after, task).value_or(std::nan("")));
  Tensor stored = at::empty({int64_t(scores.size())}, at::kDouble);
  std::ranges::copy(scores, stored.data_ptr<double>());
  a("scores", stored);
  a("drift", texts_->drift);
  if (!a.loading()) return;
  if (stored.numel() != int64_t(rows_) * scenario_.tasks())
    fail(ErrorKind::state, "{} scores of {} rows", stored.numel(), rows_);
  for (int64_t i = 0; i < stored.numel(); ++i) {
    const double score = stored.data_ptr<double>()[i];
    matrix_.set(int(i / scenario_.tasks()), int(i % scenario_.tasks()),
                std::isnan(score) ? Score() : score);
  }
}

void Evaluation::write_answers(const fs::path& path) const {
  std::string lines;
  for (size_t task = 0; task < answers_.size(); ++task)
    for (const auto& [origin, sample] : answers_[task]) {
      const Json line = {{"task", task + 1},
                         {"sample", origin},
                         {"answer", sample.prediction},
                         {"references", sample.references}};
      lines += line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    }
  if (!lines.empty()) write_text(path, lines);
}

void Evaluation::write_predictions(const fs::path& path) const {
  std::vector<Tensor> targets;
  for (int task = 0; task < scenario_.tasks(); ++task)
    targets.push_back(tensor_of(scenario_.test(task).targets()));
  const Tensor all = at::cat(targets);
  std::map<std::string, StoredTensor> stored = {{"target", to_stored(all)}};
  for (int after = 0; after < rows_; ++after)
    stored[fmt::format("after_task_{}", after)] = to_stored(predicted_[size_t(after)]);
  write_safetensors(path, stored);
}

int64_t Evaluation::last_point() const {
  return curve_.empty() ? 0 : curve_.back().samples;
}

std::string Evaluation::told_after(const Task& task) const {
  if (const Score accuracy = accuracy_after(task.index + 1))
    return fmt::format("accuracy over {} classes {:.2f} %",
                       std::min(task.seen.size(), scenario_.classes().size()), 100 * *accuracy);
  if (!texts_) return "";
  const auto score = matrix_.at(task.index + 1, task.index);
  return fmt::format("{} {}, {:.4f} nats a token from the base model",
                     texts_->probes[size_t(task.index)]->metric(),
                     score ? fmt::format("{:.4f}", *score) : "undefined",
                     texts_->drift.points().back().from_base);
}

std::unique_ptr<TextMeasures> text_measures(const Recipe& recipe, const Backbone& backbone,
                                            ThreadPool& pool, const Scenario& scenario,
                                            Workers* workers) {
  if (!recipe.learner.row().generates) return nullptr;
  const EvaluationOptions& options = recipe.evaluation;
  const Asking asking{.backbone = backbone,
                      .pool = pool,
                      .text = recipe.text,
                      .max_tokens = options.max_tokens,
                      .batch = options.probe_batch,
                      .workers = workers};
  const std::string general =
      options.general_text.empty() ? "" : read_text(options.general_text, kMostGeneralBytes);
  return std::make_unique<TextMeasures>(
      TextMeasures{.asking = asking,
                   .probes = probes_of(options, scenario),
                   .ahead = options.ahead,
                   .drift = Drift(asking, scenario, options.drift_tokens, general)});
}

}  // namespace patina
