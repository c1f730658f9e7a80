// Session: the main entry point for using a model in a program. A backbone with what was learned on
// it: it can learn, predict or answer, be saved to an artefact and opened again.
//
//   auto session = Session::create(load_backbone({.name = "starter"}), {.learner = "ranpac"});
//   session.learn(images, labels, {"cat", "dog", "cow"});
//   const auto top = session.predict(image, {.top = 5});
//   session.save("pets.patina");
//
// A learner that answers with text learns instructions or plain text, and is asked:
//
//   session.learn(instructions, "customer letters");
//   session.answer("Summarise: ...").text;
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "patina/base/work.h"
#include "patina/data/feed.h"
#include "patina/data/source.h"
#include "patina/eval/matrix.h"
#include "patina/models/answer_text.h"
#include "patina/models/backbone.h"
#include "patina/models/catalog.h"
#include "patina/session/engine.h"
#include "patina/session/settings.h"

namespace patina {

struct SessionOptions {
  std::string learner = "simplecil";
  Settings options = {};   // of the learner: {"projection", 2000}; others have the paper's values
  Settings training = {};  // {"epochs", 5}; others have the learner's defaults
  std::vector<std::string> overrides = {};  // further options in the syntax of `--set`:
                                            // "training.epochs=5"
  int64_t seed = 1993;
  TransformOptions train_transform = {}, test_transform = {};  // for images
  TextOptions text = {};                                       // for texts
  EngineOptions engine = {};
  bool cache = true;     // cache frozen features and decoded images in memory
  int data_threads = 0;  // for decoding and transforms; 0: one per core. Does not change results.
  std::shared_ptr<Observer> observer = nullptr;  // of progress and warnings; null: the caller's
};

/// A class and its score. Scores of different learners are not comparable.
struct Prediction {
  std::string name;
  int64_t number = 0;  // number of the class, in the order of learning
  double score = 0;
};

struct PredictOptions {
  int64_t top = 1;    // number of classes to return, best first; fewer if fewer are known
  int64_t task = -1;  // the task of the samples, from 0, if the learner knows tasks; -1: unknown
};

/// Results for samples with known classes.
struct Assessment {
  struct Class {
    std::string name;
    bool known = false;  // to the session; `right` is 0 for another
    int64_t samples = 0, right = 0;
    std::vector<int64_t> predicted = {};  // how many samples were taken for each of `answers`
  };
  int64_t samples = 0, right = 0;
  std::vector<Class> classes;        // of the samples
  std::vector<std::string> answers;  // the classes that the session knows

  double accuracy() const { return samples > 0 ? double(right) / double(samples) : 0; }
};

/// How a prompt is written for the network.
enum class PromptForm {
  learned,    // as the samples that were learned: through text.prompt, or as plain text
  continued,  // as it is, to be continued
  chat,       // through the model's chat template
};

struct AnswerOptions {
  GenerateOptions decoding = {};  // greedy, at most 128 tokens; draws depend on seed and prompt
  OutputOptions output = {};      // where an answer ends, and log-probabilities
  PromptForm form = PromptForm::learned;
  bool cut = false;    // of a prompt that is too long the front is cut, as in training
  int64_t batch = 16;  // prompts in a pass
  /// Called with every piece of an answer as it is written, and the number of its prompt. What it
  /// throws ends the call.
  std::function<void(int64_t prompt, const std::string& piece)> said = {};
};

/// A text that answers a prompt.
struct Answer {
  std::string text;
  int64_t prompt_tokens = 0, tokens = 0;
  int64_t cut = 0;         // tokens of the prompt that were left out
  bool ended = false;      // the model or a text in `stop` ended it; otherwise max_tokens or the
                           // model's length did
  std::string stopped_by;  // that text; "": none did
  std::vector<TokenLogprob> logprobs;         // of its tokens, if asked for
  std::vector<TokenLogprob> prompt_logprobs;  // of the prompt's, from the second on
};

struct AnswerEvalOptions {
  std::vector<std::string> probes = {};  // as in a run's evaluation.probes; empty: exact_match,
                                         // rouge_l and answer_loss, of plain text bits_per_byte
  int64_t max_tokens = 64;               // of a written answer
  int64_t batch = 16;
};

/// Scores of answers.
struct AnswerAssessment {
  struct Probe {
    std::string metric;
    Score score;  // undefined where the metric is
    Direction better = Direction::higher;
  };
  int64_t samples = 0;
  std::vector<Probe> probes;
};

struct SaveOptions {
  bool with_backbone = false;  // the file is then sufficient for predicting
  bool bf16 = false;           // embed the weights as bf16: half the size, rounded
  bool samples = true;  // with the samples of earlier tasks that the learner keeps. Without them it
                        // predicts, but does not learn further
  std::string journal = {};  // how far a server's journal has been learned; empty: as in the file
                             // that the session was opened from
};

/// Features of samples, as the backbone computes them without what was learned beside it.
struct Features {
  Tensor values;       // [N,D]
  int64_t tokens = 0;  // of all texts
};

struct OpenOptions {
  std::unique_ptr<Backbone> backbone = nullptr;  // null: the embedded one, or loaded as before
  std::string weights;  // the weights' path; empty: the path stored in the artefact
  EngineOptions engine = {};
  bool cache = true;
  int data_threads = 0;
  std::shared_ptr<Observer> observer = nullptr;
};

/// In what form what was learned is written for other programs.
struct ExportOptions {
  std::string to = "safetensors";  // "peft": a LoRA's folder; "gguf": a LoRA for llama.cpp;
                                   // "safetensors": the whole network, with the LoRA in its
                                   // weights; "onnx": a vision transformer's graph with its scores
  std::string dtype = "fp32";      // of the whole network's weights: "fp32", "bf16", "fp16"
  double limit = -1;  // the largest difference of scores on probes that is accepted, relative to
                      // the largest score; negative: what the type's rounding explains
};

struct Exported {
  std::vector<std::string> files;     // in the folder
  int64_t probes = 0;                 // inputs whose scores were compared
  double difference = 0, scores = 0;  // the largest difference, and the largest score
};

/// `const` functions may be called from any number of threads, also while another thread learns:
/// they see the complete state before that call. One thread learns at a time; further calls wait. A
/// call that throws changes nothing. All misuse throws Error.
class Session {
 public:
  /// Throws Error(recipe) if an option is unknown or the learner cannot use the network.
  static Session create(std::unique_ptr<Backbone> backbone, const SessionOptions& options = {});
  /// Throws Error(state) if the file is damaged, has another format, or was made with another
  /// backbone.
  static Session open(const std::filesystem::path& path, OpenOptions options = {});
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  /// Learns one task: the classes of the samples, numbered after the known ones. Throws
  /// Error(scenario) if a class is already known and the learner learns every class only once.
  /// Of a learner that answers with text, the samples' texts are learned. `name` is the task's, for
  /// people.
  void learn(const std::shared_ptr<const Source>& source, const std::string& name = "");
  /// images [N,3,H,W], uint8 or float in [0,1], not transformed; `labels` are indices into
  /// `classes`.
  void learn(const Tensor& images, const std::vector<int64_t>& labels,
             const std::vector<std::string>& classes);
  /// JPEG or PNG files.
  void learn(const std::vector<std::filesystem::path>& files, const std::vector<int64_t>& labels,
             const std::vector<std::string>& classes);
  /// Forgets a class, as if it had never been learned. Throws Error(usage) if the class is unknown
  /// or the method does not support it.
  void forget(const std::string& name);

  /// Adds what another session learned, as if this one had learned its samples, too: classes are
  /// united by name, this session's first. For methods whose state is sums over samples (simplecil,
  /// fecam, ranpac, recursive_ridge, rail). Throws Error(usage) for another method, or if backbone,
  /// options, transforms or seed differ.
  void merge(const Session& other);

  /// The best classes for an image [3,H,W] (as for `learn`) or a file.
  std::vector<Prediction> predict(const Tensor& image, const PredictOptions& options = {}) const;
  std::vector<Prediction> predict(const std::filesystem::path& file,
                                  const PredictOptions& options = {}) const;
  std::vector<Prediction> predict(const Text& text, const PredictOptions& options = {}) const;
  /// The same for every sample.
  std::vector<std::vector<Prediction>> predict(const Source& source,
                                               const PredictOptions& options = {}) const;
  /// Counts correct predictions. Classes are compared by name; `task` as in PredictOptions.
  Assessment eval(const Source& source, int64_t task = -1) const;

  /// Features of every sample.
  Features features(const Source& source) const;

  /// The answer to an instruction. Before anything is learned, the pre-trained network answers.
  /// Throws Error(usage) if the learner chooses among classes, Error(data) for a prompt that is
  /// empty or too long.
  Answer answer(const std::string& prompt, const AnswerOptions& options = {}) const;
  /// To an instruction with an input, or a conversation, which ends with a turn of the user.
  Answer answer(const Exchange& prompt, const AnswerOptions& options = {}) const;
  /// To every sample: instructions, conversations or texts. Their own answers are not read.
  std::vector<Answer> answer(const Source& prompts, const AnswerOptions& options = {}) const;
  /// What follows prompts of token ids, which are read as they are: nothing is added to them, and
  /// none is cut. Throws Error(data) for a prompt without tokens, with ids outside the vocabulary,
  /// or too long.
  std::vector<Answer> answer_tokens(const std::vector<std::vector<int64_t>>& prompts,
                                    const AnswerOptions& options = {}) const;
  /// The text of token ids. Throws like answer_tokens.
  std::string text_of(const std::vector<int64_t>& ids) const;
  /// Scores the answers to samples that have answers, or plain text.
  AnswerAssessment eval_answers(const Source& source, const AnswerEvalOptions& options = {}) const;

  bool reads_texts() const;  // whether its samples are texts; otherwise they are images
  bool answers() const;      // whether the learner answers with text; otherwise it chooses classes
  std::vector<std::string> classes() const;     // in the order of learning; none if it answers
  std::vector<std::string> task_names() const;  // of each task; "" where it has none
  int64_t tasks() const;
  std::string learner() const;
  std::string about() const;      // a one-line description of the backbone
  bool keeps_samples() const;     // of earlier tasks, to learn further
  std::string journal() const;    // SaveOptions::journal of the file that it was opened from
  bool carried_backbone() const;  // whether the file that it was opened from holds the backbone

  /// Writes the artefact; the file appears under its name once it is complete.
  void save(const std::filesystem::path& path, const SaveOptions& options = {}) const;

  /// Writes a folder that other programs load, once its scores on probes were compared with those
  /// of this session. Throws Error(usage) if the method's state has no such form, and Error(model)
  /// if the scores differ by more than the limit; nothing is written then.
  Exported export_to(const std::filesystem::path& folder, const ExportOptions& options = {}) const;

 private:
  struct State;
  explicit Session(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace patina
