// Class texts: sentences with the names of classes, and their features under the text tower of a
// network that compares images with texts.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "patina/checkpoint/archive.h"
#include "patina/config/fields.h"
#include "patina/models/backbone.h"

namespace patina {

/// Defaults: CLIP's sentence.
struct ClassTextOptions {
  std::vector<std::string> templates = {"a photo of a {}."};
  std::string templates_file, templates_set;
  void bind(Fields& f);
};

/// A template with a name in the place of {}. Names may be identifiers: "_" is a space.
std::string sentence_with(std::string name, std::string sentence);

/// The features of a class are those of its sentences, one a template: each scaled to unit length,
/// then their mean scaled to unit length (Radford et al., ICML 2021, section 3.1.4). Names may be
/// identifiers, as data sets have them: "aquarium_fish". Const methods are thread-safe.
class ClassTexts {
 public:
  /// `clip` is lent; it has a tokenizer. `room`: so many tokens are inserted after each sentence's
  /// first, for vectors that an adaptation puts in their place. Throws Error(data) if the file of
  /// templates is not one, and Error(recipe) if the model's texts have no room.
  ClassTexts(const Backbone& clip, const ClassTextOptions& options, int64_t room = 0);

  /// Features under the tower as it was first asked: [n,E]. Each name is encoded once and kept, and
  /// its bits do not depend on the other names. For a text tower that nothing changes.
  Tensor frozen(const std::vector<std::string>& names) const;

  /// Features under the tower as it is, with adaptations, encoded anew: [n,E]. A graph is built if
  /// something on the path requires gradients.
  Tensor encoded(const std::vector<std::string>& names,
                 const nn::Adaptations& adaptations = {}) const;

  /// The sentences themselves, name by name: [n templates,T].
  Input sentences(const std::vector<std::string>& names) const;

  const std::vector<std::string>& templates() const { return templates_; }

  /// Saves or loads what `frozen` keeps of these names.
  void state(Archive& a, const std::vector<std::string>& names);

  /// The number of sentences that have passed through the tower.
  int64_t passed() const { return passed_; }

 private:
  const Backbone& clip_;
  std::vector<std::string> templates_;
  int64_t room_;
  mutable std::atomic<int64_t> passed_ = 0;
  mutable std::mutex mutex_;
  mutable std::map<std::string, Tensor> known_;  // frozen features by name, [1,E]
};

}  // namespace patina
