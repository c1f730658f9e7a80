// What a session is asked: classes, answers, and how good they are.
#include <algorithm>

#include "patina/base/error.h"
#include "patina/data/sample_access.h"
#include "patina/ops.h"
#include "patina/session/feed.h"
#include "patina/session/probes.h"
#include "patina/session/session_state.h"

namespace patina {

namespace {

constexpr int64_t kBatch = 128;  // samples per batch of predictions

}  // namespace

void Session::State::check_chooses() const {
  if (row().generates)
    fail(ErrorKind::usage,
         "{} answers with text and knows no classes: ask it for an answer (Session::answer, "
         "Session::eval_answers)",
         row().name);
}

Answering Session::State::answering(const Model& model) const {
  const Generator* learner = model.rig->learner().generator();
  if (!learner)
    fail(ErrorKind::usage,
         "{} chooses among classes and writes no texts: ask it for a class (Session::predict, "
         "Session::eval)",
         row().name);
  return {.backbone = model.backbone.get(),
          .learner = learner,
          .text = recipe->text,
          .continues = model.samples->answer_kind() == AnswerKind::nothing};
}

// For each sample, the scores of all classes [K]: the highest one of each class's columns.
std::vector<Tensor> Session::State::scores(const Model& model, const Source& source,
                                           int64_t task) const {
  const Call call(observer);
  check_chooses();
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

Features Session::features(const Source& source) const {
  const Call call(state_->observer);
  const auto model = state_->model();
  if (source.size() == 0) fail(ErrorKind::data, "there are no samples to compute features of");
  const auto feed = make_feed(*model->backbone, source, state_->recipe->test_transform,
                              state_->recipe->text, "test_transform", state_->images);
  Features found;
  found.values =
      features_of(*model->backbone, *feed, source, model->rig->pool(), kBatch, &found.tokens);
  return found;
}

Answer Session::answer(const std::string& prompt, const AnswerOptions& options) const {
  return answer(Exchange{.turns = {{"user", prompt}}, .input = "", .answers = {}}, options);
}

Answer Session::answer(const Exchange& prompt, const AnswerOptions& options) const {
  return answer(*prompts({prompt}), options).front();
}

std::vector<Answer> Session::answer(const Source& asked, const AnswerOptions& options) const {
  const Call call(state_->observer);
  const auto model = state_->model();
  const Answering by = state_->answering(*model);
  if (!asked.is_text())
    fail(ErrorKind::usage, "{} answers texts, and these are images", state_->row().name);
  return answers_to(asked, by, options);
}

std::vector<Answer> Session::answer_tokens(const std::vector<std::vector<int64_t>>& prompts,
                                           const AnswerOptions& options) const {
  const Call call(state_->observer);
  const auto model = state_->model();
  return answers_to(prompts, state_->answering(*model), options);
}

std::string Session::text_of(const std::vector<int64_t>& ids) const {
  const auto model = state_->model();
  const Backbone& network = *state_->answering(*model).backbone;
  check_ids(ids, network, "the tokens");
  return network.tokenizer()->decode(ids);
}

AnswerAssessment Session::eval_answers(const Source& source,
                                       const AnswerEvalOptions& options) const {
  const Call call(state_->observer);
  const auto model = state_->model();
  const Answering by = state_->answering(*model);
  const AnswerKind kind = source.answer_kind();
  if (kind == AnswerKind::label)
    fail(ErrorKind::usage, "{} answers with texts, and the answers of these samples are classes",
         state_->row().name);
  if (source.size() == 0) fail(ErrorKind::data, "there are no samples to test on");
  const bool plain = kind == AnswerKind::nothing;
  auto names = options.probes;
  if (names.empty())
    names = plain ? std::vector<std::string>{"bits_per_byte"}
                  : std::vector<std::string>{"exact_match", "rouge_l", "answer_loss"};
  std::vector<std::unique_ptr<Probe>> probes;
  for (const auto& name : names) probes.push_back(make_probe(name, plain));
  const Asking asking{.backbone = *model->backbone,
                      .pool = model->rig->pool(),
                      .text = by.text,
                      .max_tokens = options.max_tokens,
                      .batch = options.batch};
  const auto scores = ask_all(probes, *by.learner, asking, whole(source), "eval");
  AnswerAssessment result{.samples = source.size(), .probes = {}};
  for (size_t i = 0; i < probes.size(); ++i)
    result.probes.push_back({probes[i]->metric(), scores[i], probes[i]->direction()});
  return result;
}

Assessment Session::eval(const Source& source, int64_t task) const {
  if (source.size() == 0) fail(ErrorKind::data, "there are no samples to test on");
  const auto model = state_->model();
  const auto scores = state_->scores(*model, source, task);
  Assessment result{.answers = model->classes};
  for (const auto& name : source.classes())
    result.classes.push_back({.name = name,
                              .known = std::ranges::count(model->classes, name) > 0,
                              .predicted = std::vector<int64_t>(model->classes.size())});
  for (int64_t i = 0; i < source.size(); ++i) {
    auto& own = result.classes.at(size_t(source.label(i)));
    const int64_t found = scores[size_t(i)].argmax().item<int64_t>();
    const bool right = model->classes[size_t(found)] == own.name;
    ++own.samples, ++result.samples, ++own.predicted[size_t(found)];
    own.right += right, result.right += right;
  }
  return result;
}

}  // namespace patina
