// Session: one door to everything that uses a model. A backbone and what was learned on it: it
// learns, predicts, is saved to an artefact and opened again.
//
//   auto session = Session::create(load_backbone({.name = "starter"}), {.learner = "ranpac"});
//   session.learn(images, labels, {"cat", "dog", "cow"});
//   const auto top = session.predict(image, {.top = 5});
//   session.save("pets.patina");
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "patina/base/work.h"
#include "patina/data/feed.h"
#include "patina/data/source.h"
#include "patina/models/backbone.h"
#include "patina/models/catalog.h"
#include "patina/session/engine.h"
#include "patina/session/settings.h"

namespace patina {

struct SessionOptions {
  std::string learner = "simplecil";
  Settings options = {};   // of the learner: {"projection", 2000}; the rest as the paper has it
  Settings training = {};  // {"epochs", 5}; the rest as the learner's row says
  std::vector<std::string> overrides = {};  // more of both, as `--set`: "training.epochs=5"
  int64_t seed = 1993;
  TransformOptions train_transform = {}, test_transform = {};  // where samples are images
  TextOptions text = {};                                       // where they are texts
  EngineOptions engine = {};
  bool cache = true;     // frozen features and decoded images are kept in memory
  int data_threads = 0;  // that decode and transform; 0: one per core. Changes no result.
  std::shared_ptr<Observer> observer = nullptr;  // of progress and warnings; null: the caller's
};

/// A class and how much speaks for it. Scores of different learners do not compare.
struct Prediction {
  std::string name;
  int64_t number = 0;  // of the class, in the order in which classes were learned
  double score = 0;
};

struct PredictOptions {
  int64_t top = 1;    // so many classes, the best first; fewer where fewer are known
  int64_t task = -1;  // which task the samples are of, from 0, where that was told in learning
};

/// What a session says of samples whose classes are known.
struct Assessment {
  struct Class {
    std::string name;
    int64_t samples = 0, right = 0;
  };
  int64_t samples = 0, right = 0;
  std::vector<Class> classes;  // of the samples; right is 0 where the session does not know one

  double accuracy() const { return samples > 0 ? double(right) / double(samples) : 0; }
};

struct SaveOptions {
  bool with_backbone = false;  // the file is then all that predicting needs
  bool bf16 = false;           // the embedded weights in half the room; rounds them
};

struct OpenOptions {
  std::unique_ptr<Backbone> backbone =
      nullptr;          // null: the embedded one, or the one it was made on
  std::string weights;  // where that lies now; empty: where it lay
  EngineOptions engine = {};
  bool cache = true;
  int data_threads = 0;
  std::shared_ptr<Observer> observer = nullptr;
};

/// `const` functions may be called from any number of threads, also while another learns: they see
/// what was learned before, whole. One thread learns at a time; a call waits for the one before.
/// A call that throws changes nothing. Every misuse throws Error.
class Session {
 public:
  /// Throws Error(recipe) where an option is unknown or the learner cannot work on the network.
  static Session create(std::unique_ptr<Backbone> backbone, const SessionOptions& options = {});
  /// Throws Error(state) where the file is damaged, of another format, or was made on another
  /// backbone.
  static Session open(const std::filesystem::path& path, OpenOptions options = {});
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  /// One task: the classes of the samples, which are numbered after those that are known. Throws
  /// Error(scenario) where a class is known already and the learner learns every class once.
  void learn(const std::shared_ptr<const Source>& source);
  /// images [N,3,H,W], uint8 or float in [0,1], before any transform; `labels` number `classes`.
  void learn(const Tensor& images, const std::vector<int64_t>& labels,
             const std::vector<std::string>& classes);
  /// JPEG or PNG files.
  void learn(const std::vector<std::filesystem::path>& files, const std::vector<int64_t>& labels,
             const std::vector<std::string>& classes);
  /// Forgets a class, so that all is as if it had never been learned. Throws Error(usage) where the
  /// class is unknown or the method's algebra does not allow it.
  void forget(const std::string& name);

  /// The classes that speak for an image [3,H,W] (as for `learn`) or a file.
  std::vector<Prediction> predict(const Tensor& image, const PredictOptions& options = {}) const;
  std::vector<Prediction> predict(const std::filesystem::path& file,
                                  const PredictOptions& options = {}) const;
  std::vector<Prediction> predict(const Text& text, const PredictOptions& options = {}) const;
  /// The same of every sample.
  std::vector<std::vector<Prediction>> predict(const Source& source,
                                               const PredictOptions& options = {}) const;
  /// How many samples it gets right. Classes are compared by name; `task` as in PredictOptions.
  Assessment eval(const Source& source, int64_t task = -1) const;

  std::vector<std::string> classes() const;  // in the order in which they were learned
  int64_t tasks() const;
  std::string learner() const;
  std::string about() const;  // a line on the backbone

  /// Writes the artefact; the file appears under its name when it is whole.
  void save(const std::filesystem::path& path, const SaveOptions& options = {}) const;

 private:
  struct State;
  explicit Session(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace patina
