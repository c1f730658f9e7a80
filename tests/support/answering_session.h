// Sessions that learn toy answers on a small decoder.
#pragma once

#include "patina/session/session.h"
#include "tests/support/toy_answers.h"

namespace patina {

inline EngineOptions plain_fp32() {
  EngineOptions engine;
  engine.kind = "plain";
  engine.precision = "fp32";
  return engine;
}

inline const Settings kTraining = {{"epochs", 3}, {"batch_size", 4}, {"lr", 0.01}};

inline Session answering(const std::string& learner, Settings options = {},
                         std::unique_ptr<Backbone> network = toy_decoder()) {
  return Session::create(std::move(network), {.learner = learner,
                                              .options = std::move(options),
                                              .training = kTraining,
                                              .seed = 7,
                                              .engine = plain_fp32()});
}

inline Session opened(const fs::path& path, std::unique_ptr<Backbone> network = toy_decoder()) {
  OpenOptions options;
  options.backbone = std::move(network);
  options.engine = plain_fp32();
  return Session::open(path, std::move(options));
}

inline std::shared_ptr<const Source> lesson(int64_t set) {
  return std::make_shared<ToyAnswers>(set, 8);
}

inline AnswerOptions few() {
  return {.decoding = {.max_tokens = 3}};
}

inline std::vector<std::string> answers_of(const Session& session, int64_t set) {
  std::vector<std::string> texts;
  for (const Answer& one : session.answer(ToyAnswers(set, 4), few())) texts.push_back(one.text);
  return texts;
}

inline double loss_of(const Session& session, int64_t set) {
  return *session.eval_answers(ToyAnswers(set, 4), {.probes = {"answer_loss"}}).probes[0].score;
}

}  // namespace patina
