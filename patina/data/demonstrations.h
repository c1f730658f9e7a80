// Prompts that show their answer as an example, for models that teach themselves.
#pragma once

#include <memory>
#include <string>

#include "patina/data/dataset.h"

namespace patina {

/// The samples of a data set, in order, with a prompt that goes on as the template says: `{answer}`
/// stands for the sample's first answer. A prompt with an input goes on behind it. The answers
/// stay.
class Demonstrations {
 public:
  /// Throws Error(data) unless the samples have texts as answers.
  Demonstrations(const Dataset& data, std::string pattern);
  ~Demonstrations();
  Demonstrations(const Demonstrations&) = delete;
  Demonstrations& operator=(const Demonstrations&) = delete;

  const Dataset& data() const { return data_; }

 private:
  std::unique_ptr<Source> source_;
  Dataset data_;
};

}  // namespace patina
